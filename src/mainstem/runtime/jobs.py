"""The periodic jobs of an installation."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from mainstem import analytics, lake, metrics, processing
from mainstem.processing import rebuild
from mainstem.runtime.control_copy import copy_control
from mainstem.runtime.load_settling import LoadSettling, trim_loads
from mainstem.runtime.order_settling import OrderSettling, trim_orders
from mainstem.runtime.orphan_settling import OrphanSettling
from mainstem.runtime.scheduler import Job
from mainstem.store import PARTITIONED, Connection, Database, ensure_partitions, prune_changes

if TYPE_CHECKING:
    from mainstem.quality.agreements import DueAgreements
    from mainstem.quality.uniqueness import DueUniqueness
    from mainstem.runtime.wiring import Runtime

__all__ = ["periodic_jobs"]

_MINUTE = 60.0
_HOUR = 3600.0
# A client that comes back within a day resumes from its token; later it gets a fresh snapshot.
_CHANGES_KEPT = dt.timedelta(hours=24)
# Longer than any transaction that is about to name a new one.
_SEGMENTS_KEPT = dt.timedelta(days=1)
# By then all that was received on a day is in effect; if not, it is joined later.
_DAYS_OPEN = dt.timedelta(days=8)
_MONTHS_AHEAD = 2
_GAUGE_SECONDS = 5.0


def periodic_jobs(runtime: Runtime) -> Sequence[Job]:
    """What the scheduler runs, the most urgent first."""
    database, clock = runtime.database, runtime.clock
    return [
        Job("make_partitions", _HOUR, lambda: _make_partitions(runtime)),
        Job("roll_up_segments", _MINUTE / 2, lambda: metrics.SegmentRollups(database).refresh()),
        Job("record_activations", _MINUTE / 4, lambda: _record_activations(runtime)),
        Job("start_gauges", _MINUTE / 6, lambda: _start_gauges(runtime)),
        Job("replay_activations", _MINUTE / 6, lambda: _replay_activations(runtime)),
        Job("settle_loads", _MINUTE / 6, LoadSettling(runtime).step),
        Job("settle_orphans", _MINUTE / 12, OrphanSettling(runtime).step),
        Job("settle_orders", _MINUTE / 30, OrderSettling(runtime).step),
        Job("find_breaches", _MINUTE, lambda: _find_breaches(runtime)),
        Job("watch_ages", _MINUTE, lambda: _watch_ages(runtime)),
        Job("find_anomalies", 10 * _MINUTE, lambda: _find_anomalies(runtime)),
        Job("compare_systems", _MINUTE / 2, _compare_systems(runtime)),
        Job("find_shared", _MINUTE / 2, _find_shared(runtime)),
        Job("trim_log", _MINUTE, lambda: _trim_log(runtime)),
        Job("prune_changes", 5 * _MINUTE, lambda: prune_changes(database, clock.wall() - _CHANGES_KEPT)),
        Job("compact_lake", 5 * _MINUTE, lambda: lake.compact(runtime.lake)),
        Job("export_observations", _MINUTE / 2, lambda: rebuild.export_observations(runtime.lake, owner=runtime.owner)),
        Job("copy_control", _MINUTE, lambda: copy_control(runtime)),
        Job("trim_timeline", _HOUR, lambda: _trim_timeline(runtime)),
        Job("join_quality_days", _HOUR, lambda: _join_quality_days(runtime)),
        Job("join_drift_days", _HOUR, lambda: _join_drift_days(runtime)),
        Job("trim_history", _HOUR, lambda: _trim_history(runtime)),
        Job("trim_orders", _HOUR, lambda: trim_orders(runtime)),
        Job("trim_loads", _HOUR, lambda: trim_loads(database, clock.wall() - runtime.config.quality.kept)),
        Job("trim_anomalies", _HOUR, lambda: _trim_anomalies(runtime)),
        Job("sweep_lake", _HOUR, lambda: lake.sweep(runtime.lake)),
        Job("sweep_segments", _HOUR, lambda: _sweep_segments(runtime)),
    ]


def _record_activations(runtime: Runtime) -> None:
    """Make decisions of what was activated when a crash came between, and of what came with Mainstem."""
    from mainstem.runtime.declarations import record_activations

    if runtime.registry.undecided() or metrics.undecided_declarations(runtime.database):
        with runtime.door:
            record_activations(runtime)


def _start_gauges(runtime: Runtime) -> None:
    """Fill gauges over states that no commit has begun, some seconds at a time: other jobs are due too."""
    entities = processing.Entities(runtime.keyring.sealer, runtime.keyring.hasher)
    processing.start_gauges(
        runtime.database, runtime.metrics.current(), entities.histories, runtime.clock.wall(), seconds=_GAUGE_SECONDS
    )


def _replay_activations(runtime: Runtime) -> None:
    """Have what a stream has in quarantine go through a contract that came into force."""
    from mainstem.runtime.activation_replay import replay_activations

    replay_activations(runtime)


def _find_breaches(runtime: Runtime) -> None:
    """Tell what fell below its objective."""
    from mainstem.quality import find_breaches

    find_breaches(runtime.database, runtime.registry, runtime.config.quality, runtime.clock)


def _watch_ages(runtime: Runtime) -> None:
    """Note how old every stream is, and tell what is older than it usually is."""
    from mainstem.quality.anomalies import watch_ages

    def newest(conn: Connection) -> Mapping[tuple[str, str], dt.datetime]:
        clocks = metrics.read_stream_clocks(conn, runtime.registry, runtime.config.metrics)
        return {name: one.newest_at for name, one in clocks.items() if one.newest_at is not None}

    watch_ages(runtime.database, newest, runtime.clock)


def _find_anomalies(runtime: Runtime) -> None:
    """Tell which of the last days are far from what was expected of them."""
    from mainstem.quality.anomalies import Series, find_anomalies

    def daily(database: Database) -> Iterator[Series]:
        return metrics.read_daily_series(database, runtime.metrics.current().metrics.values(), runtime.clock.data())

    find_anomalies(runtime.database, [daily], runtime.clock)


def _trim_anomalies(runtime: Runtime) -> None:
    from mainstem.quality.anomalies import trim_anomalies

    trim_anomalies(runtime.database, runtime.clock.data() - runtime.config.quality.kept)


def _compare_systems(runtime: Runtime) -> Callable[[], object]:
    """Evaluating the agreement that waits longest; one at a time, so that other jobs come in between."""

    @functools.cache
    def due() -> DueAgreements:
        from mainstem.quality.agreements import DueAgreements

        return DueAgreements(runtime.agreement_parts)

    return lambda: due().step(runtime.agreements(), runtime.clock.wall())


def _find_shared(runtime: Runtime) -> Callable[[], object]:
    """Looking for values that are to be unique and that entities share, in the stream that waits longest."""

    @functools.cache
    def due() -> DueUniqueness:
        from mainstem.quality.uniqueness import DueUniqueness

        return DueUniqueness(runtime.agreement_parts)

    return lambda: due().step(runtime.registry.streams(), runtime.clock.wall())


def _join_quality_days(runtime: Runtime) -> None:
    processing.join_quality_days(runtime.database, (runtime.clock.wall() - _DAYS_OPEN).date())


def _join_drift_days(runtime: Runtime) -> None:
    processing.join_drift_days(runtime.database, (runtime.clock.wall() - _DAYS_OPEN).date())


def _trim_log(runtime: Runtime) -> None:
    lake.trim_log(runtime.log, runtime.sink_positions(), runtime.lake.manifest.positions())


def _trim_timeline(runtime: Runtime) -> None:
    settings = runtime.config.processing
    before = runtime.clock.data() - settings.timeline_age
    processing.trim_timeline(runtime.database, runtime.keyring.sealer, before=before, keep=settings.timeline_events)


def _trim_history(runtime: Runtime) -> None:
    """Between midnights, scores are kept for a while; what the lake does not have yet stays in any case."""
    analytics.trim_history(
        runtime.database, runtime.clock.data() - dt.timedelta(days=runtime.config.analytics.live_days)
    )


def _sweep_segments(runtime: Runtime) -> None:
    """Remove segments that no fold names, be it the one in use, an old one or one that is being rebuilt."""
    with runtime.database.snapshot() as connection:
        folds = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'dedup_segment'").fetchall()
        named = {
            path
            for (fold,) in folds
            for (path,) in connection.execute(
                sql.SQL("SELECT path FROM {}").format(sql.Identifier(fold, "dedup_segment"))
            ).fetchall()
        }
    processing.sweep(runtime.segments, named, runtime.clock, older=_SEGMENTS_KEPT)


def _make_partitions(runtime: Runtime) -> None:
    """Partitions for this month and the next ones, so that a month's first row finds its partition."""
    days = [now.date() for now in (runtime.clock.wall(), runtime.clock.data())]
    months = {_month_after(day, ahead) for day in days for ahead in range(_MONTHS_AHEAD + 1)}
    for table in PARTITIONED:
        ensure_partitions(runtime.database, table, months)


def _month_after(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, 1)
