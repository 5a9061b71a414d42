"""A gauge over time: what it came to at the end of each span, of one customer, a segment, or everybody."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Sequence

from mainstem.metrics.definition import Granularity
from mainstem.metrics.gauge import Gauge
from mainstem.metrics.gauge_changes import FILLED, begun_gauges
from mainstem.metrics.known import KNOWN_MOVEMENTS
from mainstem.metrics.query import Point, Trend, TrendRequest, default_granularity, earlier, spans_of
from mainstem.store import Connection, Database

__all__ = ["read_gauge_trend"]

_WHOSE = {
    "customer": "AND moved.ref = %(ref)s",
    "segment": """AND moved.ref IN (
        SELECT customer FROM entity
        WHERE entity = 'customer' AND NOT deleted AND attributes ->> 'segment' = %(segment)s
    )""",
    "everybody": "",
}


def read_gauge_trend(database: Database, gauge: Gauge, request: TrendRequest) -> Trend:
    """The gauge at the end of every span of the timeframe, and at `as_of` for the one it lies in; `total` is its value then.

    One that is not filled yet, or was not by `known_at`, has no values: part of a sum would be a wrong one.

    Raises ValueError for hours, and UnavailableError.
    """
    if request.granularity is Granularity.HOUR:
        raise ValueError(f"{gauge.name!r} is kept by the day, not by the hour.")
    granularity = request.granularity or default_granularity(request.timeframe)
    if granularity is Granularity.HOUR:
        granularity = Granularity.DAY
    starts = spans_of(request, granularity)
    before = earlier(request.as_of, request, granularity)
    ends = [min(granularity.after(start), request.as_of) for start in starts]
    with database.snapshot() as conn:
        series = conn.execute(
            "SELECT series, source, stream FROM series WHERE metric = %s ORDER BY source, stream", [gauge.name]
        ).fetchall()
        filling = _filling(conn, gauge, request.known_at)
        changes = _changes(conn, [one for one, _, _ in series], request, before) if filling is None else ()
    values: Sequence[decimal.Decimal | None] = _running(changes, [before, *ends])
    if filling is not None:
        values = [None] * len(values)
    return Trend(
        metric=gauge.name,
        granularity=granularity,
        points=tuple(
            Point(start, value, granularity.after(start) <= request.as_of)
            for start, value in zip(starts, values[1:], strict=True)
        ),
        total=values[-1],
        previous_total=values[0],
        approximate=False,
        streams=tuple((source, stream) for _, source, stream in series),
        filling=filling,
    )


def _filling(conn: Connection, gauge: Gauge, known_at: dt.datetime | None) -> decimal.Decimal | None:
    """The share of the entities that are in the gauge; None when all are, and 0 where they were not by `known_at`."""
    reached = {one.name: filled_to for one, filled_to in begun_gauges(conn, [gauge]).measured}.get(gauge.name)
    if reached == FILLED:
        early = conn.execute(
            "SELECT FROM gauge_begun WHERE metric = %s AND filled_at > %s", [gauge.name, known_at]
        ).fetchall()
        return decimal.Decimal(0) if early else None
    # References are hashes: as many lie before one of them as its place says.
    share = 0 if reached is None else reached.int
    return (decimal.Decimal(share) / (FILLED.int + 1)).quantize(decimal.Decimal("0.001"), decimal.ROUND_FLOOR)


def _changes(
    conn: Connection, series: Sequence[int], request: TrendRequest, since: dt.datetime
) -> Sequence[tuple[dt.date, decimal.Decimal]]:
    """By how much the gauge moved on each day, in order; days before `since` as one."""
    whose = "customer" if request.ref is not None else "segment" if request.segment is not None else "everybody"
    moved = "SELECT * FROM gauge_change AS moved WHERE true" if request.known_at is None else KNOWN_MOVEMENTS
    rows = conn.execute(
        f"""
        SELECT greatest(day, %(since)s) AS at, sum(value) FROM (
            {moved} AND moved.series = ANY(%(series)s) AND moved.day <= %(until)s {_WHOSE[whose]}
        ) AS movements GROUP BY at ORDER BY at
        """,
        {
            "series": list(series),
            "since": since.date(),
            "until": request.as_of.date(),
            "ref": None if request.ref is None else uuid.UUID(bytes=request.ref),
            "segment": request.segment,
            "known_at": request.known_at,
        },
    ).fetchall()
    return [(day, value) for day, value in rows]


def _running(
    changes: Sequence[tuple[dt.date, decimal.Decimal]], ends: Sequence[dt.datetime]
) -> Sequence[decimal.Decimal]:
    """What the changes add up to by each of the ends, which rise: a day has changed when it has begun."""
    values, total, place = [], decimal.Decimal(0), 0
    for end in ends:
        last = (end - dt.timedelta(microseconds=1)).date()
        while place < len(changes) and changes[place][0] <= last:
            total += changes[place][1]
            place += 1
        values.append(total)
    return values
