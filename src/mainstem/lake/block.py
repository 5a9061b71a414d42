"""Blocks: what may identify in up to 10,000 rows, laid out so that it compresses well and one row is a slice.

In the clear a block is, all numbers little-endian:

    'MSB1'  rows: u32
    lengths of record_id, key, partition_key, delivery: i32 a row each, column after column; -1 is null
    differences of delivery_index: u32 a row, modulo 2**32, the first against 0
    values of the same four columns, column after column
    payloads

Lengths and differences, unlike offsets and indices, repeat: they compress to almost nothing. The layout is compressed
with zstd as one frame, then sealed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import IntegrityError

__all__ = ["BLOCK_COLUMNS", "decode_block", "encode_block"]

_HEAD = struct.Struct("<4sI")
_MAGIC = b"MSB1"
_STRINGS = ("record_id", "key", "partition_key", "delivery")

BLOCK_COLUMNS = (*_STRINGS, "delivery_index", "payload")
"""The columns of the envelope that lie in blocks only."""

Lengths = npt.NDArray[np.int32]


def encode_block(rows: pa.Table) -> tuple[bytes, Lengths, Lengths]:
    """The block of these rows in the clear; where each row's payload begins in it and how long it is."""
    strings = [rows.column(name).combine_chunks().cast(pa.binary()) for name in _STRINGS]
    payload = rows.column("payload").combine_chunks()
    indices = rows.column("delivery_index").to_numpy()
    parts: list[Any] = [
        _HEAD.pack(_MAGIC, len(rows)),
        *(_lengths(column).astype("<i4").tobytes() for column in strings),
        np.diff(indices, prepend=np.uint32(0)).astype("<u4").tobytes(),
        *(_values(column) for column in strings),
    ]
    start = sum(map(len, parts))
    parts.append(_values(payload))
    lengths = _lengths(payload)
    offsets = start + np.cumsum(lengths, dtype=np.int64) - lengths
    return b"".join(parts), offsets.astype(np.int32), lengths


def decode_block(data: bytes, lengths: Lengths) -> dict[str, pa.Array]:
    """The columns of a block in the clear; `lengths` are those of its payloads. Raises IntegrityError."""
    rows = len(lengths)
    numbers = 4 * rows
    at = _HEAD.size
    if len(data) < at + numbers * (len(_STRINGS) + 1) or _HEAD.unpack_from(data) != (_MAGIC, rows):
        raise IntegrityError("A block does not have the rows that its file says.")
    buffer = pa.py_buffer(data)
    string_lengths = []
    for _ in _STRINGS:
        string_lengths.append(np.frombuffer(data, "<i4", rows, at))
        at += numbers
    differences = np.frombuffer(data, "<u4", rows, at)
    at += numbers
    columns: dict[str, pa.Array] = {}
    for name, column_lengths in zip(_STRINGS, string_lengths, strict=True):
        columns[name], at = _column(pa.string(), column_lengths, buffer, at)
    columns["delivery_index"] = pa.array(np.cumsum(differences, dtype=np.uint32), pa.uint32())
    columns["payload"], at = _column(pa.binary(), lengths, buffer, at)
    if at != len(data):
        raise IntegrityError("A block does not have the bytes that its file says.")
    return columns


def _lengths(column: pa.Array) -> Lengths:
    lengths: Lengths = pc.binary_length(column).fill_null(-1).to_numpy()
    return lengths


def _values(column: pa.Array) -> Sequence[int]:
    """The values of a column of bytes, joined, without copying them."""
    if column.null_count:
        # What lies under a null is not ours to keep.
        column = column.fill_null(b"")
    buffers = column.buffers()
    offsets = (
        np.frombuffer(buffers[1], np.int32, len(column) + 1, 4 * column.offset) if buffers[1] else np.zeros(1, int)
    )
    values = buffers[2]
    return memoryview(values)[int(offsets[0]) : int(offsets[-1])] if values else b""


def _column(kind: pa.DataType, lengths: Lengths, buffer: pa.Buffer, at: int) -> tuple[pa.Array, int]:
    """A column whose values begin at `at`, and where they end."""
    missing = lengths < 0
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.where(missing, 0, lengths), out=offsets[1:])
    size = int(offsets[-1])
    if at + size > buffer.size:
        raise IntegrityError("A block does not have the bytes that its file says.")
    validity = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes()) if missing.any() else None
    buffers = [validity, pa.py_buffer(offsets.astype(np.int32).tobytes()), buffer.slice(at, size)]
    return pa.Array.from_buffers(kind, len(lengths), buffers), at + size
