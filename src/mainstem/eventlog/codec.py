"""How a batch of records is written into a log, whichever log it is.

    sealed( version byte | zstd( Arrow record-batch message, without its schema ) )

`ENVELOPE` is the schema and never travels; another one would be another version. A batch is compressed as a whole,
because records of a batch resemble each other, and sealed as a whole, because payloads and keys identify people.
"""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import zstandard

from mainstem.errors import IntegrityError
from mainstem.model import ENVELOPE
from mainstem.privacy import Sealer

__all__ = ["check", "count", "decode", "encode", "size"]

_CONTEXT = b"mainstem.log"
_VERSION = b"\x01"
# Level 1: on two cores every further level costs more appends than it saves disk.
_LEVEL = 1
_REQUIRED = [place for place, field in enumerate(ENVELOPE) if not field.nullable]


class _Compressors(threading.local):
    """zstd's contexts are costly to make and belong to one thread."""

    def __init__(self) -> None:
        self.packer = zstandard.ZstdCompressor(level=_LEVEL)
        self.unpacker = zstandard.ZstdDecompressor()


_zstd = _Compressors()


def check(records: pa.RecordBatch) -> None:
    """Raises ValueError when the records are none or not in `ENVELOPE` columns."""
    if records.num_rows == 0:
        raise ValueError("a batch without records cannot be appended")
    if not records.schema.equals(ENVELOPE):
        raise ValueError("the columns of a batch have to be those of ENVELOPE")
    for place in _REQUIRED:
        if records.column(place).null_count:
            raise ValueError(f"{ENVELOPE[place].name} has to have a value in every record")


def encode(records: pa.RecordBatch, sealer: Sealer) -> bytes:
    """The batch as it lies in the log; `ENVELOPE` columns, at least one row."""
    return sealer.seal(_VERSION + _zstd.packer.compress(records.serialize()), _CONTEXT)


def decode(sealed: bytes, sealer: Sealer) -> pa.RecordBatch:
    """The inverse of `encode`. Raises IntegrityError when the bytes are not what was written with these keys."""
    body = sealer.open(sealed, _CONTEXT)
    if body[:1] != _VERSION:
        raise IntegrityError(
            f"A batch of the log has format {body[:1].hex() or 'none'}; this release reads {_VERSION.hex()}.",
            hint="It was written by a newer release of Mainstem: use that one.",
        )
    try:
        message = _zstd.unpacker.decompress(memoryview(body)[1:])
        return pa.ipc.read_record_batch(pa.py_buffer(message), ENVELOPE)
    except (zstandard.ZstdError, pa.ArrowException) as error:
        raise IntegrityError("A batch of the log was sealed by us and still is none.") from error


def size(records: pa.RecordBatch) -> int:
    """Bytes of the records in memory, slices counted as what they show; the measure of a read's `max_bytes`."""
    return int(records.nbytes)


def count(records: pa.RecordBatch) -> dict[tuple[str, str], int]:
    """Records by (source, stream)."""
    source, stream = records.column("source"), records.column("stream")
    sources, streams = source.unique().to_pylist(), stream.unique().to_pylist()
    if len(sources) == len(streams) == 1:
        return {(sources[0], streams[0]): records.num_rows}
    source, stream = source.dictionary_encode(), stream.dictionary_encode()
    codes = source.indices.to_numpy().astype(np.int64) * len(streams) + stream.indices.to_numpy()
    present, numbers = np.unique(codes, return_counts=True)
    return {
        (sources[code // len(streams)], streams[code % len(streams)]): number
        for code, number in zip(present.tolist(), numbers.tolist(), strict=True)
    }
