"""Usage trends: a metric over time, of one customer, a segment, or everybody."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import functools
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.hints import near_miss
from mainstem.metrics.definition import Granularity, Measure, Metric
from mainstem.metrics.known import KNOWN_CELLS
from mainstem.metrics.numbers import EXACT
from mainstem.metrics.state import decode_ordered, distinct_total, merge_distinct
from mainstem.store import Connection, Database

__all__ = [
    "TIMEFRAMES",
    "Point",
    "Trend",
    "TrendRequest",
    "default_granularity",
    "earlier",
    "read_trend",
    "spans_of",
]

_HOURLY = 7 * 24

TIMEFRAMES = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365}
"""What may be asked for, and its days."""

_DEFAULTS = {
    "24h": Granularity.HOUR,
    "7d": Granularity.HOUR,
    "30d": Granularity.DAY,
    "90d": Granularity.DAY,
    "12m": Granularity.MONTH,
}


@dataclasses.dataclass(frozen=True, slots=True)
class TrendRequest:
    """What is asked: `ref` a customer, `segment` a segment's customers of today, neither everybody.

    `as_of` is data time; `known_at` wall time, None for what is known now. Raises ValueError for what cannot be asked.
    """

    timeframe: str
    as_of: dt.datetime
    granularity: Granularity | None = None
    ref: bytes | None = None
    segment: str | None = None
    known_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        if self.timeframe not in TIMEFRAMES:
            raise ValueError(f"There is no timeframe {self.timeframe!r}. {near_miss(self.timeframe, TIMEFRAMES)}")
        if self.ref is not None and self.segment is not None:
            raise ValueError("Ask for a customer or for a segment.")


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """The value of one span that begins at `at`; None where a min, max, first or last saw nothing."""

    at: dt.datetime
    value: decimal.Decimal | None
    closed: bool
    """Whether its end and the streams' grace have passed, so that only late records can change it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trend:
    """Every span of the timeframe, oldest first. `streams` are the (source, stream) pairs that feed it."""

    metric: str
    granularity: Granularity
    points: tuple[Point, ...]
    total: decimal.Decimal | None
    """Over the whole timeframe; None for a min, max, first or last."""
    previous_total: decimal.Decimal | None
    """Of the timeframe before, up to the same moment of it; None for what is not added up."""
    approximate: bool
    streams: tuple[tuple[str, str], ...]
    filling: decimal.Decimal | None = None
    """Of a gauge that is being filled: the share of the entities that are in it. Until all are, it has no values."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Span:
    start: dt.datetime
    end: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class _Values:
    by_start: dict[dt.datetime, decimal.Decimal]
    total: decimal.Decimal | None
    approximate: bool


def read_trend(database: Database, metric: Metric, request: TrendRequest) -> Trend:
    """The trend of a metric. Cells count whole: of the one that `as_of` lies in everything that is known.

    Raises ValueError for a granularity finer than the metric's buckets or a metric whose values are no numbers, and
    UnavailableError.
    """
    granularity = _granularity(metric, request)
    starts = spans_of(request, granularity)
    span = _Span(starts[0], request.as_of)
    with database.snapshot() as conn:
        series = conn.execute(
            "SELECT series, source, stream, grace FROM series WHERE metric = %s ORDER BY source, stream", [metric.name]
        ).fetchall()
        ids = [row[0] for row in series]
        values = _read(conn, metric, request, granularity, ids, span)
        previous = None
        if metric.measure.additive:
            before = _Span(earlier(starts[0], request, granularity), earlier(request.as_of, request, granularity))
            previous = _read(conn, metric, request, granularity, ids, before).total
    grace = max((row[3] for row in series), default=dt.timedelta(0))
    zero = decimal.Decimal(0) if metric.measure.retractable else None
    return Trend(
        metric=metric.name,
        granularity=granularity,
        points=tuple(
            Point(start, values.by_start.get(start, zero), granularity.after(start) + grace < request.as_of)
            for start in starts
        ),
        total=values.total,
        previous_total=previous,
        approximate=values.approximate,
        streams=tuple((row[1], row[2]) for row in series),
    )


def default_granularity(timeframe: str) -> Granularity:
    """What a timeframe is shown by when nobody says."""
    return _DEFAULTS[timeframe]


def _granularity(metric: Metric, request: TrendRequest) -> Granularity:
    if metric.measure in {Measure.FIRST, Measure.LAST} and metric.value != "quantity":
        raise ValueError(f"The values of {metric.name!r} are no numbers.")
    finest = Granularity(metric.bucket)
    if request.granularity is None:
        wanted = default_granularity(request.timeframe)
        return finest if wanted is Granularity.HOUR else wanted
    if request.granularity is Granularity.HOUR and finest is not Granularity.HOUR:
        raise ValueError(f"{metric.name!r} is kept by the {finest.value}, not by the hour.")
    if request.granularity is Granularity.HOUR and TIMEFRAMES[request.timeframe] * 24 > _HOURLY:
        raise ValueError("Hours are shown for 24h and 7d.")
    return request.granularity


def spans_of(request: TrendRequest, granularity: Granularity) -> list[dt.datetime]:
    """The begins of all spans of the timeframe, oldest first."""
    last = granularity.floor(request.as_of)
    if granularity is Granularity.HOUR:
        start = last - dt.timedelta(hours=TIMEFRAMES[request.timeframe] * 24 - 1)
    elif request.timeframe == "12m" and granularity is Granularity.MONTH:
        start = _months_back(last, 11)
    else:
        day = Granularity.DAY.floor(request.as_of)
        start = granularity.floor(day - dt.timedelta(days=TIMEFRAMES[request.timeframe] - 1))
    starts = [start]
    while starts[-1] < last:
        starts.append(granularity.after(starts[-1]))
    return starts


def earlier(instant: dt.datetime, request: TrendRequest, granularity: Granularity) -> dt.datetime:
    """The instant one timeframe earlier."""
    if request.timeframe == "12m" and granularity is Granularity.MONTH:
        return _months_back(instant, 12)
    return instant - dt.timedelta(days=TIMEFRAMES[request.timeframe])


def _months_back(instant: dt.datetime, months: int) -> dt.datetime:
    count = instant.year * 12 + instant.month - 1 - months
    # The 28th is in every month; a day or three at the end of one do not matter to what this is for.
    return instant.replace(year=count // 12, month=count % 12 + 1, day=min(instant.day, 28))


def _read(
    conn: Connection,
    metric: Metric,
    request: TrendRequest,
    granularity: Granularity,
    series: Sequence[int],
    span: _Span,
) -> _Values:
    """The values of the spans between two instants."""
    parameters: dict[str, Any] = {
        "series": list(series),
        "from": span.start,
        "to": span.end,
        "granularity": granularity.value,
        "ref": None if request.ref is None else uuid.UUID(bytes=request.ref),
        "segment": request.segment,
        "known_at": request.known_at,
    }
    if metric.measure.additive:
        source = _source(conn, request, metric, Granularity.DAY if granularity is not Granularity.HOUR else granularity)
        rows = conn.execute(
            f"SELECT date_trunc(%(granularity)s, bucket) AS at, sum(value) FROM ({source}) AS c GROUP BY at", parameters
        ).fetchall()
        by_start: dict[dt.datetime, decimal.Decimal] = dict(rows)
        return _Values(by_start, functools.reduce(EXACT.add, by_start.values(), decimal.Decimal(0)), approximate=False)
    source = _source(conn, request, metric, granularity)
    rows = conn.execute(
        f"SELECT date_trunc(%(granularity)s, bucket) AS at, state FROM ({source}) AS c ORDER BY at",
        parameters,
        binary=True,
    ).fetchall()
    return _combined(metric.measure, rows)


def _source(conn: Connection, request: TrendRequest, metric: Metric, grain: Granularity) -> str:
    """The rows to read: sums over everybody or a segment where they are kept, cells otherwise."""
    everybody = request.ref is None and request.segment is None
    if everybody and request.known_at is None and metric.rollup:
        return f"""
            SELECT bucket, value, state FROM rollup
            WHERE series = ANY(%(series)s) AND grain = '{grain.value}' AND bucket >= %(from)s AND bucket < %(to)s
            """
    if grain is not Granularity.HOUR and request.known_at is None and _summed_up(conn, request, metric):
        return """
            SELECT bucket, value, state FROM segment_rollup
            WHERE segment = %(segment)s AND series = ANY(%(series)s) AND bucket >= %(from)s AND bucket < %(to)s
            """
    condition = "cell.series = ANY(%(series)s) AND cell.bucket >= %(from)s AND cell.bucket < %(to)s"
    if request.ref is not None:
        condition += " AND cell.ref = %(ref)s"
    if request.segment is not None:
        condition += """ AND cell.ref IN (
            SELECT customer FROM entity
            WHERE entity = 'customer' AND NOT deleted AND attributes ->> 'segment' = %(segment)s
        )"""
    if request.known_at is None:
        return f"SELECT bucket, value, state FROM cell WHERE {condition}"
    return f"{KNOWN_CELLS} AND {condition}"


def _summed_up(conn: Connection, request: TrendRequest, metric: Metric) -> bool:
    """Whether sums of the segment's days are kept; of a segment that came up this minute they are not yet."""
    if request.segment is None or not metric.rollup:
        return False
    [(known,)] = conn.execute(
        "SELECT EXISTS (SELECT FROM segment_member WHERE segment = %s)", [request.segment]
    ).fetchall()
    return bool(known)


def _combined(measure: Measure, rows: Sequence[tuple[dt.datetime, bytes]]) -> _Values:
    """The values that states of one span each amount to together."""
    starts = sorted({at for at, _ in rows})
    place = {at: index for index, at in enumerate(starts)}
    groups = np.array([place[at] for at, _ in rows], np.int64)
    states = [state for _, state in rows]
    if measure is Measure.DISTINCT:
        merged = merge_distinct(groups, pa.array(states, pa.binary()), len(starts))
        total, approximate = distinct_total(merged.states.to_pylist())
        counts = [decimal.Decimal(int(count)) for count in merged.counts]
        return _Values(dict(zip(starts, counts, strict=True)), decimal.Decimal(total), approximate)
    pick = max if measure in {Measure.MAX, Measure.LAST} else min
    found = {at: pick(state for other, state in rows if other == at) for at in starts}
    numbers = {at: decode_ordered(state).value for at, state in found.items()}
    return _Values(
        {at: value.normalize(EXACT) for at, value in numbers.items() if isinstance(value, decimal.Decimal)},
        None,
        approximate=False,
    )
