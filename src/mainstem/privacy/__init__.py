"""Keys, computed references, keyed hashes and sealing."""

from mainstem.privacy.hashing import Hasher, Part
from mainstem.privacy.keyring import Keyring
from mainstem.privacy.references import References, normalise
from mainstem.privacy.sealing import Sealer

__all__ = ["Hasher", "Keyring", "Part", "References", "Sealer", "normalise"]
