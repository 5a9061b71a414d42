"""Records to put into a log, and what a log holds, for tests of logs and of what reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pyarrow as pa

from mainstem.eventlog import Append, EventLog
from mainstem.model import ENVELOPE, Lane, LogBatch

__all__ = ["append_of", "payloads", "read_all"]


def append_of(
    *payloads: bytes, partition: int = 0, lane: Lane = Lane.LIVE, source: str = "shop", stream: str = "orders"
) -> Append:
    """Records with these payloads for one lane of a partition, whatever number of partitions up to 16 there is."""
    at = dt.datetime(2026, 1, 15, 11, 59, tzinfo=dt.UTC)
    rows = [
        {
            "source": source,
            "stream": stream,
            "contract_version": 1,
            "record_id": f"r{index}",
            "key": None,
            "partition_key": "c1",
            "slot": partition,
            "op": "event",
            "occurred_at": at,
            "observed_at": at,
            "origin": "api",
            "delivery": "d1",
            "delivery_index": index,
            "content_type": "application/json",
            "payload": payload,
        }
        for index, payload in enumerate(payloads)
    ]
    return Append(partition, lane, pa.RecordBatch.from_pylist(rows, schema=ENVELOPE))


def payloads(batches: Sequence[LogBatch]) -> list[bytes]:
    """The payloads of all records of the batches, in order."""
    return [payload for batch in batches for payload in batch.records.column("payload").to_pylist()]


def read_all(log: EventLog, partition: int = 0, lane: Lane = Lane.LIVE, *, epoch: int = 1) -> list[LogBatch]:
    """Everything in one lane of a partition, read in small steps."""
    batches: list[LogBatch] = []
    while new := log.read(
        epoch, partition, lane, batches[-1].position if batches else 0, max_records=7, max_bytes=1 << 20
    ):
        batches.extend(new)
    return batches
