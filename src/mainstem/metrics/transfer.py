"""Arrow tables into PostgreSQL by binary COPY, without a Python loop over rows.

In memory, 16-byte binaries stand for uuid, decimals with nine places for numeric, other binaries for what PostgreSQL
reads from them: bytea, or jsonb when each begins with the version byte of its wire format, 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from mainstem.metrics.numbers import EXACT, ONE, SCALE, halves
from mainstem.store import Connection

__all__ = ["copy_in", "fixed_bytes", "fixed_rows", "joined_bytes"]

Matrix = npt.NDArray[np.uint8]

_UUID = pa.binary(16)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
# PostgreSQL counts microseconds from 2000-01-01.
_EPOCH = 946_684_800_000_000
_INTEGERS = {pa.int16(): ">i2", pa.int32(): ">i4", pa.int64(): ">i8"}


def copy_in(conn: Connection, target: str, table: pa.Table) -> None:
    """Append the rows to the table `target`, whose columns have the same names and fitting types.

    Only strings and binaries of any length may be null. Raises TypeError for a type that is not known here.
    """
    if not table.num_rows:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(target), names)
    with conn.cursor().copy(statement) as copy:
        copy.write(_HEADER)
        for batch in table.to_batches(max_chunksize=65_536):
            copy.write(_encoded(batch))
        copy.write(_TRAILER)


def fixed_bytes(values: pa.Array) -> Matrix:
    """A fixed-size binary column without nulls as a matrix of bytes."""
    width = values.type.byte_width
    data = np.frombuffer(values.buffers()[1], np.uint8, count=width * len(values), offset=width * values.offset)
    return data.reshape(-1, width)


def fixed_rows(matrix: Matrix) -> pa.Array:
    """The rows of a matrix of bytes as a binary column."""
    rows = np.ascontiguousarray(matrix)
    kind = pa.binary(matrix.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(rows), [None, pa.py_buffer(rows)]).cast(pa.binary())


def joined_bytes(values: pa.Array) -> memoryview:
    """The values of a binary column without nulls, one after another; nothing is copied."""
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int32, count=len(values) + 1, offset=4 * values.offset)
    return memoryview(data or b"")[int(bounds[0]) : int(bounds[-1])]


def _encoded(batch: pa.RecordBatch) -> memoryview:
    """The rows in PostgreSQL's binary COPY format."""
    size = batch.num_rows
    pieces: list[pa.Array] = []
    fixed: list[Matrix] = [_repeated(batch.num_columns, ">i2", size)]
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy(zero_copy_only=False)
            fixed.append(_big_endian(lengths, ">i4"))
            pieces += [fixed_rows(np.concatenate(fixed, axis=1)), pc.fill_null(column.cast(pa.binary()), b"")]
            fixed = []
        else:
            if column.null_count:
                raise TypeError(f"a null in a column of {column.type}")
            values = _fixed(column)
            fixed += [_repeated(values.shape[1], ">i4", size), values]
    if fixed:
        pieces.append(fixed_rows(np.concatenate(fixed, axis=1)))
    return joined_bytes(pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary())) if pieces[1:] else pieces[0])


def _fixed(column: pa.Array) -> Matrix:
    """The values of a column of fixed width as they go over the wire."""
    kind = column.type
    if kind == _UUID:
        return fixed_bytes(column)
    if kind in _INTEGERS:
        return _big_endian(column.to_numpy(), _INTEGERS[kind])
    if pa.types.is_timestamp(kind):
        return _big_endian(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() - _EPOCH, ">i8")
    if pa.types.is_boolean(kind):
        return _big_endian(column.to_numpy(zero_copy_only=False).astype(np.int8), ">i1")
    if pa.types.is_decimal128(kind) and kind.scale == 9:
        return _numeric(column)
    raise TypeError(f"a column of {kind} cannot be copied")


def _numeric(column: pa.Array) -> Matrix:
    """decimal128(_, 9) as PostgreSQL's numeric: groups of four digits. Zeros at either end do no harm."""
    unsigned, high = halves(column)
    low = unsigned.view("<i8")
    groups = 3
    magnitude: npt.NDArray[Any] = np.abs(low)
    if not (high == low >> 63).all() or (low == np.iinfo(np.int64).min).any():
        # Beyond 64 bits with its nine decimals, that is above nine billions: rare, so Python's integers will do.
        groups = 8
        magnitude = np.array([abs(int(value.scaleb(SCALE, EXACT))) for value in column.to_pylist()], object)
    whole, fraction = magnitude // ONE, magnitude % ONE * 1000
    digits = [whole // 10 ** (4 * place) % 10_000 for place in reversed(range(groups))]
    digits += [fraction // 10 ** (4 * place) % 10_000 for place in reversed(range(3))]
    size = len(column)
    head = [
        _repeated(groups + 3, ">i2", size),
        _repeated(groups - 1, ">i2", size),
        _big_endian(np.where(high < 0, 0x4000, 0), ">i2"),
        _big_endian(np.where(fraction.astype(np.int64) == 0, 0, 9), ">i2"),
    ]
    return np.concatenate([*head, *(_big_endian(digit.astype(np.int64), ">i2") for digit in digits)], axis=1)


def _big_endian(values: npt.NDArray[Any], kind: str) -> Matrix:
    return values.astype(kind).view(np.uint8).reshape(len(values), -1)


def _repeated(value: int, kind: str, size: int) -> Matrix:
    one = np.array([value], kind).view(np.uint8)
    return np.broadcast_to(one, (size, len(one)))
