"""Cohorts measured by a metric, and the adoption of a feature."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import uuid

import numpy as np
import pyarrow as pa

from mainstem.metrics.definition import Metric
from mainstem.metrics.grouping import Ints, different
from mainstem.metrics.journey import Journey, Resolution
from mainstem.metrics.retention import Began, began_in
from mainstem.metrics.tracks import Asked, Occurrences, moment_of, read_tracks, time_of
from mainstem.store import Connection, Database

__all__ = ["Adopted", "Adoption", "CohortMeasured", "Cohorts", "Measured", "read_adoption", "read_cohorts"]

# Weeks since a subject was first active that the time to adopt is told for.
_WEEKS = 12
_ASKED_AT_ONCE = 50_000

# One look-up a customer in each month's cells: what it costs grows with the customers asked for and not with the cells.
_MEASURED = """
    SELECT cohort, bracket, sum(value), count(*) FILTER (WHERE value <> 0)
    FROM (
        SELECT who.cohort, ((cell.bucket AT TIME ZONE 'UTC')::date - who.began) / %(days)s AS bracket,
               sum(cell.value) AS value
        FROM unnest(%(refs)s::uuid[], %(began)s::date[], %(cohorts)s::integer[]) AS who (ref, began, cohort)
        JOIN cell ON cell.ref = who.ref AND cell.series = ANY(%(series)s) AND cell.value <> 0
          AND cell.bucket >= who.began AT TIME ZONE 'UTC'
          AND cell.bucket < (who.began + %(days)s * %(brackets)s) AT TIME ZONE 'UTC'
        WHERE cell.bucket < %(as_of)s AND cell.bucket >= %(from)s
        GROUP BY who.cohort, bracket, who.ref
    ) AS customer
    GROUP BY cohort, bracket
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What a metric comes to in one bracket, over everybody who began in the period."""

    total: decimal.Decimal
    customers: int
    """For whom it was not nothing."""
    average: float | None
    """Of everybody who began, also those for whom it was nothing."""
    complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class CohortMeasured:
    """Those that began in one period; None stands for a bracket that has begun for none of them."""

    begins: dt.datetime
    size: int
    brackets: tuple[Measured | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Cohorts:
    """What a cohort journey comes to, oldest period first."""

    cohorts: tuple[CohortMeasured, ...]
    streams: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Adopted:
    """Who was active in one period, and who of these used the feature in it."""

    begins: dt.datetime
    active: int
    users: int
    share: float | None
    complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Adoption:
    """What an adoption journey comes to, oldest period first."""

    periods: tuple[Adopted, ...]
    began: int
    """Who was active in the span for the first time ever."""
    adopted: int
    """Who of these has used the feature since."""
    median_days: float | None
    """From the first active day to the first use, of those who have."""
    by_week: tuple[float | None, ...]
    """The share of those who began that had used it n weeks after; None where nobody has been there for so long."""
    streams: tuple[tuple[str, str], ...]


def read_cohorts(
    database: Database,
    journey: Journey,
    metric: Metric,
    span: tuple[dt.datetime, dt.datetime],
    as_of: dt.datetime,
    segment: str | None,
) -> Cohorts:
    """What the metric comes to for those that began in the span; both ends of it are midnights. Raises UnavailableError."""
    found: dict[tuple[int, int], tuple[decimal.Decimal, int]] = {}
    parts: list[Ints] = []
    with database.snapshot() as conn:
        rows = conn.execute("SELECT series, source, stream FROM series WHERE metric = %s", [metric.name]).fetchall()
        for read in read_tracks(conn, [Asked(journey.steps[0], None, as_of)], segment):
            began = began_in(read.tracks[0], journey.period, span)
            parts.append(began.sizes())
            measured = _measured(conn, journey, began, read.refs, [row[0] for row in rows], as_of)
            for cell, (total, customers) in measured.items():
                before = found.get(cell, (decimal.Decimal(0), 0))
                found[cell] = before[0] + total, before[1] + customers
    sizes = np.sum(parts, axis=0)
    table: list[list[Measured | None]] = [[] for _ in began.periods]
    for bracket in range(journey.brackets + 1):
        begun, over = began.reach(journey.every, bracket, as_of)
        for place, row in enumerate(table):
            total, customers = found.get((place, bracket), (decimal.Decimal(0), 0))
            size = int(sizes[place])
            average = float(total / size) if size else None
            row.append(Measured(total, customers, average, over[place]) if begun[place] else None)
    cohorts = tuple(
        CohortMeasured(period, int(size), tuple(row))
        for period, size, row in zip(began.periods, sizes, table, strict=True)
    )
    return Cohorts(cohorts, tuple(sorted({*read.streams, *((row[1], row[2]) for row in rows)})))


def _measured(
    conn: Connection, journey: Journey, began: Began, refs: pa.Array, series: list[int], as_of: dt.datetime
) -> dict[tuple[int, int], tuple[decimal.Decimal, int]]:
    """Sums and customers by period and bracket."""
    found: dict[tuple[int, int], tuple[decimal.Decimal, int]] = {}
    for first in range(0, len(began.subjects), _ASKED_AT_ONCE):
        own = slice(first, first + _ASKED_AT_ONCE)
        rows = conn.execute(
            _MEASURED,
            {
                "refs": [uuid.UUID(bytes=ref) for ref in refs.take(pa.array(began.subjects[own])).to_pylist()],
                "began": began.days[own].astype("datetime64[D]").tolist(),
                "cohorts": began.cohorts[own].tolist(),
                "series": series,
                "days": journey.every.days,
                "brackets": journey.brackets + 1,
                "as_of": as_of,
                "from": time_of(int(began.days[own].min()), Resolution.DAY),
            },
        ).fetchall()
        for cohort, bracket, total, customers in rows:
            before = found.get((cohort, bracket), (decimal.Decimal(0), 0))
            found[cohort, bracket] = before[0] + total, before[1] + customers
    return found


def read_adoption(
    database: Database, journey: Journey, span: tuple[dt.datetime, dt.datetime], as_of: dt.datetime, segment: str | None
) -> Adoption:
    """The adoption in the span, from what happened before `as_of`; both ends of it are midnights. Raises UnavailableError."""
    active, feature = journey.steps
    parts: list[tuple[Ints, Ints]] = []
    waited: list[tuple[Ints, Ints]] = []
    today = moment_of(as_of, Resolution.DAY)
    with database.snapshot() as conn:
        for read in read_tracks(conn, [Asked(active, None, as_of), Asked(feature, None, as_of)], segment):
            began = began_in(read.tracks[0], journey.period, span)
            active_in, used_in = (_by_period(one, began) for one in read.tracks)
            both = np.intersect1d(active_in, used_in, assume_unique=True)
            size = len(began.periods)
            counted = [np.bincount(pairs % size, minlength=size).astype(np.int64) for pairs in (active_in, both)]
            parts.append((counted[0], counted[1]))
            waited.append((_waits(began, read.tracks[1]), today - began.days))
    counts, users = (np.sum(each, axis=0) for each in zip(*parts, strict=True))
    waits, known = (np.concatenate(each) for each in zip(*waited, strict=True))
    adopted = waits[waits >= 0]
    return Adoption(
        periods=tuple(
            Adopted(period, int(one), int(some), _share(int(some), int(one)), int(end) <= today)
            for period, one, some, end in zip(began.periods, counts, users, began.ends, strict=True)
        ),
        began=len(waits),
        adopted=len(adopted),
        median_days=float(np.median(adopted)) if len(adopted) else None,
        by_week=tuple(_adopted_by(waits, known, week) for week in range(_WEEKS + 1)),
        streams=read.streams,
    )


def _by_period(days: Occurrences, began: Began) -> Ints:
    """(subject, period) as one number each, every pair once and in order."""
    edges = np.array([moment_of(one, Resolution.DAY) for one in began.periods], np.int64)
    inside = days.chosen((days.moments >= edges[0]) & (days.moments < began.ends[-1]))
    return different(inside.subjects * len(edges) + np.searchsorted(edges, inside.moments, side="right") - 1)


def _waits(began: Began, used: Occurrences) -> Ints:
    """Days from each subject's first active day to its first use from then on; -1 where there is none."""
    firsts = np.full(max(int(used.subjects.max(initial=-1)), int(began.subjects.max(initial=-1))) + 1, -1, np.int64)
    firsts[began.subjects] = began.days
    later = used.chosen((firsts[used.subjects] >= 0) & (used.moments >= firsts[used.subjects])).firsts()
    waits = np.full(len(began.subjects), -1, np.int64)
    waits[np.searchsorted(began.subjects, later.subjects)] = later.moments - firsts[later.subjects]
    return waits


def _adopted_by(waits: Ints, known: Ints, week: int) -> float | None:
    """The share of those known for so many weeks that had adopted by then."""
    there = known >= week * 7
    return _share(int((there & (waits >= 0) & (waits <= week * 7)).sum()), int(there.sum()))


def _share(count: int, size: int) -> float | None:
    return count / size if size else None
