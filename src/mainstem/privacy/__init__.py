"""Keys, computed references, keyed hashes and sealing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.privacy.hashing import Hasher, Part
    from mainstem.privacy.keyring import Keyring
    from mainstem.privacy.references import References, normalise
    from mainstem.privacy.sealing import Sealer
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "hashing": "Hasher Part",
            "keyring": "Keyring",
            "references": "References normalise",
            "sealing": "Sealer",
        },
    )

__all__ = ["Hasher", "Keyring", "Part", "References", "Sealer", "normalise"]
