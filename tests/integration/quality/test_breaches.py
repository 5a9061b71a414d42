"""A field below its objective is told once a day, over all partitions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from mainstem.quality import BREACH_CHANNEL, Breach, QualityQuery, QualitySettings, find_breaches, read_breaches
from mainstem.store import read_changes
from mainstem.testing import FixedClock

SETTINGS = QualitySettings(least_records=20)


@pytest.fixture
def today(clock: FixedClock) -> dt.date:
    return clock.wall().date()


def _find(counts: Any, clock: FixedClock) -> list[str]:
    return [one.field for one in find_breaches(counts.database, counts, SETTINGS, clock)]


def test_a_breach_is_told_once_however_often_it_is_looked_for(counts: Any, clock: FixedClock, today: dt.date) -> None:
    # Neither partition knows enough by itself.
    counts.write(today, (15, 1, 0, 0, 0, 0), {"account": (1, 0, 0), "amount": (5, 0, 0), "page": (15, 0, 0)})
    assert _find(counts, clock) == []
    counts.write(today, (15, 1, 0, 0, 0, 0), {"account": (1, 0, 0)}, partition=1)
    assert _find(counts, clock) == ["account"]
    assert _find(counts, clock) == []
    counts.write(today, (10, 9, 0, 0, 0, 0), {"account": (9, 0, 0), "amount": (11, 0, 0)})
    assert _find(counts, clock) == []
    [change] = [one for one in read_changes(counts.database, {}, 100) if one.kind == "quality"]
    assert (change.channel, change.at) == (BREACH_CHANNEL, clock.wall())
    assert change.body == {
        "source": "shop",
        "stream": "orders",
        "field": "account",
        "day": today.isoformat(),
        "dimension": "completeness",
        "value": 0.933333,
        "objective": 0.95,
        "seen_at": clock.wall().isoformat(),
    }
    with counts.database.snapshot() as conn:
        [kept] = read_breaches(conn, QualityQuery(today, today))
        assert isinstance(kept, Breach)
        assert (kept.field, kept.seen_at) == ("account", clock.wall())
        assert read_breaches(conn, QualityQuery(today, today, field="page")) == []


def test_another_day_is_another_breach(counts: Any, clock: FixedClock, today: dt.date) -> None:
    yesterday = today - dt.timedelta(days=1)
    for day in (yesterday, today):
        counts.write(day, (30, 30, 0, 0, 0, 0), {"account": (30, 0, 0)})
    assert _find(counts, clock) == ["account", "account"]
    with counts.database.snapshot() as conn:
        assert [one.day for one in read_breaches(conn, QualityQuery(yesterday, today))] == [today, yesterday]


def test_a_day_that_is_over_needs_no_number_of_records(counts: Any, clock: FixedClock, today: dt.date) -> None:
    counts.write(today, (4, 1, 0, 0, 0, 0), {"account": (1, 0, 0)})
    assert _find(counts, clock) == []
    counts.write(today - dt.timedelta(days=1), (4, 1, 0, 0, 0, 0), {"account": (1, 0, 0)})
    counts.write(today - dt.timedelta(days=30), (4, 1, 0, 0, 0, 0), {"account": (1, 0, 0)})
    assert [one.day for one in find_breaches(counts.database, counts, SETTINGS, clock)] == [
        today - dt.timedelta(days=1)
    ]
