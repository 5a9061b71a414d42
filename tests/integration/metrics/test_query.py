"""Trends against counting by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from mainstem.metrics import Granularity, Metric, Point, SegmentRollups, TrendRequest, read_trend

NOW = dt.datetime(2026, 1, 15, 12, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MIDNIGHT = dt.datetime(2026, 1, 15, tzinfo=dt.UTC)


def _metric(cells: Any, name: str) -> Metric:
    metric: Metric = cells.metrics.metrics[name]
    return metric


def _uses(cells: Any, customer: str, *ago: dt.timedelta, **more: Any) -> None:
    cells.happens(
        *({"id": (customer, str(one)), "customer": customer, "occurred_at": NOW - one, **more} for one in ago),
        data_now=NOW,
    )


def _ref(cells: Any, name: str) -> bytes:
    found: bytes = cells.rows([{"customer": name, "occurred_at": NOW}])["customer"][0].as_py()
    return found


def test_every_span_is_there(cells: Any) -> None:
    _uses(cells, "a", HOUR, 2 * HOUR, 2 * HOUR + DAY / 86_400, 30 * HOUR)
    trend = read_trend(cells.database, _metric(cells, "events"), TrendRequest("24h", NOW, ref=_ref(cells, "a")))
    assert trend.granularity is Granularity.HOUR
    assert len(trend.points) == 24
    assert trend.points[0].at == NOW.replace(minute=0) - 23 * HOUR
    assert trend.points[-1] == Point(NOW.replace(minute=0), Decimal(0), closed=False)
    assert {point.at: point.value for point in trend.points if point.value} == {
        NOW.replace(minute=0) - HOUR: 1,
        NOW.replace(minute=0) - 2 * HOUR: 2,
    }
    assert trend.total == 3
    assert trend.previous_total == 1
    assert trend.streams == (("app", "usage"),)
    assert [point.closed for point in trend.points[-3:]] == [True, False, False]


def test_timeframes(cells: Any) -> None:
    for timeframe, granularity, spans, first in (
        ("7d", Granularity.DAY, 7, MIDNIGHT - 6 * DAY),
        ("7d", None, 168, NOW.replace(minute=0) - 167 * HOUR),
        ("30d", None, 30, MIDNIGHT - 29 * DAY),
        ("90d", Granularity.WEEK, 14, dt.datetime(2025, 10, 13, tzinfo=dt.UTC)),
        ("12m", None, 12, dt.datetime(2025, 2, 1, tzinfo=dt.UTC)),
        ("12m", Granularity.DAY, 365, MIDNIGHT - 364 * DAY),
    ):
        trend = read_trend(cells.database, _metric(cells, "events"), TrendRequest(timeframe, NOW, granularity))
        assert len(trend.points) == spans
        assert trend.points[0].at == first
        assert {point.value for point in trend.points} == {0}


def test_everybody_a_segment_and_one_customer(cells: Any) -> None:
    for name, days in (("a", 3), ("b", 5), ("c", 8)):
        _uses(cells, name, *(day * DAY for day in range(days)), person="the same person")
    with cells.database.transaction() as conn:
        for name in "ab":
            conn.execute(
                """
                INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash, content_hash,
                                    attributes)
                VALUES ('customer', %(r)s, %(r)s, 'app', false, '', now(), %(r)s, %(r)s, '{"segment": "large"}')
                """,
                {"r": _ref(cells, name).hex()},
            )
    for metric, everybody, large in (("events", 16, 8), ("active_people", 1, 1), ("quantity", 16, 8)):
        definition = _metric(cells, metric)
        assert read_trend(cells.database, definition, TrendRequest("30d", NOW)).total == everybody
        assert read_trend(cells.database, definition, TrendRequest("30d", NOW, segment="large")).total == large
    by_month = read_trend(cells.database, _metric(cells, "active_people"), TrendRequest("12m", NOW))
    assert by_month.points[-1].value == 1
    as_known = read_trend(cells.database, _metric(cells, "events"), TrendRequest("30d", NOW, known_at=NOW))
    assert as_known.total == 16


def test_what_was_known_then(cells: Any) -> None:
    _uses(cells, "a", 10 * DAY)
    cells.happens(
        {"id": "late", "customer": "a", "occurred_at": NOW - 10 * DAY}, known_at=NOW + HOUR, data_now=NOW + HOUR
    )
    totals = [
        read_trend(
            cells.database,
            _metric(cells, "events"),
            TrendRequest("30d", NOW, ref=_ref(cells, "a"), known_at=known),
        ).total
        for known in (NOW + 2 * HOUR, NOW, None)
    ]
    assert totals == [2, 1, 2]


def test_measures_that_are_no_sums(cells: Any) -> None:
    for number, quantity in enumerate(("4", "2.5", "8")):
        _uses(cells, "a", number * DAY, quantity=Decimal(quantity))
    asked = TrendRequest("30d", NOW, Granularity.MONTH)
    assert read_trend(cells.database, _metric(cells, "least"), asked).points[-1].value == Decimal("2.5")
    assert read_trend(cells.database, _metric(cells, "most"), asked).points[-1].value == Decimal(8)
    closing = read_trend(cells.database, _metric(cells, "closing"), asked)
    assert [point.value for point in closing.points] == [None, Decimal(4)]
    assert closing.total is None
    with pytest.raises(ValueError, match="no numbers"):
        read_trend(cells.database, _metric(cells, "opening"), asked)


def test_large_sums_are_exact(cells: Any) -> None:
    large = Decimal("98765432109876543210987654321.123456789")
    _uses(cells, "a", DAY, quantity=large)
    _uses(cells, "a", 2 * DAY, quantity=Decimal("0.000000001"))
    trend = read_trend(cells.database, _metric(cells, "quantity"), TrendRequest("7d", NOW, Granularity.DAY))
    assert trend.total == Decimal("98765432109876543210987654321.123456790")
    most = read_trend(cells.database, _metric(cells, "most"), TrendRequest("7d", NOW, Granularity.DAY))
    assert most.points[-2].value == large


def test_what_cannot_be_asked(cells: Any) -> None:
    with pytest.raises(ValueError, match="Did you mean '30d'"):
        TrendRequest("31d", NOW)
    with pytest.raises(ValueError, match="by the day"):
        read_trend(cells.database, _metric(cells, "quantity"), TrendRequest("7d", NOW, Granularity.HOUR))
    with pytest.raises(ValueError, match="24h and 7d"):
        read_trend(cells.database, _metric(cells, "events"), TrendRequest("12m", NOW, Granularity.HOUR))
    with pytest.raises(ValueError, match="a customer or for a segment"):
        TrendRequest("30d", NOW, ref=bytes(16), segment="large")


def test_sums_of_segments_follow_events_and_moves(cells: Any) -> None:
    def belongs(name: str, segment: str) -> None:
        with cells.database.transaction() as conn:
            conn.execute(
                """
                INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash, content_hash,
                                    attributes)
                VALUES ('customer', %(r)s, %(r)s, 'app', false, '', now(), %(r)s, %(r)s, jsonb_build_object('segment', %(s)s::text))
                ON CONFLICT (entity, ref) DO UPDATE SET attributes = EXCLUDED.attributes
                """,
                {"r": _ref(cells, name).hex(), "s": segment},
            )

    def totals() -> dict[str, list[Any]]:
        return {
            segment: [
                read_trend(cells.database, _metric(cells, name), TrendRequest("12m", NOW, kind, segment=segment)).total
                for name, kind in (("events", Granularity.DAY), ("active_people", None), ("objects", Granularity.WEEK))
            ]
            for segment in ("large", "small")
        }

    rollups = SegmentRollups(cells.database)
    rollups.refresh()
    for name, segment in (("a", "large"), ("b", "large"), ("c", "small")):
        belongs(name, segment)
        _uses(cells, name, HOUR, 2 * HOUR, 40 * DAY)
    directly = totals()
    assert directly == {"large": [6, 2, 1], "small": [3, 1, 1]}
    rollups.refresh()
    assert totals() == directly
    assert cells.query("SELECT * FROM rollup WHERE stale AND grain = 'day'") == []
    _uses(cells, "c", 3 * HOUR, object="another page")
    belongs("b", "small")
    # Nothing is looked at before it is refreshed ...
    assert totals() == directly
    rollups.refresh()
    # ... and then everything is as the cells are.
    assert totals() == {"large": [3, 1, 1], "small": [7, 2, 2]}
    least = read_trend(cells.database, _metric(cells, "least"), TrendRequest("30d", NOW, segment="small"))
    assert least.points[-1].value == 1
