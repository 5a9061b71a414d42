from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from mainstem.errors import IntegrityError
from mainstem.eventlog.codec import count, decode, encode
from mainstem.privacy import Keyring
from mainstem.testing.log_records import append_of


def test_a_single_record_takes_less_than_a_kilobyte(keyring: Keyring) -> None:
    assert len(encode(append_of(os.urandom(200)).records, keyring.sealer)) < 1024


def test_a_batch_is_compressed_and_sealed(keyring: Keyring) -> None:
    records = append_of(*[b'{"email":"ann@example.com","n":%d}' % n for n in range(1000)]).records
    sealed = encode(records, keyring.sealer)
    assert len(sealed) < records.nbytes / 4
    assert b"ann@example.com" not in sealed
    assert decode(sealed, keyring.sealer) == records


def test_a_batch_that_was_changed_or_sealed_elsewhere_is_not_read(keyring: Keyring, tmp_path: Path) -> None:
    sealed = encode(append_of(b"x").records, keyring.sealer)
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for bad in (flipped, b"", sealed[:10], keyring.sealer.seal(b"\x01", b"another context")):
        with pytest.raises(IntegrityError):
            decode(bad, keyring.sealer)
    with pytest.raises(IntegrityError):
        decode(sealed, Keyring.create(tmp_path / "other").sealer)


@pytest.mark.parametrize("body", [b"", b"\x02future", b"\x01not zstd", b"\x01"])
def test_a_batch_of_another_format_is_named(keyring: Keyring, body: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(keyring.sealer.seal(body, b"mainstem.log"), keyring.sealer)


def test_records_are_counted_by_source_and_stream() -> None:
    parts = [append_of(b"x", source=s, stream=t).records for s, t in (("b", "a"), ("a", "b"), ("b", "b"), ("b", "a"))]
    [mixed] = pa.Table.from_batches(parts).combine_chunks().to_batches()
    assert count(mixed) == {("b", "a"): 2, ("a", "b"): 1, ("b", "b"): 1}
    assert count(mixed.slice(1, 1)) == {("a", "b"): 1}
