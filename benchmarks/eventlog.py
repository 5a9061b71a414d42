"""The event log alone: batches to durable and read again, beside a bare COPY and a bare SELECT of the same sealed bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pyarrow as pa

from benchmarks.events import usage_events
from benchmarks.installation import PARTITIONS, Installation, installation
from benchmarks.recipe import Figure
from mainstem.eventlog import Append
from mainstem.intake import Rows
from mainstem.model import Lane

_EVENTS = 200_000
_BATCH = 5_000
"""Records of one append, of all partitions together."""


def run() -> Iterator[Figure]:
    with installation() as parts:
        appends = _appends(parts)
        epoch = parts.log.epochs()[-1].number
        before = [head for head in parts.log.heads(epoch) if head.lane is Lane.LIVE]
        started = time.perf_counter()
        for group in appends:
            parts.log.append(group)
        appended = time.perf_counter() - started
        copied = _copy(parts)
        started = time.perf_counter()
        read = 0
        for head in before:
            after = head.position
            while batches := parts.log.read(
                epoch, head.partition, Lane.LIVE, after, max_records=50_000, max_bytes=64 * 2**20
            ):
                read += sum(batch.records.num_rows for batch in batches)
                after = batches[-1].position
        reading = time.perf_counter() - started
        assert read == _EVENTS
        selected = _select(parts)
    yield Figure(
        "log: append to durable", _EVENTS / appended, "events/s", None, "COPY of the sealed bytes", _EVENTS / copied
    )
    yield Figure("log: read", _EVENTS / reading, "events/s", None, "SELECT of the sealed bytes", _EVENTS / selected)


def _appends(parts: Installation) -> list[list[Append]]:
    """The events as the door would append them, taken from the log's bulk lane."""
    payloads = usage_events(_EVENTS)
    for first in range(0, _EVENTS, _BATCH):
        chunk = pa.array(payloads[first : first + _BATCH], pa.binary())
        parts.door.submit_rows(Rows("shop", "usage_events", chunk, first, "bench"))
    epoch = parts.log.epochs()[-1].number
    lanes = [
        parts.log.read(epoch, partition, Lane.BULK, 0, max_records=_EVENTS, max_bytes=2**40)
        for partition in range(PARTITIONS)
    ]
    return [
        [Append(batch.partition, Lane.LIVE, batch.records) for batch in group] for group in zip(*lanes, strict=True)
    ]


def _copy(parts: Installation) -> float:
    """Seconds of a bare COPY of what the log holds, as many rows a commit as an append has."""
    with parts.database.transaction() as connection:
        connection.execute("CREATE TABLE bare_body (id bigint GENERATED ALWAYS AS IDENTITY, body bytea)")
        connection.execute("ALTER TABLE bare_body ALTER COLUMN body SET STORAGE EXTERNAL")
        bodies = connection.execute(
            "SELECT body FROM log_batch WHERE lane = %s ORDER BY position, partition", [int(Lane.LIVE)], binary=True
        ).fetchall()
    started = time.perf_counter()
    for first in range(0, len(bodies), PARTITIONS):
        with (
            parts.database.transaction() as connection,
            connection.cursor().copy("COPY bare_body (body) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(["bytea"])
            for body in bodies[first : first + PARTITIONS]:
                copy.write_row(body)
    return time.perf_counter() - started


def _select(parts: Installation) -> float:
    with parts.database.autocommit() as connection:
        started = time.perf_counter()
        connection.execute("SELECT id, body FROM bare_body ORDER BY id", binary=True).fetchall()
        return time.perf_counter() - started
