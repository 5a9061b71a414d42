"""Anomalies of what was counted: told once, again when they get worse, ended when late records make up for them; mutes; silence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from mainstem.clock import Replay, ReplayClock
from mainstem.errors import ConfigurationError
from mainstem.processing import join_quality_days
from mainstem.quality import QualityQuery
from mainstem.quality.anomalies import (
    HISTORY,
    LONGEST_MUTE,
    Anomaly,
    Mute,
    Scale,
    Series,
    Signal,
    Tier,
    add_mute,
    end_mute,
    find_anomalies,
    read_anomalies,
    read_mutes,
    trim_anomalies,
    watch_ages,
)
from mainstem.store import Connection, Database, read_changes
from mainstem.testing import FixedClock

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


@pytest.fixture
def yesterday(clock: FixedClock) -> dt.date:
    return clock.wall().date() - DAY


def _usual_weeks(counts: Any, yesterday: dt.date) -> None:
    """Four weeks up to the day before yesterday; about every tenth amount is missing."""
    for back in range(1, 29):
        records = 1000 + back % 7 * 20
        fields = {"amount": (records // 10, 0, 0), "kind": (0, 2, 0)}
        day = yesterday - back * DAY
        counts.write(day, (records, 0, 2, 0, records, 10), fields, told=(records - 5, 5))


def _find(counts: Any, clock: FixedClock) -> list[tuple[str, str, str]]:
    return [(one.signal, one.name, one.tier) for one in find_anomalies(counts.database, [], clock)]


def _kept(database: Database, last: dt.date, *, running: bool = False) -> list[Anomaly]:
    with database.snapshot() as conn:
        return read_anomalies(conn, QualityQuery(last - 60 * DAY, last), running=running)


def _changes(database: Database) -> list[Any]:
    return [one.body for one in read_changes(database, {}, 1000) if one.kind == "anomaly"]


def test_anomalies_are_forgotten_long_after_but_for_what_goes_on(database: Database) -> None:
    at = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    rows = [("volume", at, None), ("volume", at + 2 * DAY, None), ("freshness", at, None), ("freshness", at - DAY, at)]
    with database.transaction() as conn:
        for signal, when, ended in rows:
            conn.execute(
                "INSERT INTO anomaly (signal, source, stream, name, at, tier, value, expected, low, high, deviation, seen_at,"
                " ended_at) VALUES (%s, 'app', 's', '', %s, 'warn', 1, 2, 1, 3, 9, %s, %s)",
                (signal, when, when, ended),
            )
    assert trim_anomalies(database, at + DAY) == 2
    assert trim_anomalies(database, at + DAY) == 0
    with database.autocommit() as conn:
        left = conn.execute("SELECT signal, at FROM anomaly ORDER BY at").fetchall()
    assert left == [("freshness", at), ("volume", at + 2 * DAY)]


def test_a_usual_day_is_none(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    _usual_weeks(counts, yesterday)
    counts.write(yesterday, (1010, 0, 2, 0, 1010, 9), {"amount": (105, 0, 0), "kind": (0, 1, 0)}, told=(1004, 6))
    assert _find(counts, clock) == []
    assert _kept(counts.database, yesterday) == []


def test_every_signal_is_watched_and_told_once(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    _usual_weeks(counts, yesterday)
    fields = {"amount": (1900, 0, 0), "kind": (0, 900, 0)}
    counts.write(yesterday, (4000, 0, 900, 0, 4000, 2000), fields, told=(3000, 1000))
    assert sorted(_find(counts, clock)) == [
        ("invalid", "kind", "error"),
        ("late", "", "error"),
        ("missing", "amount", "error"),
        ("repeated", "", "error"),
        ("volume", "", "error"),
    ]
    assert _find(counts, clock) == []
    assert len(_changes(counts.database)) == 5
    [volume] = [one for one in _kept(counts.database, yesterday) if one.signal is Signal.VOLUME]
    assert (volume.subject, volume.value, volume.at.date()) == (("shop", "orders", ""), 4000.0, yesterday)
    assert 600 < volume.low < volume.expected < volume.high < 1600


def test_a_day_on_which_nothing_came_is_an_anomaly(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    _usual_weeks(counts, yesterday)
    assert _find(counts, clock) == [("volume", "", "error")]


def test_the_day_under_way_and_one_just_over_are_not_judged(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    _usual_weeks(counts, yesterday)
    clock.set(dt.datetime.combine(yesterday, dt.time(23, 59), dt.UTC))
    assert _find(counts, clock) == []
    clock.set(dt.datetime.combine(yesterday + DAY, dt.time(0, 5), dt.UTC))
    assert _find(counts, clock) == []
    clock.set(dt.datetime.combine(yesterday + DAY, dt.time(0, 20), dt.UTC))
    assert _find(counts, clock) == [("volume", "", "error")]


def test_what_waited_makes_up_for_a_missing_day(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    _usual_weeks(counts, yesterday)
    assert len(_find(counts, clock)) == 1
    counts.write(yesterday, (1000, 0, 2, 0, 1000, 10), {"amount": (100, 0, 0)}, told=(995, 5))
    clock.advance(HOUR)
    assert _find(counts, clock) == []
    [kept] = _kept(counts.database, yesterday)
    assert kept.ended_at == clock.wall()
    assert _kept(counts.database, yesterday, running=True) == []


def test_what_gets_worse_is_told_again_and_what_gets_better_is_not(
    counts: Any, clock: FixedClock, yesterday: dt.date
) -> None:
    _usual_weeks(counts, yesterday)
    counts.write(yesterday, (1690, 0, 2, 0, 1690, 10), {"amount": (170, 0, 0)}, told=(1685, 5))
    assert _find(counts, clock) == [("volume", "", "warn")]
    counts.write(yesterday, (9000, 0, 2, 0, 9000, 90), {"amount": (900, 0, 0)}, told=(8955, 45))
    assert _find(counts, clock) == [("volume", "", "error")]
    assert [one["tier"] for one in _changes(counts.database)] == ["warn", "error"]
    assert [one.tier for one in _kept(counts.database, yesterday)] == [Tier.ERROR]


def test_what_is_kept_of_a_day_is_what_is_known_of_it_now(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    _usual_weeks(counts, yesterday)
    assert _find(counts, clock) == [("volume", "", "error")]
    counts.write(yesterday, (100, 0, 0, 0, 100, 1), {"amount": (10, 0, 0)}, told=(100, 0))
    assert _find(counts, clock) == []
    [kept] = _kept(counts.database, yesterday)
    assert (kept.tier, kept.value) == (Tier.ERROR, 100.0)


def test_a_young_stream_is_quiet(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    for back in range(1, 15):
        counts.write(yesterday - back * DAY, (1000, 0, 0, 0, 1000, 0), told=(1000, 0))
    assert _find(counts, clock) == []


def test_the_series_of_another_room_are_judged_as_well(
    database: Database, clock: FixedClock, yesterday: dt.date
) -> None:
    values = np.full((1, HISTORY + 1), 500.0)
    values[0, -1] = 20.0
    series = Series(Signal.METRIC, Scale.COUNT, [("", "", "events")], yesterday, values)
    [found] = find_anomalies(database, [lambda _: [series]], clock)
    assert (found.subject, found.tier, found.at.date()) == (("", "", "events"), Tier.ERROR, yesterday)


def test_of_many_series_the_right_one_is_told(clock: FixedClock, yesterday: dt.date) -> None:
    values = np.tile(1000.0 + np.arange(HISTORY + 1) % 7, (2500, 1))
    values[1::2] = 500.0
    values[2301, -1], values[2400, -2] = 9.0, 9000.0
    subjects = [("shop", "orders", f"f{n}") for n in range(2500)]
    judged = list(Series(Signal.METRIC, Scale.COUNT, subjects, yesterday, values).judged(2, clock.wall()))
    assert [(one.at.date(), [(found.name, found.value) for found in one.found]) for one in judged] == [
        (yesterday, [("f2301", 9.0)]), (yesterday - DAY, [("f2400", 9000.0)])
    ]  # fmt: skip
    assert all(one.subjects == frozenset(subjects) for one in judged)


def test_a_mute_keeps_from_telling_and_not_from_finding(counts: Any, clock: FixedClock, yesterday: dt.date) -> None:
    now = clock.wall()
    mute = Mute(now + 2 * DAY, "the shop is closed", "kim", signal=Signal.VOLUME, source="shop")
    add_mute(counts.database, mute, now)
    _usual_weeks(counts, yesterday)
    assert _find(counts, clock) == []
    assert _changes(counts.database) == []
    assert [one.signal for one in _kept(counts.database, yesterday)] == [Signal.VOLUME]
    # It expires by itself: the next such day is told.
    clock.advance(2 * DAY)
    with counts.database.snapshot() as conn:
        assert read_mutes(conn, clock.wall()) == []
    assert _find(counts, clock) == [("volume", "", "error")] * 2


def test_a_mute_is_for_what_it_names(clock: FixedClock) -> None:
    at = clock.wall()
    numbers = (0.0, 1.0, 0.5, 2.0, -9.0, at)
    volume = Anomaly(Signal.VOLUME, "shop", "orders", "", at, Tier.WARN, *numbers)
    assert Mute(at, "why", "kim").covers(volume)
    assert Mute(at, "why", "kim", source="shop", stream="orders").covers(volume)
    assert not Mute(at, "why", "kim", source="shop", stream="visits").covers(volume)
    assert not Mute(at, "why", "kim", signal=Signal.LATE).covers(volume)


def test_a_mute_ends_before_its_time_and_none_is_for_ever(database: Database, clock: FixedClock) -> None:
    now = clock.wall()
    mute = Mute(now + DAY, "why", "kim")
    add_mute(database, mute, now)
    assert end_mute(database, mute.id, now)
    assert not end_mute(database, mute.id, now)
    for until in (now, now + LONGEST_MUTE + HOUR):
        with pytest.raises(ConfigurationError, match="within 400 days"):
            add_mute(database, Mute(until, "why", "kim"), now)


def test_mutes_are_not_without_end(database: Database, clock: FixedClock) -> None:
    now = clock.wall()
    with database.transaction() as conn:
        conn.execute(
            "INSERT INTO anomaly_mute SELECT gen_random_uuid(), NULL, 'shop', NULL, 'f' || n, %s, 'why', 'kim', %s"
            " FROM generate_series(1, 1000) AS n",
            [now + DAY, now],
        )
    with pytest.raises(ConfigurationError, match="1,000 mutes"):
        add_mute(database, Mute(now + DAY, "why", "kim"), now)
    add_mute(database, Mute(now + 3 * DAY, "why", "kim"), now + 2 * DAY)


class _Stream:
    """A stream whose records come when they are said to."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        self.newest = clock.data()

    def read(self, _: Connection) -> dict[tuple[str, str], dt.datetime]:
        return {("shop", "orders"): self.newest}

    def known(self, weeks: int, *, every: int) -> None:
        """Be known for weeks in which something came every so many hours, five minutes before the hour."""
        hour = self.clock.data().replace(minute=0)
        with self.database.transaction() as conn:
            conn.execute(
                "INSERT INTO stream_age SELECT 'shop', 'orders', hour, extract(hour FROM hour)::integer %% %s * 3600 + 300"
                " FROM generate_series(%s::timestamptz, %s, interval '1 hour') AS hour",
                [every, hour - weeks * 7 * DAY, hour],
            )

    def hours(self, hours: Iterable[int], *, every: int = 1) -> list[tuple[str, float]]:
        """Go on hour by hour; something comes in hours of the day that are multiples of `every`."""
        told = []
        for _ in hours:
            self.clock.advance(HOUR)
            if every and self.clock.data().hour % every == 0:
                self.newest = self.clock.data() - dt.timedelta(minutes=5)
            told += [(str(one.tier), one.value) for one in watch_ages(self.database, self.read, self.clock)]
        return told


