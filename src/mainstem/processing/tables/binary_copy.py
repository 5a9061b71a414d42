"""Arrow columns into PostgreSQL by binary COPY, without a Python loop over rows.

Every field becomes a column of bytes as they go over the wire, all values of fixed width side by side in one; Arrow then
joins the columns row by row, and the joined values, which lie after each other in memory, are the stream. Types follow
from the columns; `jsonb` has to be said, because it is text with a version byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from mainstem.processing.columns import whole
from mainstem.store import Connection

__all__ = ["Jsonb", "copy_rows", "encode_rows"]

Bytes = npt.NDArray[np.uint8]

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
# PostgreSQL counts from 2000-01-01.
_EPOCH_DAYS = 10_957
_EPOCH_MICROSECONDS = _EPOCH_DAYS * 86_400_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Jsonb:
    """A column of JSON texts for a column of type jsonb."""

    texts: pa.Array | pa.ChunkedArray


Column: TypeAlias = pa.Array | pa.ChunkedArray | Jsonb


def copy_rows(conn: Connection, table: str, columns: Mapping[str, Column]) -> int:
    """Append rows to a table; how many PostgreSQL wrote. Columns are given by the table's names for them.

    binary(16) becomes uuid; strings text; binary bytea; int16, int32, int64, bool, date32 and times with a zone their
    likes. Raises TypeError for other types.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    cursor = conn.cursor()
    with cursor.copy(statement) as copy:
        for piece in encode_rows(list(columns.values())):
            copy.write(piece)
    return cursor.rowcount


def encode_rows(columns: Sequence[Column]) -> tuple[bytes, memoryview, bytes]:
    """The pieces of the COPY stream of rows whose fields are the columns' values; at least one row."""
    texts = [_plain(column) for column in columns]
    count = len(texts[0])
    pieces: list[pa.Array] = []
    fixed = [_big_endian(np.full(count, len(texts)), ">i2")]
    for text in texts:
        values = _fixed(text)
        if values is not None and not text.null_count:
            width = values.shape[1]
            fixed += [_big_endian(np.full(count, width), ">i4"), values]
            continue
        data = text if values is None else _as_binary(values)
        lengths = pc.binary_length(data).fill_null(-1).to_numpy().astype(np.int64)
        if text.null_count:
            present = np.asarray(text.is_valid())
            lengths = np.where(present, lengths, -1)
            data = pc.if_else(pa.array(present), data, b"")
        fixed.append(_big_endian(lengths, ">i4"))
        pieces += [_as_binary(np.hstack(fixed)), data.cast(pa.binary())]
        fixed = []
    if fixed:
        pieces.append(_as_binary(np.hstack(fixed)))
    joined = pc.binary_join_element_wise(*pieces, b"") if len(pieces) > 1 else pieces[0]
    bounds = np.frombuffer(joined.buffers()[1], np.int32, count=count + 1)
    return _HEADER, memoryview(joined.buffers()[2])[bounds[0] : bounds[-1]], _TRAILER


def _as_binary(matrix: Bytes) -> pa.Array:
    """A row of bytes each."""
    count, width = matrix.shape
    bounds = pa.array(np.arange(count + 1, dtype=np.int32) * width)
    return pa.Array.from_buffers(
        pa.binary(), count, [None, bounds.buffers()[1], pa.py_buffer(np.ascontiguousarray(matrix))]
    )


def _big_endian(values: npt.NDArray[np.int64], kind: str) -> Bytes:
    return values.astype(kind).view(np.uint8).reshape(len(values), -1)


def _plain(column: Column) -> pa.Array:
    if isinstance(column, Jsonb):
        # Version 1 of the type's wire format.
        return _plain(pc.binary_join_element_wise("\x01", column.texts, ""))
    array = whole(column)
    return array.cast(pa.binary()) if pa.types.is_string(array.type) else array


def _fixed(array: pa.Array) -> Bytes | None:
    """The values' bytes when all are of one width (those of nulls are of no meaning); None for a column of bytes."""
    kind = array.type
    if pa.types.is_binary(kind):
        return None
    if pa.types.is_fixed_size_binary(kind):
        width = kind.byte_width
        data = array.buffers()[1]
        return np.frombuffer(data, np.uint8, count=width * len(array), offset=width * array.offset).reshape(-1, width)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        micros = array.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(0).to_numpy()
        return _big_endian(micros - _EPOCH_MICROSECONDS, ">i8")
    if pa.types.is_date32(kind):
        days = array.cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
        return _big_endian(days - _EPOCH_DAYS, ">i4")
    if pa.types.is_boolean(kind):
        return _big_endian(np.asarray(array.fill_null(False)).astype(np.int64), ">i1")
    for known, wire in ((pa.int16(), ">i2"), (pa.int32(), ">i4"), (pa.int64(), ">i8")):
        if kind == known:
            return _big_endian(array.fill_null(0).to_numpy(), wire)
    raise TypeError(f"a column of {kind} cannot be copied")
