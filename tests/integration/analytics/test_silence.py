"""Silence is information, an outage is not."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
BUSY = ("busy", "calm", "quiet")


def _a_day(world: Any, customers: tuple[str, ...]) -> None:
    """A day passes, and what the customers did meanwhile takes effect."""
    world.clock.advance(DAY)
    if customers:
        now = world.clock.data()
        world.happens(*((name, now - quarter * 6 * HOUR) for name in customers for quarter in range(4)))
    world.scorer.run_once()


def _months_of_use(world: Any) -> None:
    now = world.clock.data()
    world.customer(*BUSY)
    world.happens(*((name, now - quarter * 6 * HOUR) for name in BUSY for quarter in range(4 * 80)))
    world.scorer.run_once()


def test_a_silent_customer_falls_day_by_day_while_others_go_on(world: Any) -> None:
    _months_of_use(world)
    before = world.score("quiet")
    start = world.clock.data()
    for _ in range(30):
        _a_day(world, ("busy", "calm"))
    daily = [row for row in world.history("quiet") if row["as_of"] > start]
    assert len(daily) == 30
    scores = [row["score"] for row in daily]
    assert scores[0] <= before
    # A weekend's grace first; from the fourth day on every day costs something.
    assert all(later < earlier for earlier, later in itertools.pairwise(scores[4:]))
    assert scores[-1] < 25
    assert {row["grade"] for row in daily} == {"fresh"}
    assert [row["complete"] for row in daily] == [True] * 30
    recency = daily[-1]["contributions"][0]
    assert recency["component"] == "recency"
    assert recency["reason"] == "No activity for 29 days."
    assert world.shown("quiet")["band"] == "at_risk"
    busy = [row["score"] for row in world.history("busy")]
    assert max(busy) - min(busy) < 1


def test_a_dead_stream_accuses_nobody(world: Any) -> None:
    _months_of_use(world)
    before = {name: world.score(name) for name in BUSY}
    start = world.clock.data()
    for _ in range(30):
        _a_day(world, ())
    for name in BUSY:
        shown = world.shown(name)
        assert shown["score"] == before[name]
        assert shown["grade"] == "stale"
        daily = [row for row in world.history(name) if row["as_of"] > start]
        # Midnights wait a day and a half for the stream, then are scored as things stand.
        assert len(daily) == 29
        assert {row["score"] for row in daily} == {before[name]}
        assert {row["complete"] for row in daily} == {False}
        assert "Input stale: nothing newer than" in shown["contributions"][0]["reason"]
        assert shown["inputs"]["recency"]["grade"] == "stale"


def test_what_stood_still_moves_when_the_stream_is_back(world: Any) -> None:
    _months_of_use(world)
    before = world.score("quiet")
    for _ in range(10):
        _a_day(world, ())
    assert world.score("quiet") == before
    # The source was down, and tells now what happened to the others meanwhile.
    world.happens(*((name, world.clock.data() - hour * HOUR) for name in ("busy", "calm") for hour in range(0, 240, 4)))
    world.clock.advance(2 * HOUR)
    world.happens(("busy", world.clock.data()))
    world.scorer.run_once()
    assert world.score("quiet") < before - 10
    assert world.shown("quiet")["grade"] == "fresh"
    newest: dict[dt.datetime, Any] = {row["as_of"]: row for row in world.history("quiet")}
    assert {row["complete"] for row in newest.values()} == {True}
    assert [row["score"] for row in newest.values()] == sorted((row["score"] for row in newest.values()), reverse=True)


def test_a_heartbeat_makes_silence_speak(world: Any) -> None:
    _months_of_use(world)
    before = world.score("quiet")
    for _ in range(8):
        world.clock.advance(DAY)
        world.heartbeat()
        world.scorer.run_once()
    assert world.score("quiet") < before - 5
    assert world.shown("quiet")["grade"] == "fresh"
