"""What the scorer keeps up to date, and how."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from decimal import Decimal
from typing import Any

import pytest

from mainstem.analytics import Scorer, check_health_model, read_health_model
from mainstem.analytics.batch import score_batch
from mainstem.analytics.context import read_context
from mainstem.analytics.subjects import claim_touched, read_subjects, turn_now
from mainstem.analytics.writing import release, write_outcomes
from mainstem.errors import UnavailableError
from mainstem.metrics import MetricSet, read_metric, touch_customers
from mainstem.store import change_heads, read_changes

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def _a_month_of_use(world: Any, *names: str) -> None:
    now = world.clock.data()
    world.happens(*((name, now - day * DAY) for name in names for day in range(30)))


def test_a_touched_customer_is_scored_and_explained(world: Any) -> None:
    world.customer("a", segment="large")
    _a_month_of_use(world, "a")
    assert world.scorer.run_once() == 1
    shown = world.shown("a")
    points = [Decimal(str(one["points"])) for one in shown["contributions"]]
    assert sum(points) == shown["score"]
    assert sum(Decimal(str(one["weight"])) for one in shown["contributions"]) == 100
    reasons = {one["component"]: one["reason"] for one in shown["contributions"]}
    assert reasons["recency"] == "Active within the hour before the newest data."
    assert reasons["frequency"] == "30 events in 30 days."
    assert reasons["breadth"] == "1 object in 30 days."
    assert reasons["trend"] == "Nothing to compare with yet; left out."
    assert reasons["milestones"] == "Not measured here: nothing feeds milestones."
    assert shown["inputs"]["frequency"] == {
        "value": 30,
        "unit": "events",
        "at": dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC),
        "grade": "fresh",
        "left_out": 0,
    }
    assert (shown["segment"], shown["source"], shown["grade"]) == ("large", "app", "partial")
    assert shown["last_seen_at"] == world.clock.data()
    assert world.query("SELECT * FROM touched") == []
    change, touched = read_changes(world.database, {}, 10)
    assert change.channel == touched.channel == 16 + world.ref("a").bytes[0] % 16
    assert (touched.kind, touched.body) == ("touched", {"refs": [world.ref("a").hex]})
    assert (change.kind, change.body["ref"], change.body["previous"]) == ("score", world.ref("a").hex, None)
    assert Decimal(str(change.body["score"])) == shown["score"]


def test_a_score_moves_by_a_tenth_or_stays(world: Any) -> None:
    world.customer("a")
    _a_month_of_use(world, "a")
    world.scorer.run_once()
    before, heads = world.shown("a"), change_heads(world.database)
    world.scorer.run_once()
    assert world.shown("a") == before
    world.clock.advance(10 * MINUTE)
    world.happens(("a", world.clock.data()), object="page", quantity=Decimal(1))
    world.scorer.run_once()
    # One more event among thirty: 0.2 points or so.
    assert world.shown("a")["score"] > before["score"]
    assert change_heads(world.database) != heads
    assert [row["cause"] for row in world.history("a", "live")] == ["behaviour", "behaviour"]


def test_the_history_has_one_live_row_a_minute(world: Any) -> None:
    world.customer("a")
    _a_month_of_use(world, "a")
    world.scorer.run_once()
    for _ in range(6):
        world.clock.advance(dt.timedelta(seconds=10))
        world.happens(*(("a", world.clock.data()) for _ in range(3)))
        world.scorer.run_once()
    # What is shown moved every time; the history is told once a minute.
    assert world.shown("a")["revision"] == 7
    rows = world.history("a", "live")
    assert [row["as_of"] for row in rows] == [world.clock.data() - MINUTE, world.clock.data()]
    assert rows[-1]["score"] == world.score("a")
    world.clock.advance(dt.timedelta(seconds=10))
    world.happens(*(("a", world.clock.data()) for _ in range(3)))
    world.scorer.run_once()
    assert world.shown("a")["pending"]
    world.clock.advance(6 * MINUTE)
    world.scorer.run_once()
    assert not world.shown("a")["pending"]
    assert world.history("a", "live")[-1]["score"] == world.score("a")


def test_time_alone_moves_a_score_when_it_is_due(world: Any) -> None:
    world.customer("a", "b")
    now = world.clock.data()
    world.happens(*(("a", now - 5 * DAY - day * DAY) for day in range(60)), ("b", now))
    world.scorer.run_once()
    before = world.shown("a")
    assert now < before["due_at"] <= now + DAY
    world.clock.set(before["due_at"] - dt.timedelta(seconds=1))
    world.happens(("b", world.clock.data()))
    world.scorer.run_once()
    assert world.shown("a")["score"] == before["score"]
    world.clock.set(before["due_at"] + 6 * MINUTE)
    world.happens(("b", world.clock.data()))
    world.scorer.run_once()
    after = world.shown("a")
    assert before["score"] - after["score"] >= Decimal("0.1")
    assert world.history("a", "live")[-1]["cause"] == "time"


def test_missed_midnights_of_a_replay_are_all_filled(world: Any) -> None:
    world.settings = world.settings.model_copy(update={"batch_rows": 1_000})
    world.customer("a", "b")
    start = dt.datetime(2025, 3, 1, 9, tzinfo=dt.UTC)
    world.clock.set(world.clock.wall(), data=start)
    world.happens(("a", start), ("b", start))
    world.scorer.run_once()
    end = start + 200 * DAY
    world.clock.set(world.clock.wall(), data=end)
    world.happens(*(("a", start + day * DAY) for day in range(1, 200)), ("b", end))
    # 1,000 rows at once are 500 midnights each; a smaller share takes several transactions.
    world.settings = world.settings.model_copy(update={"batch_rows": 100})
    world.scorer.run_once()
    for name in ("a", "b"):
        days = [row["as_of"] for row in world.history(name)]
        midnight = start.replace(hour=0)
        assert days == [midnight + day * DAY for day in range(1, 201)]
    assert world.history("a")[100]["score"] > world.history("b")[100]["score"]


def test_a_late_record_restates_the_midnights_it_touches(world: Any) -> None:
    world.customer("a", "other")
    now = world.clock.data()
    world.happens(("a", now), *(("other", now - day * DAY) for day in range(5)))
    world.scorer.run_once()
    world.clock.advance(60 * DAY)
    world.happens(*(("other", world.clock.data() - day * DAY) for day in range(60)))
    world.scorer.run_once()
    before = {row["as_of"]: row for row in world.history("a")}
    assert len(before) == 60
    known_before = world.clock.wall()
    world.clock.advance(HOUR)
    late_at = world.clock.data() - 40 * DAY
    world.happens(*(("a", late_at) for _ in range(5)))
    world.scorer.run_once()
    rows = world.history("a")
    restated = {row["as_of"]: row for row in rows if row["cause"] == "late"}
    assert min(restated) > late_at
    assert min(restated) - late_at < DAY
    assert all(row["known_at"] > known_before for row in restated.values())
    assert all(row["score"] > before[at]["score"] for at, row in restated.items() if at < late_at + 20 * DAY)
    # Nothing before it changed, and what was shown before is still there.
    assert [row for row in rows if row["cause"] != "late"] == list(before.values())
    assert world.shown("other")["score"] > 0


def test_a_rebuild_finds_the_same_midnights(world: Any) -> None:
    world.customer("a", "b")
    now = world.clock.data()
    world.happens(*(("a", now - day * DAY) for day in range(20)), ("b", now - 3 * DAY))
    world.scorer.run_once()
    for _ in range(8):
        world.clock.advance(12 * HOUR)
        world.happens(("a", world.clock.data()))
        world.scorer.run_once()
    last = world.history("b")[-1]
    assert last["complete"]
    computed = world.scorer.scores_at([world.ref("a"), world.ref("b"), world.ref("nobody")], last["as_of"])
    assert computed == {
        world.ref(name): (world.history(name)[-1]["score"], world.history(name)[-1]["band"]) for name in "ab"
    }


def test_a_customer_that_left_accuses_nobody(world: Any) -> None:
    world.customer("a", "b")
    now = world.clock.data()
    world.happens(*((name, now - day * DAY) for name in "ab" for day in range(40)))
    world.scorer.run_once()
    before = world.score("a")
    left_at = now + 2 * DAY
    world.customer("a", churned_at=left_at.isoformat())
    world.scorer.run_once()
    assert world.shown("a")["band"] == "healthy"
    assert world.shown("a")["due_at"] <= left_at
    for _ in range(20):
        world.clock.advance(DAY)
        world.happens(("b", world.clock.data()))
        world.scorer.run_once()
    shown = world.shown("a")
    assert shown["band"] == "churned"
    # As it was when it left, and not as a silent customer would be by now.
    assert abs(shown["score"] - before) < 5
    assert [row["band"] for row in world.history("a")] == ["healthy", "healthy", "churned"]
    world.customer("a")
    world.scorer.run_once()
    assert world.shown("a")["band"] == "at_risk"
    newest = {row["as_of"]: row["band"] for row in world.history("a")}
    assert len(newest) == 20
    assert "churned" not in newest.values()


def test_that_a_customer_had_left_may_be_learned_late(world: Any) -> None:
    world.customer("a", "b")
    now = world.clock.data()
    world.happens(*((name, now - day * DAY) for name in "ab" for day in range(40)))
    world.scorer.run_once()
    for _ in range(10):
        world.clock.advance(DAY)
        world.happens(("b", world.clock.data()))
        world.scorer.run_once()
    world.customer("a", churned_at=(now + 3 * DAY).isoformat())
    world.scorer.run_once()
    newest = {row["as_of"]: row["band"] for row in world.history("a")}
    assert list(newest.values()) == ["healthy"] * 3 + ["churned"] * 7


def test_an_attribute_that_is_no_time_stops_nobody(world: Any) -> None:
    world.customer("a", churned_at="soon")
    _a_month_of_use(world, "a")
    world.scorer.run_once()
    assert world.shown("a")["band"] != "churned"


def test_history_loaded_at_once_is_graded_historical(world: Any) -> None:
    world.customer("a")
    long_ago = world.clock.data() - 400 * DAY
    world.happens(*(("a", long_ago - day * DAY) for day in range(60)))
    world.scorer.run_once()
    shown = world.shown("a")
    assert shown["grade"] == "historical"
    # As of when the load ends, not of today: nothing is known of the year since.
    assert shown["inputs"]["recency"]["value"] == 0
    assert "Input historical: nothing newer than" in shown["contributions"][0]["reason"]


def test_a_customer_of_whom_nothing_is_measured_has_no_score(world: Any) -> None:
    world.customer("a")
    world.customer("b", source="crm")
    _a_month_of_use(world, "a")
    assert world.scorer.run_once() == 2
    assert world.query("SELECT ref FROM score") == [{"ref": world.ref("a")}]
    assert world.query("SELECT * FROM touched") == []


def test_whoever_was_there_before_anything_was_measured_is_scored_when_it_is(world: Any) -> None:
    world.customer("early", "other")
    world.customer("elsewhere", source="crm")
    assert world.scorer.run_once() == 3
    assert world.query("SELECT * FROM score") == []
    world.clock.advance(MINUTE)
    # The first event of the source is the other's: the early one is explained too, without waiting for the next sweep.
    world.happens(("other", world.clock.data()))
    world.scorer.run_once()
    assert {row["ref"] for row in world.query("SELECT ref FROM score")} == {world.ref("early"), world.ref("other")}
    assert world.shown("early")["contributions"][0]["reason"] == "No activity ever; counted as the worst."


def test_another_metric_of_a_source_shows_in_everybodys_score(world: Any) -> None:
    world.customer("a", "b")
    _a_month_of_use(world, "a", "b")
    world.scorer.run_once()
    assert world.shown("a")["inputs"]["milestones"]["value"] is None
    world.happens(("b", world.clock.data()), entity="milestone", stream="goals")
    world.scorer.run_once()
    assert world.shown("a")["inputs"]["milestones"]["value"] == 0


def test_the_present_comes_before_midnights_that_wait(world: Any) -> None:
    world.customer("a", "b")
    start = world.clock.data()
    world.happens(("a", start), ("b", start))
    world.scorer.run_once()
    world.clock.advance(100 * DAY)
    world.happens(*[(name, world.clock.data()) for name in "ab"] * 9)
    world.settings = world.settings.model_copy(update={"batch_rows": 20})
    scored, filled = world.scorer._step()
    assert scored >= 2
    assert filled == 1
    # Both are shown as of now, while a fifth of one's midnights is written.
    assert {row["as_of"] for row in world.query("SELECT as_of FROM score")} == {world.clock.data()}
    assert len(world.history("a") + world.history("b")) == 20
    world.clock.advance(MINUTE)
    world.happens(*[("b", world.clock.data())] * 30)
    world.scorer._step()
    assert world.shown("b")["as_of"] == world.clock.data()
    assert len(world.history("a") + world.history("b")) == 40
    world.scorer.run_once()
    assert [len(world.history(name)) for name in "ab"] == [100, 100]
    assert world.query("SELECT * FROM score WHERE midnights_since IS NOT NULL OR restate_until IS NOT NULL") == []


def test_midnights_are_restated_a_few_at_a_time(world: Any) -> None:
    world.customer("a")
    start = world.clock.data()
    world.happens(("a", start))
    world.scorer.run_once()
    world.clock.advance(60 * DAY)
    world.happens(("a", world.clock.data()))
    world.scorer.run_once()
    world.settings = world.settings.model_copy(update={"batch_rows": 7})
    world.happens(*[("a", start + 10 * DAY)] * 5)
    world.scorer.run_once()
    newest = {row["as_of"]: row for row in world.history("a")}
    for at, row in newest.items():
        [computed] = world.scorer.scores_at([world.ref("a")], at).values()
        assert (row["score"], row["band"]) == computed


def test_who_waits_longest_is_taken_first(world: Any) -> None:
    names = [f"customer {number}" for number in range(6)]
    for name in names:
        world.customer(name)
    # Touched again before its turn, the first one keeps its place.
    world.customer(names[0])
    with world.database.transaction() as conn:
        first, turn = claim_touched(conn, range(16), turn_now(conn), 4)
    world.customer("late")
    world.customer(names[1])
    with world.database.transaction() as conn:
        rest, turn = claim_touched(conn, range(16), turn, 4)
        assert claim_touched(conn, range(16), turn, 4)[0] == []
    assert [one.ref for one in (*first, *rest)] == [world.ref(name) for name in names]


def test_two_streams_of_a_source_are_told_apart(world: Any) -> None:
    world.customer("web", "mobile")
    now = world.clock.data()
    world.happens(*(("web", now - day * DAY) for day in range(70)), stream="web")
    world.happens(*(("mobile", now - day * DAY) for day in range(70)), stream="mobile")
    world.scorer.run_once()
    before = world.score("mobile")
    for _ in range(10):
        world.clock.advance(DAY)
        world.happens(("web", world.clock.data()), stream="web")
        world.scorer.run_once()
    # The mobile stream is dead: its customer stands still, whatever the web stream vouches for.
    assert world.score("mobile") == before
    assert world.shown("mobile")["grade"] == "stale"
    assert world.shown("web")["grade"] == "fresh"


MODEL = """
name: default
components:
  - {name: use, kind: frequency, metric: events, window: 1w, weight: 2, curve: [[0, 0], [10, 100]]}
  - {name: recency, kind: recency, metric: events, weight: 1, curve: [[0, 100], [5, 0]], missing: neutral}
