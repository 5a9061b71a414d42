"""How long nothing came of a stream, and whether it usually is that long at this hour of the week."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mainstem.clock import Clock
from mainstem.quality.anomalies.anomaly import Anomaly, Judged, Signal, Subject
from mainstem.quality.anomalies.expectation import Tier
from mainstem.quality.anomalies.register import register
from mainstem.store import Connection, Database

__all__ = ["NewestReader", "watch_ages"]

NewestReader = Callable[[Connection], Mapping[tuple[str, str], dt.datetime]]
"""Reads when the newest record or heartbeat of each stream was, by (source, stream)."""

_HOUR = dt.timedelta(hours=1)
_WEEK = dt.timedelta(days=7)
_WEEKS = 8
_LEAST_WEEKS = 3
# On the logarithm: a warning begins at 2.7 times the usual age at least, an error at 4.5 times.
_FLOOR = 0.25
_QUARTILE = 1.1503
# Seconds: below this nobody calls anything old, and seconds more or less than that do not count.
_PATIENCE = 300.0
_UNIT = 60.0


def watch_ages(database: Database, read_newest: NewestReader, clock: Clock) -> Sequence[Anomaly]:
    """Note how old each stream is now, and tell those that are unusually old; these.

    To be called every minute or so. Ages are of data time; while history is replayed nothing is noted. Raises UnavailableError.
    """
    replay, now, seen_at = clock.replay, clock.data(), clock.wall()
    if replay is not None and not replay.finished_at(seen_at):
        return []
    hour = now.replace(minute=0, second=0, microsecond=0)
    with database.transaction() as conn:
        newest = read_newest(conn)
        ages = {stream: max((now - at).total_seconds(), 0.0) for stream, at in newest.items()}
        _note(conn, hour, ages)
        usual, running = _read_usual(conn, hour), _read_running(conn)
    found: defaultdict[dt.datetime, list[Anomaly]] = defaultdict(list)
    looked_at: defaultdict[dt.datetime, set[Subject]] = defaultdict(set)
    for stream, age in ages.items():
        before = running.pop((newest[stream], stream), None)
        anomaly = _judge(stream, newest[stream], age, usual.get(stream, []), seen_at)
        # A silence goes on until something comes, also through hours in which it would be usual.
        if anomaly is not None and (before is None or before is Tier.WARN):
            found[anomaly.at].append(anomaly)
    for at, stream in running:
        looked_at[at].add((*stream, ""))
    judged = [Judged(Signal.FRESHNESS, at, frozenset(looked_at[at]), found[at]) for at in sorted({*found, *looked_at})]
    return register(database, judged, seen_at)


def _note(conn: Connection, hour: dt.datetime, ages: Mapping[tuple[str, str], float]) -> None:
    """Keep the worst age of this hour, and forget those of hours that are compared with no more."""
    names = sorted(ages)
    conn.execute(
        """
        INSERT INTO stream_age AS a (source, stream, hour, seconds)
        SELECT source, stream, %s, seconds FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS one (source, stream, seconds)
        ON CONFLICT (source, stream, hour) DO UPDATE SET seconds = greatest(a.seconds, excluded.seconds)
        """,
        [hour, [source for source, _ in names], [stream for _, stream in names], [int(ages[name]) for name in names]],
    )
    conn.execute("DELETE FROM stream_age WHERE hour < %s", [hour - _WEEKS * _WEEK - _HOUR])


def _read_usual(conn: Connection, hour: dt.datetime) -> Mapping[tuple[str, str], Sequence[float]]:
    """For each week before, the worst age at this hour of the week and those beside it; of streams known long enough."""
    hours = [hour - week * _WEEK + beside * _HOUR for week in range(1, _WEEKS + 1) for beside in (-1, 0, 1)]
    rows = conn.execute(
        """
        SELECT source, stream, array_agg(seconds) FROM (
            SELECT source, stream, max(seconds) AS seconds FROM stream_age WHERE hour = ANY(%(hours)s)
            GROUP BY source, stream, floor(extract(epoch FROM hour - %(first)s) / 604800)
        ) AS week GROUP BY 1, 2
        """,
        {"hours": hours, "first": hours[-3]},
    ).fetchall()
    return {(source, stream): ages for source, stream, ages in rows if len(ages) >= _LEAST_WEEKS}


def _read_running(conn: Connection) -> dict[tuple[dt.datetime, tuple[str, str]], Tier]:
    """The silences that had not ended, and how bad they were."""
    rows = conn.execute(
        "SELECT at, source, stream, tier FROM anomaly WHERE signal = %s AND ended_at IS NULL", [str(Signal.FRESHNESS)]
    ).fetchall()
    return {(at, (source, stream)): Tier(tier) for at, source, stream, tier in rows}


def _judge(
    stream: tuple[str, str], newest: dt.datetime, age: float, usual: Sequence[float], seen_at: dt.datetime
) -> Anomaly | None:
    """Whether an age is unusual; nothing is said of a stream that is not known for long enough."""
    if not usual or age < _PATIENCE:
        return None
    logs = np.log(np.array(usual, np.float64) + _UNIT)
    centre = float(np.median(logs))
    spread = max(float(np.quantile(np.abs(logs - centre), 0.75)) / _QUARTILE, _FLOOR)
    deviation = (float(np.log(age + _UNIT)) - centre) / spread
    tier = Tier.of(deviation)
    if tier is None or deviation < 0:
        return None
    return Anomaly(
        signal=Signal.FRESHNESS,
        source=stream[0],
        stream=stream[1],
        name="",
        at=newest,
        tier=tier,
        value=age,
        expected=max(float(np.exp(centre)) - _UNIT, 0.0),
        low=0.0,
        high=float(np.exp(centre + Tier.WARN.distance * spread)) - _UNIT,
        deviation=deviation,
        seen_at=seen_at,
    )
