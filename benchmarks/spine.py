"""From the log to committed metrics and the raw lake, timed over a log that is full already.

The figure that is promised is of the roles `work` and `keep`, a process each, as `mainstem up` starts them: records are
parsed, checked, deduplicated and merged by the worker while the lake writer puts every copy into the lake and customers
are scored, and the time ends when both have reached the log's head. Beside it the engine and the sink alone, a batch
after another in one thread.

DuckDB's figure, over the same payloads as a file, is a limit and no peer: it keeps counts only, nothing durable, and would
count repeats across runs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.events import usage_events
from benchmarks.recipe import Figure
from benchmarks.role import role
from mainstem.intake import Door, Rows
from mainstem.model import Lane
from mainstem.processing import lease_name
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.settings import DatabaseSettings
from mainstem.runtime.wiring import Runtime
from mainstem.store import Lease
from mainstem.testing.site import Site

__all__ = ["JOURNEYS", "run"]

JOURNEYS = (
    """
    kind: funnel
    name: exporting
    steps: [{name: login, event: login}, {name: search, event: search}, {name: export, event: export_finished}]
    window: 1d
    """,
    "{kind: retention, name: returning, start: {}, return: {event: report_opened}, every: week}",
)
"""A funnel of three steps with moments of a second, and weekly retention."""

_EVENTS, _MANY_EVENTS = 400_000, 1_000_000
_CHUNK = 50_000
_LOOK_SECONDS = 0.1
"""Looking costs some milliseconds each time."""


def run() -> Iterator[Figure]:
    many = usage_events(_MANY_EVENTS)
    payloads = many[:_EVENTS]
    limit = ("DuckDB over the file, counts only", _duckdb(payloads))
    with _filled(many) as runtime:
        rate = _MANY_EVENTS / _roles(runtime)
    yield Figure("log to committed metrics and lake, as one installation", rate, "events/s", 100_000, *limit)
    with _filled(payloads) as runtime:
        rate = _EVENTS / _alone(runtime)
    yield Figure("engine and sink alone, one thread, no lake", rate, "events/s", None, *limit)
    with _filled(payloads, JOURNEYS) as runtime:
        kept = _EVENTS / _alone(runtime)
    named = "the same, with a funnel of three steps and weekly retention"
    yield Figure(named, kept, "events/s", None, "without them", rate)


@contextlib.contextmanager
def _filled(payloads: Sequence[bytes], declared: Sequence[str] = ()) -> Iterator[Runtime]:
    """An installation with these metrics or journeys, whose log holds the payloads, and nothing else was done yet."""
    folder = Path(tempfile.mkdtemp(prefix="mainstem-bench-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder, DatabaseSettings(system_folder=folder / "system"))
    try:
        site = Site.begin(folder / "data", server.start())
        for number, text in enumerate(declared):
            site.declare(f"metrics/{number}.yaml", text)
        with site.runtime() as runtime:
            with runtime.door as door:
                _fill(door, payloads)
            yield runtime
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(door: Door, payloads: Sequence[bytes]) -> None:
    for first in range(0, len(payloads), _CHUNK):
        chunk = pa.array(payloads[first : first + _CHUNK], pa.binary())
        door.submit_rows(Rows("shop", "usage_events", chunk, first, "bench"))


def _roles(runtime: Runtime) -> float:
    """Seconds until a worker and a lake writer beside it have everything in effect and in the lake."""
    epoch = runtime.log.epochs()[-1].number
    heads = {(one.epoch, one.partition, one.lane): one.position for one in runtime.log.heads(epoch) if one.position}
    with role(runtime.data_dir, "work") as work, role(runtime.data_dir, "keep") as keep:
        started = time.perf_counter()
        for one in (work, keep):
            one.begin()
        while any(runtime.sink_positions().get(chain, 0) < position for chain, position in heads.items()):
            time.sleep(_LOOK_SECONDS)
            work.look()
            keep.look()
        keep.end()
        seconds = time.perf_counter() - started
        work.end()
    assert runtime.lake.manifest.positions() == heads
    assert sum(line.accepted for line in runtime.ledger.status() if line.source == "shop") == _MANY_EVENTS
    assert runtime.ledger.check() == []
    return seconds


def _alone(runtime: Runtime) -> float:
    """Seconds that the engine and the sink need for all partitions, one after another."""
    epoch = runtime.log.epochs()[-1]
    leases = {
        partition: Lease(runtime.database, lease_name(epoch.number, partition), "bench", dt.timedelta(minutes=10))
        for partition in range(epoch.partitions)
    }
    done, settings = 0, runtime.config.processing
    started = time.perf_counter()
    for partition, lease in leases.items():
        lease_epoch, after = lease.acquire(), 0
        assert lease_epoch is not None
        while batches := runtime.log.read(
            epoch.number,
            partition,
            Lane.BULK,
            after,
            max_records=settings.batch_records,
            max_bytes=settings.batch_bytes,
        ):
            done += runtime.sink.commit(runtime.engine.process(batches), lease_epoch=lease_epoch).accepted
            after = batches[-1].position
    seconds = time.perf_counter() - started
    assert done == _EVENTS
    return seconds


def _duckdb(payloads: Sequence[bytes]) -> float:
    """Events a second of one query that counts distinct ids by customer, event and hour."""
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