bands: [{name: low, from: 0}, {name: high, from: 50}]
segments:
  small:
    use: {curve: [[0, 0], [5, 100]], weight: 1}
"""


def test_a_model_with_curves_for_a_segment(world: Any) -> None:
    world.model = dataclasses.replace(read_health_model(MODEL), version=1)
    world.customer("a", segment="small")
    world.customer("b", segment="big")
    now = world.clock.data()
    world.happens(*((name, now - 12 * HOUR * step) for name in "ab" for step in range(5)))
    world.scorer.run_once()
    assert world.score("a") == 100
    # Two thirds of 50 and a third of 100.
    assert world.score("b") == Decimal("66.67")
    assert [one["points"] for one in world.shown("b")["contributions"]] == [Decimal("33.34"), Decimal("33.33")]


def test_another_model_scores_everybody_anew(world: Any) -> None:
    world.customer("a", "silent")
    _a_month_of_use(world, "a")
    world.scorer.run_once()
    world.model = dataclasses.replace(read_health_model(MODEL), version=1)
    world.clock.advance(6 * MINUTE)
    world.scorer.run_once()
    assert world.shown("a")["model_version"] == 1
    assert world.history("a", "live")[-1]["cause"] == "model"
    # Without a last event, and neutral about that.
    assert world.score("silent") == Decimal("16.67")
    world.model = dataclasses.replace(read_health_model(MODEL.replace("name: default", "name: second")), version=1)
    world.clock.advance(6 * MINUTE)
    world.scorer.run_once()
    assert world.query("SELECT count(*) AS n FROM score WHERE model = 'second'") == [{"n": 2}]


def test_who_is_touched_while_being_scored_comes_again(world: Any) -> None:
    world.customer("a", "b")
    _a_month_of_use(world, "a", "b")
    with world.database.transaction() as conn:
        claims, _ = claim_touched(conn, range(16), turn_now(conn), 10)
        with world.database.transaction() as sink:
            touch_customers(sink, (), [world.ref("a").bytes], world.clock.data() - 60 * DAY)
        release(conn, claims)
    assert world.query("SELECT ref FROM touched") == [{"ref": world.ref("a")}]


def test_a_score_is_replaced_only_as_it_was_read(world: Any) -> None:
    world.customer("a")
    _a_month_of_use(world, "a")
    with world.database.transaction() as conn:
        context = read_context(conn, world.parts())
        claims, _ = claim_touched(conn, range(16), turn_now(conn), 10)
        outcomes = score_batch(conn, context, read_subjects(conn, claims, "default"))
    world.scorer.run_once()
    with pytest.raises(UnavailableError, match="Another scorer"), world.database.transaction() as conn:
        write_outcomes(conn, context, outcomes)
    assert world.shown("a")["revision"] == 1


def test_two_scorers_share_the_work(world: Any) -> None:
    names = [f"customer {number}" for number in range(40)]
    world.customer(*names)
    _a_month_of_use(world, *names)
    world.settings = world.settings.model_copy(update={"batch": 7})
    scorers = [Scorer(world.database, world.parts) for _ in range(2)]
    threads = [threading.Thread(target=scorer.run_once) for scorer in scorers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.scorer.run_once()
    [scored] = world.query("SELECT count(*) AS n, max(revision) AS most FROM score")
    # Whom one has not finished when the other begins and looks for customers without a score is looked at once more.
    assert (scored["n"], scored["most"] <= 2) == (40, True)
    assert world.query("SELECT * FROM touched") == []


def test_a_scorer_keeps_to_its_share(world: Any) -> None:
    names = [f"customer {number}" for number in range(40)]
    world.customer(*names)
    _a_month_of_use(world, *names)
    own = [name for name in names if world.ref(name).bytes[0] % 16 < 4]
    assert Scorer(world.database, world.parts, shards=range(4)).run_once() == len(own)
    assert {row["ref"] for row in world.query("SELECT ref FROM score")} == {world.ref(name) for name in own}


def test_a_scorer_runs_until_it_is_stopped(world: Any) -> None:
    world.settings = world.settings.model_copy(update={"poll_seconds": 0.05, "pause_seconds": 0.01})
    stop = threading.Event()
    thread = threading.Thread(target=world.scorer.run, args=[stop])
    thread.start()
    world.customer("a")
    _a_month_of_use(world, "a")
    while not world.query("SELECT * FROM score"):
        assert thread.is_alive()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_history_says_what_is_shown(world: Any) -> None:
    world.customer("a")
    _a_month_of_use(world, "a")
    world.scorer.run_once()
    # Moves again within the minute, and has to wait for its row.
    world.clock.advance(10 * dt.timedelta(seconds=1))
    world.happens(*(("a", world.clock.data() - day * DAY) for day in range(1, 30)))
    world.scorer.run_once()
    assert world.shown("a")["pending"]
    world.clock.advance(5 * MINUTE)
    world.scorer.run_once()
    shown, logged = world.shown("a"), world.history("a", "live")[-1]
    assert not shown["pending"]
    assert [logged[name] for name in ("score", "as_of", "basis")] == [
        shown[name] for name in ("score", "as_of", "basis")
    ]


SALES = (
    "name: sales\nentity: usage_event\nmeasure: count\nbucket: day\nwhere: quantity >= 5\nimputed: ignore\nunit: sales\n",
    "name: revenue\nentity: usage_event\nmeasure: sum\nvalue: quantity\nbucket: day\nimputed: ignore\nunit: euros\n",
)
SALES_MODEL = """
name: sales
components:
  - {name: often, kind: frequency, metric: sales, window: 7d, weight: 1, imputed: ignore, missing: neutral, curve: [[0, 0], [10, 100]]}
  - {name: much, kind: frequency, metric: revenue, window: 7d, weight: 1, imputed: ignore, curve: [[0, 0], [100, 100]]}
  - {name: lately, kind: recency, metric: revenue, weight: 1, imputed: ignore, curve: [[0, 100], [10, 0]]}
  - {name: rising, kind: trend, metric: sales, window: 7d, weight: 1, imputed: ignore, curve: [[0, 0], [2, 100]]}
