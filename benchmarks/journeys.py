"""Journeys of 10,000 customers over twelve months, each computed anew: what an answer costs that is not shared yet.

python -m benchmarks journeys=2000      with so many customers
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.recipe import Figure, percentile
from benchmarks.spine import JOURNEYS
from mainstem.metrics import (
    MetricSet,
    builtin_metrics,
    merge_cells,
    prepare_cells,
    read_adoption,
    read_cohorts,
    read_declared,
    read_funnel,
    read_retention,
)
from mainstem.model import Lane, Span
from mainstem.processing import EVENT_EFFECTS
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.settings import DatabaseSettings
from mainstem.store import Database, migrate

__all__ = ["run"]

_CUSTOMERS = 10_000
_EVENTS_EACH = 144
_BATCH = 100_000
_ASKED = 12
_NAMES = np.array(["login", "search", "export_finished", "report_opened"])
_MORE = (
    "{kind: cohort, name: doing, start: {}, metric: events, every: week, brackets: 16}",
    "{kind: adoption, name: opening, active: {}, feature: {event: report_opened}}",
)


def run(customers: int = _CUSTOMERS) -> Iterator[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="mainstem-bench-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder, DatabaseSettings(system_folder=folder / "system"))
    try:
        with Database(server.start()) as database:
            migrate(database)
            yield from _asked(database, customers)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _asked(database: Database, customers: int) -> Iterator[Figure]:
    now = dt.datetime.now(dt.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=1)
    journeys = [read_declared(text) for text in (*JOURNEYS, *_MORE)]
    metrics = MetricSet([*builtin_metrics(), *journeys])
    _fill(database, metrics, customers, now)
    limit = "one row by its key", _median_ms(lambda: _one_row(database))
    year, quarter = ((midnight - dt.timedelta(days=days), midnight) for days in (365, 90))
    known, events = metrics.journeys, metrics.metrics["events"]
    questions: dict[str, Callable[[], Any]] = {
        "funnel over 90 days": lambda: read_funnel(database, known["exporting"], quarter, now, None),
        "funnel over 12 months": lambda: read_funnel(database, known["exporting"], year, now, None),
        "retention by week over 12 months": lambda: read_retention(database, known["returning"], year, now, None),
        "cohorts by month over 12 months": lambda: read_cohorts(database, known["doing"], events, year, now, None),
        "adoption by week over 12 months": lambda: read_adoption(database, known["opening"], year, now, None),
    }
    for name, ask in questions.items():
        yield Figure(f"{name}, computed", _median_ms(ask), "ms", None, *limit, higher_is_better=False)


def _fill(database: Database, metrics: MetricSet, customers: int, now: dt.datetime) -> None:
    """A year of events of every customer, in the order in which they occur."""
    chance = np.random.default_rng(1)
    count = customers * _EVENTS_EACH
    at = np.sort(chance.integers(0, 365 * 86_400, count))
    start = now - dt.timedelta(days=365)
    refs = [number.to_bytes(16) for number in range(customers)]
    for first in range(0, count, _BATCH):
        size = min(_BATCH, count - first)
        who = chance.integers(0, customers, size)
        times = np.datetime64(start.replace(tzinfo=None), "us") + at[first : first + size].astype("timedelta64[s]")
        columns: dict[str, Any] = {
            "position": pa.array(np.full(size, first)),
            "index": pa.array(np.arange(size), pa.uint32()),
            "received_at": pa.array(np.full(size, np.datetime64(now.replace(tzinfo=None), "us")), pa.timestamp("us")),
            "slot": pa.array(who % 4096, pa.uint16()),
            "customer": pa.array(refs, pa.binary(16)).take(pa.array(who)),
            "person": pa.nulls(size, pa.binary(16)),
            "event": pa.array(_NAMES[chance.integers(0, len(_NAMES), size)].tolist()),
            "occurred_at": pa.array(times, pa.timestamp("us")),
        }
        arrays = [
            columns[field.name].cast(field.type) if field.name in columns else pa.nulls(size, field.type)
            for field in EVENT_EFFECTS
        ]
        deltas = metrics.deltas(pa.Table.from_arrays(arrays, schema=EVENT_EFFECTS), "shop", "usage", "usage_event")
        prepare_cells(database, deltas, now)
        with database.transaction() as conn:
            span = Span(1, 0, Lane.BULK, first, first)
            merge_cells(conn, deltas, known_at=now, data_now=now, span=span, cause=None)
    with database.connect() as conn:
        conn.execute("ANALYZE")


def _one_row(database: Database) -> None:
    with database.snapshot() as conn:
        conn.execute("SELECT FROM series LIMIT 1").fetchall()


def _median_ms(ask: Callable[[], Any]) -> float:
    times = []
    for _ in range(_ASKED):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1000)
    return percentile(times, 50)
