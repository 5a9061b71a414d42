"""Journeys: whatever the batches and their order, the answers are those of all events together, counted one by one."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from mainstem.errors import IntegrityError
from mainstem.metrics import (
    Journey,
    MetricSet,
    builtin_metrics,
    cohorts,
    merge,
    read_adoption,
    read_cohorts,
    read_declared,
    read_funnel,
    read_retention,
    tracks,
)
from mainstem.metrics.funnels import difference
from mainstem.metrics.journey import MOST_MOMENTS, Resolution
from mainstem.metrics.state import merge_distinct
from mainstem.metrics.tracks import Asked, read_tracks

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
TODAY = dt.datetime(2026, 1, 15, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
EVER = (dt.datetime(2025, 12, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))

FUNNEL = """
kind: funnel
name: {name}
subject: {subject}
steps:
  - {{name: view, event: view}}
  - {{name: try_it, event: try, where: object = 'home'}}
  - {{name: buy, entity: milestone}}
window: {window}
resolution: {resolution}
order: {order}
"""
RETENTION = """
kind: retention
name: {name}
subject: {subject}
start: {{event: view}}
return: {{where: event <> 'view'}}
every: {every}
brackets: 4
counts: {counts}
"""
COHORT = "kind: cohort\nname: spent\nstart: {event: view}\nmetric: quantity\nperiod: week\nevery: week\nbrackets: 3\n"
ADOPTION = "kind: adoption\nname: trying\nactive: {}\nfeature: {event: try}\nperiod: week\n"


def _declared(text: str, **values: str) -> Journey:
    journey = read_declared(text.format(**values) if values else text)
    assert isinstance(journey, Journey)
    return journey


FUNNELS = {
    f"{subject}_{window}_{resolution}_{order}": _declared(
        FUNNEL,
        name=f"f{number}",
        subject=subject,
        window=window,
        resolution=resolution,
        order=order,
    )
    for number, (subject, window, resolution, order) in enumerate(
        (
            ("customer", "2d", "second", "strict"),
            ("person", "3h", "second", "loose"),
            ("customer", "40m", "minute", "strict"),
            ("person", "12h", "hour", "strict"),
            ("customer", "3d", "day", "loose"),
            ("customer", "3d", "day", "strict"),
        )
    )
}
RETENTIONS = [
    _declared(RETENTION, name=f"r{number}", subject=subject, every=every, counts=counts)
    for number, (subject, every, counts) in enumerate(
        (
            ("customer", "day", "within"),
            ("person", "week", "within"),
            ("customer", "week", "from"),
            ("person", "day", "from"),
        )
    )
]
OTHERS = [_declared(COHORT), _declared(ADOPTION)]


@pytest.fixture
def travels(cells: Any) -> Any:
    """A sink that keeps all of these journeys."""
    cells.metrics = MetricSet([*builtin_metrics(), *FUNNELS.values(), *RETENTIONS, *OTHERS])
    return cells


def _events(count: int, seed: int, people: int = 25) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found = []
    for number in range(count):
        days = chance.choice([1, 3, 20])
        at = NOW - dt.timedelta(seconds=chance.randrange(days * 86_400), microseconds=chance.randrange(10**6))
        person = chance.randrange(people)
        found.append(
            {
                "id": number,
                "customer": f"customer {person % 12}",
                "person": f"person {person}",
                # Some on whole hours, so that moments are equal now and then.
                "occurred_at": at.replace(minute=0, second=0) if chance.random() < 0.2 else at,
                "event": chance.choice(["view", "view", "try", "buy"]),
                "object": chance.choice(["home", "home", "search", None]),
                "quantity": chance.choice([None, Decimal("0.5"), Decimal(3)]),
                "entity": chance.choice(["usage_event", "usage_event", "usage_event", "milestone"]),
            }
        )
    return found


def _merge(kit: Any, events: Sequence[Mapping[str, Any]], **more: Any) -> None:
    for entity in ("usage_event", "milestone"):
        own = [
            {key: value for key, value in one.items() if key != "entity"} for one in events if one["entity"] == entity
        ]
        if own:
            kit.merge(kit.deltas(kit.rows(own), entity=entity, **more))


def _is_step(event: Mapping[str, Any], step: int) -> bool:
    if step == 2:
        return bool(event["entity"] == "milestone")
    usage = event["entity"] == "usage_event"
    return usage and (event["event"], step) in {("view", 0), ("try", 1)} and (step == 0 or event["object"] == "home")


def _by_subject(journey: Journey, events: Sequence[Mapping[str, Any]]) -> Mapping[str, list[Mapping[str, Any]]]:
    found = defaultdict(list)
    for event in events:
        found[event[journey.subject]].append(event)
    return found


def _floor(at: dt.datetime, journey: Journey) -> dt.datetime:
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return start + (at - start) // journey.resolution.length * journey.resolution.length


def _furthest(
    journey: Journey, events: Sequence[Mapping[str, Any]], span: Any, as_of: dt.datetime
) -> list[dt.datetime]:
    """The moments of the way that counts, by trying every entry and every next event."""
    times = [sorted({_floor(e["occurred_at"], journey) for e in events if _is_step(e, n)}) for n in range(3)]
    ways = []
    for entry in times[0]:
        if not (span[0] <= entry < span[1]):
            continue
        way = [entry]
        for step in times[1:]:
            later = [at for at in step if (at > way[-1] if journey.strict else at >= way[-1])]
            if not later or later[0] - entry > journey.window:
                break
            way.append(later[0])
        ways.append(way)
    return max(ways, key=lambda way: (len(way), -way[0].timestamp()), default=[])


@pytest.mark.parametrize("name", FUNNELS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_funnel_is_what_trying_every_way_gives(travels: Any, name: str, seed: int) -> None:
    journey, events = FUNNELS[name], _events(700, seed)
    _merge(travels, events)
    for span in (EVER, (NOW - 5 * DAY, NOW - DAY)):
        # Spans are asked for by whole days.
        days = (span[0].replace(hour=0), span[1].replace(hour=0))
        funnel = read_funnel(travels.database, journey, days, EVER[1], None)
        ways = [_furthest(journey, own, days, EVER[1]) for own in _by_subject(journey, events).values()]
        ways = [way for way in ways if way]
        assert [step.count for step in funnel.steps] == [sum(len(way) > n for way in ways) for n in range(3)]
        for n in (1, 2):
            waits = [(way[n] - way[n - 1]).total_seconds() for way in ways if len(way) > n]
            assert funnel.steps[n].seconds_from_previous == (median(waits) if waits else None)
        assert funnel.conversion == pytest.approx(sum(len(way) == 3 for way in ways) / len(ways))
        assert funnel.open == 0


def test_batches_orders_repeats_and_what_is_taken_back_leave_the_same(travels: Any, empty_second: Any) -> None:
    empty_second.metrics = travels.metrics
    chance = random.Random(5)
    events = _events(500, 3)
    gone = [dict(one, id=1000 + number) for number, one in enumerate(_events(200, 4))]
    _merge(travels, events)
    parts: list[tuple[dict[str, Any], bool]] = [(one, False) for one in [*events, *gone]] + [
        (one, True) for one in gone
    ]
    chance.shuffle(parts)
    while parts:
        size = chance.randrange(1, 120)
        for back in (False, True):
            _merge(empty_second, [one for one, taken in parts[:size] if taken == back], taken_back=back)
        del parts[:size]
    rows = (
        "SELECT series, bucket, ref, value, encode(state, 'hex') AS state FROM track WHERE value > 0 ORDER BY 1, 2, 3"
    )
    assert travels.query(rows) == empty_second.query(rows)
    assert len(travels.query(rows)) > 500
    # Nothing that was taken back is left but empty sets.
    assert not empty_second.query("SELECT FROM track WHERE value = 0 AND state <> '\\x0165'")
    assert not empty_second.query("SELECT FROM track WHERE dirty")


def test_sets_too_large_for_memory_are_added_up_some_at_a_time(
    travels: Any, empty_second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_second.metrics = travels.metrics
    events = [dict(one, id=number) for number, one in enumerate(_events(400, 19))]
    _merge(empty_second, events)
    added: list[int] = []

    def spied(groups: Any, states: pa.Array, *more: Any) -> Any:
        added.append(states.nbytes)
        return merge_distinct(groups, states, *more)

    monkeypatch.setattr(merge, "_MOST_BYTES", 200)
    monkeypatch.setattr(merge, "merge_distinct", spied)
    for start in range(0, len(events), 100):
        _merge(travels, events[start : start + 100])
    tracks = "SELECT series, bucket, ref, value, encode(state, 'hex') AS state FROM track ORDER BY 1, 2, 3"
    assert travels.query(tracks) == empty_second.query(tracks)
    assert travels.everything() == empty_second.everything()
    # Four batches of two entities, each with cells, sums and tracks: at once they were 24.
    assert len(added) > 72


def test_what_is_taken_back_before_it_came_did_not_happen(travels: Any) -> None:
    journey = FUNNELS["customer_2d_second_strict"]
    rows = travels.rows([{"customer": "a", "occurred_at": NOW, "event": "view"}])
    for back in (True, False):
        travels.merge(travels.deltas(rows, taken_back=back))
        assert read_funnel(travels.database, journey, EVER, EVER[1], None).steps[0].count == 0
    travels.merge(travels.deltas(rows))
    assert read_funnel(travels.database, journey, EVER, EVER[1], None).steps[0].count == 1


def test_a_person_is_not_scored_as_a_customer(travels: Any) -> None:
    _merge(travels, _events(60, 1))
    touched = {row["ref"] for row in travels.query("SELECT ref FROM touched")}
    assert touched == {row["ref"] for row in travels.query("SELECT DISTINCT ref FROM cell")}
    assert touched < {row["ref"] for row in travels.query("SELECT DISTINCT ref FROM track")}


def test_events_without_a_person_are_of_no_person(travels: Any) -> None:
    rows = travels.rows([{"customer": "a", "occurred_at": NOW, "event": "view"}] * 3)
    place = rows.column_names.index("person")
    persons = pa.array([b"p" * 16, None, None], pa.binary(16))
    rows = rows.set_column(place, rows.schema.field(place), persons)
    travels.merge(travels.deltas(rows))
    counts = {
        name: read_funnel(travels.database, journey, EVER, EVER[1], None).steps[0].count
        for name, journey in FUNNELS.items()
    }
    assert set(counts.values()) == {1}
    [row] = travels.query(
        "SELECT state FROM track JOIN series USING (series) WHERE metric = %s",
        [FUNNELS["person_12h_hour_strict"].tracks[0].series],
    )
    # One event of one person: two had none.
    assert row["state"][-4:] == b"\0\0\0\1"


def test_whoever_has_time_left_is_open(travels: Any) -> None:
    journey = FUNNELS["customer_2d_second_strict"]
    travels.happens(
        {"customer": "waiting", "occurred_at": NOW - DAY, "event": "view"},
        {"customer": "gave up", "occurred_at": NOW - 3 * DAY, "event": "view"},
    )
    funnel = read_funnel(travels.database, journey, EVER, NOW, None)
    assert (funnel.steps[0].count, funnel.open, funnel.conversion) == (2, 1, 0.0)
    # At an earlier instant less had happened.
    assert read_funnel(travels.database, journey, EVER, NOW - 2 * DAY, None).steps[0].count == 1
    nobody = read_funnel(travels.database, journey, (NOW - 10 * DAY, NOW - 9 * DAY), NOW, None)
    assert (nobody.conversion, nobody.steps[2].of_first, nobody.steps[2].of_previous) == (None, None, None)


def _first_days(events: Sequence[Mapping[str, Any]], starts: Any) -> dt.date | None:
    return min((e["occurred_at"].date() for e in events if starts(e)), default=None)


def _retained(journey: Journey, events: Sequence[Mapping[str, Any]]) -> Mapping[dt.date, tuple[int, list[int]]]:
    """By period: who began, and who came back in each bracket."""
    length = journey.every.days
    sizes: dict[dt.date, int] = defaultdict(int)
    counts: dict[dt.date, list[int]] = defaultdict(lambda: [0] * 5)
    for own in _by_subject(journey, events).values():
        first = _first_days(own, lambda event: event["event"] == "view")
        if first is None:
            continue
        period = first - dt.timedelta(days=first.weekday() if length == 7 else 0)
        sizes[period] += 1
        days = [(e["occurred_at"].date() - first).days for e in own if e["event"] != "view"]
        for n in range(5):
            end = float("inf") if journey.unbounded else (n + 1) * length
            counts[period][n] += any(n * length <= day < end for day in days)
    return {period: (size, counts[period]) for period, size in sizes.items()}


@pytest.mark.parametrize("journey", RETENTIONS, ids=lambda one: one.name)
def test_retention_is_what_a_count_says(travels: Any, journey: Journey) -> None:
    events = [dict(one, entity="usage_event") for one in _events(90, 7)]
    _merge(travels, events)
    length = journey.every.days
    answer = read_retention(travels.database, journey, (TODAY - 20 * DAY, TODAY + DAY), NOW, None)
    expected = _retained(journey, events)
    assert len(expected) >= 3
    for cohort in answer.cohorts:
        period = cohort.begins.date()
        size, counts = expected.get(period, (0, [0] * 5))
        assert cohort.size == size
        youngest = min(period + (length - 1) * DAY, TODAY.date())
        for n, bracket in enumerate(cohort.brackets):
            assert (bracket is not None) == (period + n * length * DAY <= TODAY.date())
            if bracket is not None:
                assert bracket.count == counts[n], (period, n)
                assert bracket.complete == (youngest + (n + 1) * length * DAY <= TODAY.date())
    for n, overall in enumerate(answer.overall):
        whole = [one for cohort in answer.cohorts if (one := cohort.brackets[n]) is not None and one.complete]
        assert (overall.count if overall else 0) == sum(one.count for one in whole)


def _answers(travels: Any) -> list[Any]:
    """What all journeys come to, one after another."""
    database, metric = travels.database, travels.metrics.metrics["quantity"]
    span = (TODAY - 20 * DAY, TODAY + DAY)
    return [
        *(read_funnel(database, journey, EVER, NOW, None) for journey in FUNNELS.values()),
        *(read_retention(database, journey, span, NOW, None) for journey in RETENTIONS),
        read_cohorts(database, OTHERS[0], metric, span, NOW, None),
        read_adoption(database, OTHERS[1], span, NOW, None),
    ]


def test_more_moments_than_memory_should_hold_are_read_in_parts(travels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _merge(travels, _events(700, 17, people=120))
    whole = _answers(travels)
    monkeypatch.setattr(tracks, "MOST_AT_ONCE", 60)
    monkeypatch.setattr(cohorts, "_ASKED_AT_ONCE", 3)
    assert _answers(travels) == whole
    journey = FUNNELS["person_3h_second_loose"]
    asked = [Asked(track, None, NOW) for track in journey.tracks]
    with travels.database.snapshot() as conn:
        parts = list(read_tracks(conn, asked, None))
    assert len(parts) > 4
    assert all(sum(map(len, part.tracks)) <= 60 for part in parts)
    refs = [ref for part in parts for ref in part.refs.to_pylist()]
    assert len(set(refs)) == len(refs) > 60


def test_cells_from_before_anybody_began_are_not_looked_for(travels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    travels.happens({"customer": "a", "occurred_at": NOW - DAY, "event": "view"})
    asked: list[dict[str, Any]] = []
    execute = psycopg.Connection.execute

    def spied(conn: Any, statement: Any, parameters: Any = None, **more: Any) -> Any:
        asked.extend([parameters] if "cohorts" in (parameters or ()) else [])
        return execute(conn, statement, parameters, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", spied)
    read_cohorts(travels.database, OTHERS[0], travels.metrics.metrics["quantity"], EVER, NOW, None)
    assert [one["from"] for one in asked] == [TODAY - DAY]


def test_who_comes_to_nothing_is_not_counted_in_a_cohort(travels: Any) -> None:
    travels.happens(
        *(
            {"id": n, "customer": "a", "occurred_at": NOW - n * DAY, "event": "view", "quantity": Decimal(quantity)}
            for n, quantity in enumerate((5, -5))
        )
    )
    metric = travels.metrics.metrics["quantity"]
    answer = read_cohorts(travels.database, OTHERS[0], metric, (TODAY - 7 * DAY, TODAY + DAY), NOW, None)
    [began] = [cohort for cohort in answer.cohorts if cohort.size]
    [first, *_] = began.brackets
    assert first is not None
    assert (first.total, first.customers) == (Decimal(0), 0)


def test_a_late_first_day_moves_a_subject(travels: Any) -> None:
    journey = RETENTIONS[0]
    travels.happens(
        {"customer": "a", "occurred_at": TODAY - 2 * DAY, "event": "view"},
        {"customer": "a", "occurred_at": TODAY - DAY, "event": "buy"},
    )
    span = (TODAY - 5 * DAY, TODAY + DAY)
    sizes = [cohort.size for cohort in read_retention(travels.database, journey, span, NOW, None).cohorts]
    assert sizes == [0, 0, 0, 1, 0, 0]
    travels.happens({"customer": "a", "occurred_at": TODAY - 5 * DAY, "event": "view"})
    [first, *_] = read_retention(travels.database, journey, span, NOW, None).cohorts
    assert first.size == 1
    assert [one and one.count for one in first.brackets] == [0, 0, 0, 0, 1]


def test_a_cohort_is_measured_by_its_metric(travels: Any) -> None:
    journey = OTHERS[0]
    events = [dict(one, entity="usage_event") for one in _events(500, 11)]
    _merge(travels, events)
    metric = travels.metrics.metrics["quantity"]
    answer = read_cohorts(travels.database, journey, metric, (TODAY - 20 * DAY, TODAY + DAY), NOW, None)
    totals: dict[tuple[dt.date, int], Decimal] = defaultdict(Decimal)
    who: dict[tuple[dt.date, int], set[str]] = defaultdict(set)
    for subject, own in _by_subject(journey, events).items():
        first = _first_days(own, lambda event: event["event"] == "view")
        for event in own:
            if first and event["quantity"] and event["occurred_at"].date() >= first:
                key = (first - dt.timedelta(days=first.weekday()), (event["occurred_at"].date() - first).days // 7)
                totals[key] += event["quantity"]
                who[key].add(subject)
    seen = 0
    for cohort in answer.cohorts:
        for n, bracket in enumerate(cohort.brackets):
            if bracket is not None:
                assert (bracket.total, bracket.customers) == (
                    totals[cohort.begins.date(), n],
                    len(who[cohort.begins.date(), n]),
                )
                assert bracket.average == (pytest.approx(float(bracket.total) / cohort.size) if cohort.size else None)
                seen += bracket.customers
    assert seen > 12


def test_adoption_is_what_a_count_says(travels: Any) -> None:
    journey = OTHERS[1]
    events = [dict(one, entity="usage_event") for one in _events(120, 13)]
    _merge(travels, events)
    span = (TODAY - 20 * DAY, TODAY + DAY)
    answer = read_adoption(travels.database, journey, span, NOW, None)
    active: dict[dt.date, set[str]] = defaultdict(set)
    users: dict[dt.date, set[str]] = defaultdict(set)
    waits = []
    for subject, own in _by_subject(journey, events).items():
        for event in own:
            day = event["occurred_at"].date()
            (users if event["event"] == "try" else active)[day - dt.timedelta(days=day.weekday())].add(subject)
            active[day - dt.timedelta(days=day.weekday())].add(subject)
        first, used = _first_days(own, lambda _: True), _first_days(own, lambda event: event["event"] == "try")
        if first and used:
            waits.append((used - first).days)
    assert {period.begins.date(): (period.active, period.users) for period in answer.periods} == {
        period.begins.date(): (len(active[period.begins.date()]), len(users[period.begins.date()]))
        for period in answer.periods
    }
    assert (answer.adopted, answer.median_days) == (len(waits), median(waits))
    assert answer.began == len(_by_subject(journey, events))
    assert answer.by_week[0] == pytest.approx(sum(wait == 0 for wait in waits) / answer.began)


def test_a_segment_has_its_own_answers(travels: Any) -> None:
    travels.happens(
        {"customer": "big", "person": "ann", "occurred_at": NOW - DAY, "event": "view"},
        {"customer": "small", "person": "bob", "occurred_at": NOW - DAY, "event": "view"},
    )
    with travels.database.transaction() as conn:
        for entity, ref, customer in (("customer", "big", "big"), ("person", "ann", "big"), ("person", "bob", "small")):
            conn.execute(
                """
                INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash, content_hash,
                                    attributes)
                VALUES (%s, %s, %s, 'app', false, '', now(), gen_random_uuid(), gen_random_uuid(), '{"segment": "large"}')
                """,
                [entity, _uuid(ref), _uuid(customer)],
            )
    for name, journey in FUNNELS.items():
        counts = [
            read_funnel(travels.database, journey, EVER, EVER[1], segment).steps[0].count
            for segment in (None, "large", "none")
        ]
        assert counts == [2, 1, 0], name


def _uuid(name: str) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16])


BREAKDOWN = """
kind: funnel
name: tested
steps: [{name: seen, event: view}, {name: bought, event: buy}]
window: 1d
breakdown: {property: test.group, values: [a, b]}
"""


def test_a_breakdown_tells_two_groups_apart(cells: Any) -> None:
    journey = _declared(BREAKDOWN)
    cells.metrics = MetricSet([*builtin_metrics(), journey])
    at, events = NOW - DAY, []
    groups = ["a"] * 100 + ["b"] * 100 + ["c"] * 3
    for number, group in enumerate(groups):
        seen = {"customer": f"{number}", "occurred_at": at, "event": "view"}
        events.append({**seen, "properties": f'{{"test": {{"group": "{group}"}}}}'})
        if (group == "a" and number % 100 < 56) or (group == "b" and number % 100 < 74) or group == "c":
            events.append({"customer": f"{number}", "occurred_at": at + dt.timedelta(hours=1), "event": "buy"})
    # Seen in the other group later: it stays where it began, and is told.
    events.append(
        {"customer": "0", "occurred_at": at + DAY / 2, "event": "view", "properties": '{"test": {"group": "b"}}'}
    )
    cells.happens(*events)
    funnel = read_funnel(cells.database, journey, EVER, EVER[1], None)
    assert [(one.value, [step.count for step in one.steps]) for one in funnel.variants] == [
        ("a", [100, 56]),
        ("b", [100, 74]),
        (None, [3, 3]),
    ]
    assert funnel.crossed == 1
    first, second, rest = funnel.variants
    assert (first.difference, rest.difference) == (None, None)
    assert second.difference is not None
    # By the formula, worked out by hand: Wilson's limits are 0.4623, 0.6533 and 0.6464, 0.8159.
    assert second.difference.value == pytest.approx(0.18)
    assert second.difference.low == pytest.approx(0.18 - ((0.74 - 0.6464) ** 2 + (0.6533 - 0.56) ** 2) ** 0.5, abs=2e-4)
    assert second.difference.high == pytest.approx(
        0.18 + ((0.8159 - 0.74) ** 2 + (0.56 - 0.4623) ** 2) ** 0.5, abs=2e-4
    )
    assert second.difference.clear


def test_newcombes_own_example() -> None:
    # "Interval estimation for the difference between independent proportions", table II, (a): 56/70 and 48/80.
    found = difference(56, 70, 48, 80)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert difference(0, 0, 1, 2) is None


def test_a_damaged_state_is_told(travels: Any) -> None:
    journey = FUNNELS["customer_2d_second_strict"]
    travels.happens({"customer": "a", "occurred_at": NOW, "event": "view"})
    with travels.database.transaction() as conn:
        conn.execute("UPDATE track SET state = '\\x0173'")
    with pytest.raises(IntegrityError):
        read_funnel(travels.database, journey, EVER, EVER[1], None)


def test_records_received_before_its_activation_do_not_count(travels: Any) -> None:
    journey = FUNNELS["customer_2d_second_strict"]
    travels.metrics = MetricSet([journey.starting(NOW + DAY)])
    travels.happens({"customer": "a", "occurred_at": NOW, "event": "view"})
    travels.happens({"customer": "b", "occurred_at": NOW, "event": "view", "received_at": NOW + DAY})
    assert read_funnel(travels.database, journey, EVER, EVER[1], None).steps[0].count == 1


def test_states_have_their_bound() -> None:
    assert all(one.bucket // one.length <= MOST_MOMENTS for one in Resolution)
    assert all(one.bucket % one.length == dt.timedelta(0) for one in Resolution)