bands: [{name: all, from: 0}]
"""


def test_what_rests_on_imputed_values_is_left_out_of_a_score_and_told(world: Any) -> None:
    world.metrics = MetricSet([read_metric(text) for text in SALES])
    world.model = read_health_model(SALES_MODEL)
    check_health_model(world.model, world.metrics)
    world.customer("a", "b", "c")
    now = world.clock.data()
    for name in ("a", "b"):
        world.happens(*((name, now - day * DAY) for day in (2, 3, 9)), quantity=Decimal(8))
    # Of one customer three more are made up: in the window, in the one before, and of something no metric asks for.
    world.happens(("a", now), ("a", now - 10 * DAY), quantity=Decimal(9), imputed=["quantity"])
    world.happens(("a", now - DAY), quantity=Decimal(20), imputed=["object"])
    world.happens(("b", now - DAY), quantity=Decimal(20))
    world.happens(("c", now), quantity=Decimal(9), imputed=["quantity"])
    world.scorer.run_once()
    a, b, c = (world.shown(name) for name in "abc")
    assert (a["score"], a["grade"], b["grade"]) == (b["score"], "partial", "fresh")
    for one in ("often", "much", "lately", "rising"):
        assert {**a["inputs"][one], "grade": "fresh", "left_out": 0} == b["inputs"][one]
        assert a["inputs"][one]["grade"] == "partial"
    assert [a["inputs"][one]["left_out"] for one in ("often", "much", "lately", "rising")] == [1, 1, 1, 2]
    reasons = [[one["reason"] for one in shown["contributions"]] for shown in (a, b, c)]
    assert reasons == [
        [
            "3 sales in 7 days. 1 of 4 inputs imputed, left out.",
            "36 euros in 7 days. 1 input imputed, left out.",
            "Active 23 hours before the newest data. 1 input imputed, left out.",
            "200 % more sales than in the 7 days before. 2 inputs imputed, left out.",
        ],
        [
            "3 sales in 7 days.",
            "36 euros in 7 days.",
            "Active 23 hours before the newest data.",
            "200 % more sales than in the 7 days before.",
        ],
        [
            "Nothing that counts in 7 days; counted as neutral. 1 of 1 inputs imputed, left out.",
            "Nothing that counts in 7 days; left out. 1 input imputed, left out.",
            "No activity ever; left out. 1 input imputed, left out.",
            "Nothing to compare with yet; left out. 1 input imputed, left out.",
        ],
    ]