def test_silence_is_told_when_it_is_unusual_at_this_hour(database: Database, clock: FixedClock) -> None:
    stream = _Stream(database, clock)
    stream.known(4, every=6)
    assert stream.hours(range(12), every=6) == []
    told = stream.hours(range(48), every=0)
    # Something came every six hours.
    assert [tier for tier, _ in told] == ["warn", "error"]
    assert 6 * 3600 < told[0][1] < 20 * 3600
    [kept] = _kept(database, clock.data().date())
    assert (kept.signal, kept.at, kept.ended_at) == (Signal.FRESHNESS, stream.newest, None)
    assert stream.hours(range(6), every=1) == []
    [kept] = _kept(database, clock.data().date())
    assert kept.ended_at is not None


@pytest.mark.parametrize("ended", [False, True])
def test_a_silence_that_goes_on_is_told_when_its_mute_is_over(
    database: Database, clock: FixedClock, *, ended: bool
) -> None:
    stream = _Stream(database, clock)
    stream.known(4, every=1)
    mute = Mute(clock.wall() + 2 * DAY, "the shop is closed", "kim", signal=Signal.FRESHNESS)
    add_mute(database, mute, clock.wall())
    assert stream.hours(range(40), every=0) == []
    if ended:
        end_mute(database, mute.id, clock.wall())
        assert [tier for tier, _ in stream.hours(range(1), every=0)] == ["error"]
    else:
        assert [tier for tier, _ in stream.hours(range(12), every=0)] == ["error"]
    assert len(_changes(database)) == 1
    assert stream.hours(range(3), every=0) == []


