"""Rows: the log's batches as one table, split as files are, and the hash of a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.lake.commit import Chain, FileKey
from mainstem.model import ENVELOPE, LogBatch
from mainstem.privacy import Hasher

__all__ = ["ROWS", "join_batches", "row_hashes", "split_rows"]

ROWS = pa.schema(
    [
        *ENVELOPE,
        pa.field("position", pa.int64(), nullable=False),
        pa.field("index", pa.uint32(), nullable=False),
        pa.field("received_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""Records of one chain: the envelope, the place in the chain, and when the batch was received."""

_ROW_PURPOSE = b"lake.row.1"

_DAY = dt.timedelta(days=1) // dt.timedelta(microseconds=1)

_VALUES = (
    "source",
    "stream",
    "op",
    "origin",
    "content_type",
    "record_id",
    "key",
    "partition_key",
    "delivery",
    "payload",
)

_NUMBERS = np.dtype(
    [
        ("epoch", ">i4"),
        ("partition", ">i2"),
        ("lane", "i1"),
        ("position", ">i8"),
        ("index", ">u4"),
        ("received_at", ">i8"),
        ("contract_version", ">i4"),
        ("slot", ">u2"),
        ("occurred", "i1"),
        ("occurred_at", ">i8"),
        ("observed_at", ">i8"),
        ("delivery_index", ">u4"),
        *((f"{name}_length", ">i4") for name in _VALUES),
    ]
)


def join_batches(batches: Sequence[LogBatch]) -> pa.Table:
    """The records of consecutive batches of one chain, in `ROWS` columns; not empty."""
    counts = [batch.records.num_rows for batch in batches]
    starts = np.cumsum([0, *counts[:-1]])
    total = sum(counts)
    index = np.arange(total, dtype=np.int64) - np.repeat(starts, counts)
    received = [_microseconds(batch.received_at) for batch in batches]
    records = pa.Table.from_batches([batch.records for batch in batches], ENVELOPE)
    place = [
        pa.array(np.repeat([batch.position for batch in batches], counts), pa.int64()),
        pa.array(index.astype(np.uint32), pa.uint32()),
        pa.array(np.repeat(received, counts), pa.int64()).cast(ROWS.field("received_at").type),
    ]
    return pa.table([*records.columns, *place], schema=ROWS)


def split_rows(rows: pa.Table) -> Iterator[tuple[FileKey, pa.Table]]:
    """The rows of each file, in the order they came."""
    sources, streams = (rows.column(name).combine_chunks().dictionary_encode() for name in ("source", "stream"))
    columns = [
        sources.indices.to_numpy().astype(np.int64),
        streams.indices.to_numpy().astype(np.int64),
        rows.column("contract_version").to_numpy().astype(np.int64),
        rows.column("received_at").cast(pa.int64()).to_numpy() // _DAY,
    ]
    changes = np.zeros(len(rows), dtype=bool)
    for column in columns:
        changes[1:] |= column[1:] != column[:-1]
    if not changes.any():
        yield _key(columns, 0, sources, streams), rows
        return
    distinct, first, group = np.unique(np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True)
    for number in range(len(distinct)):
        yield (
            _key(columns, int(first[number]), sources, streams),
            rows.take(pa.array(np.flatnonzero(group.reshape(-1) == number))),
        )


def row_hashes(hasher: Hasher, chain: Chain, rows: pa.Table) -> pa.Array:
    """The keyed hash (16 bytes) of every row: its place, its envelope, its payload. `docs/specs/lake.md` has the form."""
    numbers = np.zeros(len(rows), dtype=_NUMBERS)
    numbers["epoch"] = chain.epoch
    numbers["partition"] = chain.partition
    numbers["lane"] = int(chain.lane)
    for name in ("position", "index", "contract_version", "slot", "delivery_index"):
        numbers[name] = rows.column(name).to_numpy()
    for name in ("received_at", "observed_at"):
        numbers[name] = rows.column(name).cast(pa.int64()).to_numpy()
    occurred_at = rows.column("occurred_at").cast(pa.int64())
    numbers["occurred"] = occurred_at.is_valid().to_numpy()
    numbers["occurred_at"] = occurred_at.fill_null(0).to_numpy()
    values = [rows.column(name).combine_chunks().cast(pa.binary()) for name in _VALUES]
    for name, value in zip(_VALUES, values, strict=True):
        numbers[f"{name}_length"] = pc.binary_length(value).fill_null(-1).to_numpy()
    joined = pc.binary_join_element_wise(
        _binary(numbers), *values, pa.scalar(b"", pa.binary()), null_handling="replace", null_replacement=""
    )
    return hasher.hashes(_ROW_PURPOSE, [joined])


def _key(columns: list[npt.NDArray[np.int64]], row: int, sources: Any, streams: Any) -> FileKey:
    source, stream, version, day = (int(column[row]) for column in columns)
    return FileKey(
        sources.dictionary[source].as_py(),
        streams.dictionary[stream].as_py(),
        dt.date(1970, 1, 1) + dt.timedelta(days=day),
        version,
    )


def _binary(numbers: npt.NDArray[np.void]) -> pa.Array:
    size = numbers.dtype.itemsize
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * size
    return pa.Array.from_buffers(
        pa.binary(), len(numbers), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(numbers.tobytes())]
    )


def _microseconds(at: dt.datetime) -> int:
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
