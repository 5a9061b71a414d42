"""From the log to committed metrics: parsed, checked, deduplicated, merged; beside DuckDB counting the same file once.

DuckDB's figure is a limit and no peer: it keeps counts only, nothing durable, and would count repeats across runs.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.events import usage_events
from benchmarks.installation import PARTITIONS, installation
from benchmarks.recipe import Figure
from mainstem.intake import Rows
from mainstem.model import Lane
from mainstem.processing import lease_name
from mainstem.store import Lease

_EVENTS = 400_000
_CHUNK = 50_000


def run() -> Iterator[Figure]:
    payloads = usage_events(_EVENTS)
    limit = _duckdb(payloads)
    with installation() as parts:
        for first in range(0, _EVENTS, _CHUNK):
            chunk = pa.array(payloads[first : first + _CHUNK], pa.binary())
            parts.door.submit_rows(Rows("shop", "usage_events", chunk, first, "bench"))
        epoch = parts.log.epochs()[-1].number
        leases = {
            p: Lease(parts.database, lease_name(epoch, p), "bench", dt.timedelta(minutes=10)).acquire()
            for p in range(PARTITIONS)
        }
        done = 0
        started = time.perf_counter()
        for partition, lease in leases.items():
            assert lease is not None
            after = 0
            while batches := parts.log.read(
                epoch, partition, Lane.BULK, after, max_records=_CHUNK, max_bytes=64 * 2**20
            ):
                done += parts.sink.commit(parts.engine.process(batches), lease_epoch=lease).accepted
                after = batches[-1].position
        seconds = time.perf_counter() - started
    assert done == _EVENTS
    yield Figure(
        "log to committed metrics", _EVENTS / seconds, "events/s", 100_000, "DuckDB over the file, counts only", limit
    )


def _duckdb(payloads: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.ndjson"
        file.write_bytes(b"\n".join(payloads))
        connection = duckdb.connect()
        started = time.perf_counter()
        connection.execute(
            f"SELECT customer_id, event, time_bucket(INTERVAL 1 HOUR, occurred_at::TIMESTAMPTZ), count(DISTINCT id)"
            f" FROM read_json('{file}', columns = {{id: 'VARCHAR', customer_id: 'VARCHAR', event: 'VARCHAR',"
            " occurred_at: 'VARCHAR'}) GROUP BY ALL"
        ).to_arrow_table()
        return len(payloads) / (time.perf_counter() - started)