def test_a_silence_that_ended_while_muted_is_not_told(database: Database, clock: FixedClock) -> None:
    stream = _Stream(database, clock)
    stream.known(4, every=1)
    add_mute(database, Mute(clock.wall() + DAY, "the shop is closed", "kim"), clock.wall())
    assert stream.hours(range(20), every=0) == []
    assert stream.hours(range(12), every=1) == []
    assert _changes(database) == []


def test_a_stream_that_nobody_knows_yet_may_be_silent(database: Database, clock: FixedClock) -> None:
    stream = _Stream(database, clock)
    stream.known(2, every=1)
    assert stream.hours(range(48), every=0) == []


def test_while_history_is_replayed_no_age_is_noted(database: Database, clock: FixedClock) -> None:
    started = clock.wall()
    replaying = ReplayClock(clock, Replay(started - 300 * DAY, started, 60.0))
    stream = _Stream(database, clock)
    assert watch_ages(database, stream.read, replaying) == []
    with database.snapshot() as conn:
        assert conn.execute("SELECT count(*) FROM stream_age").fetchone() == (0,)


def _weeks_of_values(counts: Any, yesterday: dt.date, records: int = 1000, **last: int) -> None:
    """Four weeks of orders with an id each, five kinds and some 200 pages, and then a last day with what is said of it."""
    for back in range(29):
        different = {"id": records + back, "kind": 5, "page": 200 + back % 5 * 10, **(last if back == 0 else {})}
        counts.write(yesterday - back * DAY, (records, 0, 0, 0, records, 0), different=different, told=(records, 0))


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ({}, []),
        # A key that is the same in every record, a kind that is the only one left, pages that are all different.
        ({"id": 1}, [("distinct", "id", "error")]),
        ({"kind": 1}, [("distinct", "kind", "error")]),
        ({"page": 1000}, [("distinct", "page", "error")]),
    ],
)
def test_values_that_become_all_alike_or_all_different(
    counts: Any, clock: FixedClock, yesterday: dt.date, last: dict[str, int], found: list[Any]
) -> None:
    _weeks_of_values(counts, yesterday, **last)
    assert _find(counts, clock) == found


