from __future__ import annotations

import pytest

from mainstem.errors import IntegrityError
from mainstem.privacy import Keyring, Sealer
from mainstem.privacy.sealing import new_keyset, rotated_keyset


def test_many_are_sealed_and_opened_in_order(keyring: Keyring) -> None:
    data = [b"", b"a", b"\0" * 100, b"e-mail"]
    sealed = keyring.sealer.seal_many(data, b"context")
    assert keyring.sealer.open_many(sealed, b"context") == data
    assert {len(one) - len(clear) for one, clear in zip(sealed, data, strict=True)} == {33}


def test_equal_data_is_sealed_differently(keyring: Keyring) -> None:
    assert keyring.sealer.seal(b"data", b"") != keyring.sealer.seal(b"data", b"")


def test_a_sealed_value_opens_in_its_context_only(keyring: Keyring) -> None:
    sealed = keyring.sealer.seal(b"data", b"block 1")
    for wrong in (b"block 2", b"", b"block 1\0"):
        with pytest.raises(IntegrityError, match="does not open"):
            keyring.sealer.open(sealed, wrong)


@pytest.mark.parametrize("place", [0, 4, 20, -1])
def test_a_changed_byte_does_not_open(keyring: Keyring, place: int) -> None:
    sealed = bytearray(keyring.sealer.seal(b"data", b""))
    sealed[place] ^= 1
    with pytest.raises(IntegrityError):
        keyring.sealer.open(bytes(sealed), b"")
    with pytest.raises(IntegrityError):
        keyring.sealer.open_many([keyring.sealer.seal(b"data", b""), b""], b"")


def test_a_rotated_keyset_opens_the_old_and_the_old_does_not_open_the_new() -> None:
    keyset = new_keyset()
    old, new = Sealer(keyset), Sealer(rotated_keyset(keyset))
    assert new.open(old.seal(b"data", b""), b"") == b"data"
    with pytest.raises(IntegrityError):
        old.open(new.seal(b"data", b""), b"")
