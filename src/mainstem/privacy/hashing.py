"""Keyed hashes of columns: identities of events, contents of entities, rows of lake files.

The hash of a row is the first 16 bytes of SHA-256(index key, purpose, parts). Purpose and parts each carry their length
(`5:hello`) and null is `-`, which no length begins with: neither the boundaries of columns nor null and empty can be
confused. Integers are hashed as decimal text, times as microseconds since 1970, strings as UTF-8.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Sequence
from typing import TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts.duck import connect

__all__ = ["Hasher", "Part"]

Part: TypeAlias = str | bytes | int | dt.datetime | None

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

# A call of DuckDB costs as much as this many rows hashed in Python.
_FEW = 400


class Hasher:
    """Hashes rows under one index key; thread-safe (a DuckDB connection a thread)."""

    def __init__(self, index_key: bytes) -> None:
        self._key = index_key
        self._local = threading.local()

    def __repr__(self) -> str:
        return "Hasher()"

    def digest(self, purpose: bytes, parts: Sequence[Part]) -> bytes:
        """The hash (16 bytes) of one row; equal to what `hashes` gives for it.

        Raises ValueError for a datetime without a zone, TypeError for other types.
        """
        return hashlib.sha256(self._prefix(purpose) + b"".join([_encoded(part) for part in parts])).digest()[:16]

    def hashes(self, purpose: bytes, columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
        """The hash of every row over the columns, as binary(16) without nulls.

        Columns are of strings, bytes (fixed size too), integers, booleans (as 0 and 1) or times with a zone, and of
        one length. Raises ValueError when there are none or their lengths differ, TypeError for other types,
        pyarrow.ArrowInvalid for a uint64 beyond int64 or a time finer than a microsecond.
        """
        if len({len(column) for column in columns}) != 1:
            raise ValueError("columns of one length are needed")
        table = pa.table({f"c{n}": _plain(column) for n, column in enumerate(columns)})
        if table.num_rows <= _FEW:
            rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
            return pa.array([self.digest(purpose, row) for row in rows], pa.binary(16))
        connection = self._connection()
        connection.register("row", table)
        try:
            parts = [_expression(field.name, field.type) for field in table.schema]
            prefix = _literal(self._prefix(purpose))
            hashed = connection.execute(
                f"SELECT unhex(sha256({' || '.join([prefix, *parts])}))[1:16] FROM row"
            ).to_arrow_table()
        finally:
            connection.unregister("row")
        return pc.cast(hashed.column(0).combine_chunks(), pa.binary(16))

    @staticmethod
    def row_sum(hashes: pa.Array | pa.ChunkedArray) -> int:
        """The sum of binary(16) hashes, read as big-endian integers, modulo 2**128: equal for any order of the rows.

        Raises ValueError when one is null.
        """
        if hashes.null_count:
            raise ValueError("every row has a hash")
        total = 0
        for chunk in hashes.chunks if isinstance(hashes, pa.ChunkedArray) else [hashes]:
            words = np.frombuffer(
                chunk.buffers()[1] or b"", dtype=">u4", count=4 * len(chunk), offset=16 * chunk.offset
            )
            # Words of 32 bits cannot overflow a sum in 64 bits below 2**32 rows.
            for shift, word in zip((96, 64, 32, 0), words.reshape(-1, 4).sum(axis=0, dtype=np.uint64), strict=True):
                total += int(word) << shift
        return total % (1 << 128)

    def _prefix(self, purpose: bytes) -> bytes:
        return self._key + _encoded(purpose)

    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect()
        return connection


def _encoded(part: Part) -> bytes:
    match part:
        case None:
            return b"-"
        case str():
            data = part.encode()
        case bytes():
            data = part
        case int():
            data = b"%d" % part
        case dt.datetime():
            if part.tzinfo is None:
                raise ValueError("a datetime without a time zone has no instant")
            data = b"%d" % ((part - _EPOCH) // _MICROSECOND)
        case _:
            raise TypeError(f"{type(part).__name__} cannot be hashed")
    return b"%d:%b" % (len(data), data)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column in one of the four types that are hashed: string, binary (large ones too) and int64."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return column
    if pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.binary())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.int64())
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    raise TypeError(f"a column of {kind} cannot be hashed")


def _expression(name: str, kind: pa.DataType) -> str:
    """SQL for `_encoded` of a column."""
    if pa.types.is_integer(kind):
        text = f"{name}::VARCHAR"
        present = f"encode(strlen({text})::VARCHAR || ':' || {text})"
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        present = f"encode(strlen({name})::VARCHAR || ':' || {name})"
    else:
        present = f"encode(octet_length({name})::VARCHAR || ':') || {name}"
    return f"coalesce({present}, '-'::BLOB)"


def _literal(data: bytes) -> str:
    return "'" + "".join(f"\\x{byte:02X}" for byte in data) + "'::BLOB"
