"""Measurements of what no check of a record can say: whether values are true, and whether systems say the same.

A measurement is of what is held at an instant, not of what was received: the latest of a span stands for the span, and
none are added up over days.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from mainstem.quality.dimensions import Dimension, Share
from mainstem.quality.history import QualityQuery
from mainstem.quality.interval import Interval, wilson
from mainstem.store import Connection

__all__ = ["Measured", "Measurement", "Method", "measured", "read_measurements", "write_measurements"]

# As far back as anybody can ask, and the days of a trend.
_KEPT = dt.timedelta(days=420)


class Method(enum.StrEnum):
    """How something was measured."""

    AGREEMENT = "agreement"
    """Beside another system."""
    SAMPLE = "sample"
    """Beside records that were fetched again."""
    UNIQUE = "unique"
    """Beside the other entities of the stream."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """`good` of `n` values of a field (or, without one, of whole records); `name` says by what it was measured."""

    source: str
    stream: str
    field: str
    dimension: Dimension
    method: Method
    name: str
    measured_at: dt.datetime
    good: int
    n: int

    @property
    def day(self) -> dt.date:
        """In UTC."""
        return self.measured_at.astimezone(dt.UTC).date()

    @property
    def share(self) -> Share:
        """As a share."""
        return Share(self.good, self.n)

    @property
    def interval(self) -> Interval | None:
        """In which the share lies with 95 % confidence; None of nothing, and where all there are were counted."""
        return None if self.method is Method.UNIQUE else wilson(self.good, self.n)


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """A dimension of a field as it was measured over days: the latest, those of a trend's two spans, and every day's."""

    total: Share
    recent: Share
    before: Share
    days: Mapping[dt.date, Share]
    by: tuple[Measurement, ...]
    """The latest in each way; the first is the one that the shares are of."""


def write_measurements(conn: Connection, found: Iterable[Measurement]) -> None:
    """Keep measurements in the place of those of the same day, and forget the oldest."""
    rows = list(found)
    if not rows:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO quality_measurement (source, stream, field, dimension, method, name, day, measured_at, good, n)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (source, stream, field, dimension, method, name, day)
            DO UPDATE SET measured_at = excluded.measured_at, good = excluded.good, n = excluded.n
            """,
            [
                (
                    *(one.source, one.stream, one.field, str(one.dimension), str(one.method), one.name),
                    *(one.day, one.measured_at, one.good, one.n),
                )
                for one in rows
            ],
        )
    conn.execute("DELETE FROM quality_measurement WHERE day < %s", [max(one.day for one in rows) - _KEPT])


def read_measurements(conn: Connection, query: QualityQuery) -> list[Measurement]:
    """The measurements of these days, those for the trend included, by day; with a field only its own and of whole records."""
    rows = conn.execute(
        """
        SELECT source, stream, field, dimension, method, name, measured_at, good, n FROM quality_measurement
        WHERE day BETWEEN %(since)s AND %(last)s AND (%(source)s::text IS NULL OR source = %(source)s)
          AND (%(stream)s::text IS NULL OR stream = %(stream)s)
          AND (%(field)s::text IS NULL OR field IN (%(field)s, ''))
        ORDER BY day, source, stream, field, dimension, method, name
        """,
        query.parameters(),
    ).fetchall()
    return [
        Measurement(source, stream, field, Dimension(dimension), Method(method), *rest)
        for source, stream, field, dimension, method, *rest in rows
    ]


def measured(
    found: Sequence[Measurement], query: QualityQuery
) -> Mapping[tuple[str, str, str], Mapping[Dimension, Measured]]:
    """By (source, stream, field) and dimension, of `found` in the order of days.

    Of several ways in which one was measured, that one speaks whose interval ends lowest: the strongest evidence against
    the field. What the latest evaluation of an agreement does not say any more, it takes back.
    """
    latest: dict[tuple[Method, str], dt.date] = {}
    for one in found:
        if one.day >= query.first:
            latest[one.method, one.name] = one.day
    ways: defaultdict[tuple[str, str, str], defaultdict[Dimension, defaultdict[tuple[Method, str], list[Measurement]]]]
    ways = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for one in found:
        ways[one.source, one.stream, one.field][one.dimension][one.method, one.name].append(one)
    told: defaultdict[tuple[str, str, str], dict[Dimension, Measured]] = defaultdict(dict)
    for name, dimensions in ways.items():
        for dimension, by_way in dimensions.items():
            current = [every for way, every in by_way.items() if every[-1].day == latest.get(way) and every[-1].n]
            if current:
                current.sort(key=_strength)
                told[name][dimension] = _over(current, query)
    return told


def _strength(every: Sequence[Measurement]) -> tuple[float, str, str]:
    latest = every[-1]
    best = latest.share.value or 0.0 if latest.interval is None else latest.interval.high
    return (best, str(latest.method), latest.name)


def _over(current: Sequence[Sequence[Measurement]], query: QualityQuery) -> Measured:
    own = {one.day: one.share for one in current[0]}
    return Measured(
        total=current[0][-1].share,
        recent=_latest(own, query.recent, query.last),
        before=_latest(own, query.before, query.recent - dt.timedelta(days=1)),
        days={day: share for day, share in own.items() if day >= query.first},
        by=tuple(every[-1] for every in current),
    )


def _latest(days: Mapping[dt.date, Share], first: dt.date, last: dt.date) -> Share:
    found = [day for day in days if first <= day <= last]
    return days[max(found)] if found else Share(0, 0)
