"""Keyed hashes of columns: identities of events, contents of entities, rows of lake files.

The hash of a row is the first 16 bytes of SHA-256(index key, purpose, parts). Purpose and parts each carry their length
(`5:hello`) and null is `-`, which no length begins with: neither the boundaries of columns nor null and empty can be
confused. Integers are hashed as decimal text, times as microseconds since 1970, strings as UTF-8.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Hasher", "Part"]

Part: TypeAlias = str | bytes | int | dt.datetime | None

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

_HASH = pa.binary(16)
# Columns of more bytes are put together with 64-bit offsets.
_MUCH = 2**30


class Hasher:
    """Hashes rows under one index key; thread-safe."""

    def __init__(self, index_key: bytes) -> None:
        self._key = index_key

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
        start = hashlib.sha256(self._prefix(purpose))
        digests = []
        # A loop, and yet half the price of DuckDB's: OpenSSL hashes with the processor's own instructions.
        for message in _messages(columns):
            row = start.copy()
            row.update(message)
            digests.append(row.digest())
        hashed = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), start.digest_size)
        return pa.Array.from_buffers(_HASH, len(hashed), [None, pa.py_buffer(hashed[:, : _HASH.byte_width].tobytes())])

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


def _messages(columns: Sequence[pa.Array | pa.ChunkedArray]) -> list[bytes]:
    """`_encoded` of every row's parts, one after another."""
    plain = [_plain(column) for column in columns]
    size = sum(column.nbytes for column in plain)
    kind = pa.large_binary() if size > _MUCH or any(map(_is_large, plain)) else pa.binary()
    parts = [_part(column, kind) for column in plain]
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", kind)) if parts[1:] else parts[0]
    messages: list[bytes] = joined.to_pylist()
    return messages


def _part(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """`_encoded` of every value."""
    text = (column.cast(pa.string()) if pa.types.is_integer(column.type) else column).cast(kind)
    lengths = pc.binary_length(text).cast(pa.string()).cast(kind)
    return pc.fill_null(pc.binary_join_element_wise(lengths, text, pa.scalar(b":", kind)), b"-")


def _is_large(column: pa.Array | pa.ChunkedArray) -> bool:
    return column.type in {pa.large_string(), pa.large_binary()}