def test_fewer_records_make_neither_the_kinds_nor_the_keys_unusual(
    counts: Any, clock: FixedClock, yesterday: dt.date
) -> None:
    _weeks_of_values(counts, yesterday - DAY)
    # A tenth of the records: the ids are as different as ever, and the kinds as many.
    counts.write(yesterday, (100, 0, 0, 0, 100, 0), different={"id": 100, "kind": 5}, told=(100, 0))
    assert _find(counts, clock) == [("volume", "", "error")]


def test_sketches_of_partitions_and_versions_are_one_and_kept_for_a_hundred_days(
    counts: Any, clock: FixedClock, yesterday: dt.date
) -> None:
    old = yesterday - 120 * DAY
    for partition, ids in ((0, 3), (1, 500), (1, 400)):
        for day in (yesterday, yesterday - 30 * DAY, old):
            counts.write(day, (500, 0, 0, 0, 500, 0), different={"id": ids}, partition=partition)

    def kept() -> list[Any]:
        with counts.database.snapshot() as conn:
            rows = conn.execute("SELECT day, epoch, partition, registers FROM quality_distinct ORDER BY 1, 2, 3")
            return list(rows)

    assert [row[:3] for row in kept()] == [
        (day, 1, partition) for day in (old, yesterday - 30 * DAY, yesterday) for partition in (0, 1)
    ]
    # The values of the one are among those of the other.
    whole = kept()[1][3]
    for _ in range(2):
        join_quality_days(counts.database, yesterday)
        assert [row[:3] for row in kept()] == [(yesterday - 30 * DAY, 0, 0), (yesterday, 1, 0), (yesterday, 1, 1)]
        assert kept()[0][3] == whole
