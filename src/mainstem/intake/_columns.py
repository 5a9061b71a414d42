"""From prepared records to the log's columns: built once for all that is committed together."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.intake._reading import TIMESTAMP, Texts, Times
from mainstem.model import ENVELOPE
from mainstem.privacy import References

__all__ = ["Segment", "build"]


class Segment(msgspec.Struct, frozen=True):
    """Records of one stream of one delivery, ready for the log. Columns are as long as `payload`, or None: all null.

    Texts are kept as they were read: of many small segments each column becomes Arrow's once.
    """

    source: str
    stream: str
    contract_version: int
    origin: str
    delivery: str
    content_type: str
    received_at: dt.datetime
    index: Sequence[int]
    payload: Sequence[bytes]
    op: str | Sequence[str]
    record_id: Texts = None
    key: Texts = None
    partition_key: Texts = None
    occurred_at: Times = None
    observed_at: Times = None
    slot: Sequence[int] | None = None
    """Where each of them belongs, whatever its partition key says; None: where that says."""


def build(segments: Sequence[Segment], references: References) -> pa.RecordBatch:
    """All records of the segments, in order, in `ENVELOPE` columns; observed when received where nothing else is known."""
    counts = [len(segment.payload) for segment in segments]
    occurred_at = _times([segment.occurred_at for segment in segments], counts)
    columns = {
        "source": _repeated([segment.source for segment in segments], counts, pa.string()),
        "stream": _repeated([segment.stream for segment in segments], counts, pa.string()),
        "contract_version": _repeated([segment.contract_version for segment in segments], counts, pa.int32()),
        "record_id": _texts([segment.record_id for segment in segments], counts),
        "key": _texts([segment.key for segment in segments], counts),
        "partition_key": _texts([segment.partition_key for segment in segments], counts),
        "slot": _slots(segments, counts, references),
        "op": _operations(segments, counts),
        "occurred_at": occurred_at,
        "observed_at": _observed(segments, counts, occurred_at),
        "origin": _repeated([segment.origin for segment in segments], counts, pa.string()),
        "delivery": _repeated([segment.delivery for segment in segments], counts, pa.string()),
        "delivery_index": _indexes(segments, counts),
        "content_type": _repeated([segment.content_type for segment in segments], counts, pa.string()),
        "payload": pa.array(_chained([segment.payload for segment in segments]), pa.binary()),
    }
    return pa.RecordBatch.from_arrays([columns[field.name] for field in ENVELOPE], schema=ENVELOPE)


def _repeated(values: Sequence[Any], counts: Sequence[int], kind: pa.DataType) -> pa.Array:
    """Each value as often as its segment has records."""
    if len(set(values)) == 1:
        return pa.repeat(pa.scalar(values[0], kind), sum(counts))
    return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), counts)))


def _chained(columns: Sequence[Sequence[Any]]) -> Sequence[Any]:
    return columns[0] if len(columns) == 1 else list(itertools.chain.from_iterable(columns))


def _indexes(segments: Sequence[Segment], counts: Sequence[int]) -> pa.Array:
    if len(segments) == 1 and isinstance(segments[0].index, range):
        index = segments[0].index
        return pa.array(np.arange(index.start, index.stop, index.step, dtype=np.uint32))
    return pa.array(np.fromiter(itertools.chain.from_iterable(s.index for s in segments), np.uint32, sum(counts)))


def _texts(columns: Sequence[Texts], counts: Sequence[int]) -> pa.Array:
    if all(column is None for column in columns):
        return pa.nulls(sum(counts), pa.string())
    filled = [column or [None] * n for column, n in zip(columns, counts, strict=True)]
    return pa.array(_chained(filled), pa.string())


def _times(columns: Sequence[Times], counts: Sequence[int]) -> pa.Array:
    filled = [pa.nulls(n, TIMESTAMP) if column is None else column for column, n in zip(columns, counts, strict=True)]
    return filled[0] if len(filled) == 1 else pa.concat_arrays(filled)


def _operations(segments: Sequence[Segment], counts: Sequence[int]) -> pa.Array:
    if all(isinstance(segment.op, str) for segment in segments):
        return _repeated([segment.op for segment in segments], counts, pa.string())
    filled = [[s.op] * n if isinstance(s.op, str) else s.op for s, n in zip(segments, counts, strict=True)]
    return pa.array(_chained(filled), pa.string())


def _observed(segments: Sequence[Segment], counts: Sequence[int], occurred_at: pa.Array) -> pa.Array:
    # Events that do not say are observed when they occurred: one column, and no need to make it twice.
    alike = all(segment.observed_at is segment.occurred_at for segment in segments)
    observed = occurred_at if alike else _times([segment.observed_at for segment in segments], counts)
    if observed.null_count == 0:
        return observed
    return pc.coalesce(observed, _repeated([segment.received_at for segment in segments], counts, TIMESTAMP))


def _slots(segments: Sequence[Segment], counts: Sequence[int], references: References) -> pa.Array:
    """By partition key; without one by delivery and index, so that such records spread over the partitions."""
    slots = np.concatenate(
        [
            references.slots(source, stream, _keys(list(run)))
            for (source, stream), run in itertools.groupby(segments, attrgetter("source", "stream"))
        ]
    )
    end = 0
    for segment, count in zip(segments, counts, strict=True):
        end += count
        keys = segment.partition_key
        if segment.slot is not None:
            slots[end - count : end] = segment.slot
        elif keys is None or None in keys:
            for row, index in enumerate(segment.index):
                if keys is None or keys[row] is None:
                    slots[end - count + row] = references.delivery_slot(segment.delivery, int(index))
    return pa.array(slots)


def _keys(segments: Sequence[Segment]) -> Sequence[str | None]:
    return _chained([segment.partition_key or [None] * len(segment.payload) for segment in segments])
