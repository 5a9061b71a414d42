"""Events in cells: whatever the batches, the cells are those of all events together."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import random
import threading
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mainstem.errors import UnavailableError
from mainstem.metrics import (
    CellDeltas,
    MetricSet,
    builtin_metrics,
    dirty_cells,
    merge_cells,
    prepare_cells,
    read_metric,
    series_id,
    value_as_known,
)
from mainstem.metrics.state import decode_ordered
from mainstem.model import Lane, Span

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
SPAN = Span(1, 0, Lane.LIVE, 1, 7)


def _events(count: int, seed: int = 1) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {
            "id": number,
            "customer": f"customer {chance.randrange(6)}",
            "person": f"person {chance.randrange(20)}",
            "occurred_at": NOW - dt.timedelta(seconds=chance.randrange(20 * 86_400)),
            "event": chance.choice(["click", "view"]),
            "object": chance.choice([None, "home", "search", "näive ☃"]),
            "quantity": chance.choice([None, Decimal("0.1"), Decimal("-7.000000001"), Decimal(10**15), Decimal(3)]),
            "properties": chance.choice([None, '{"ok": "yes"}', '{"ok": "no"}']),
        }
        for number in range(count)
    ]


def test_cells_are_what_a_plain_count_says(cells: Any) -> None:
    events = _events(400)
    cells.happens(*events)
    hours: dict[Any, int] = defaultdict(int)
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    people = defaultdict(set)
    clicks: dict[Any, Decimal] = defaultdict(Decimal)
    for event in events:
        key = cells.rows([event])["customer"][0].as_py()
        at = event["occurred_at"]
        hours[key, at.replace(minute=0, second=0)] += 1
        day = at.replace(hour=0, minute=0, second=0)
        people[key, day].add(event["person"])
        if event["quantity"] is not None:
            sums[key, day] += event["quantity"]
            if event["event"] == "click" and event["properties"] == '{"ok": "yes"}':
                clicks[key, day] += event["quantity"]
    assert cells.cells("events") == hours
    assert cells.cells("quantity") == sums
    assert cells.cells("active_people") == {key: len(names) for key, names in people.items()}
    assert cells.cells("clicks") == clicks
    [total] = cells.query("SELECT sum(value) AS n FROM rollup JOIN series USING (series) WHERE metric = 'events'")
    # Kept by the hour and by the day.
    assert total["n"] == 2 * len(events)


def test_batches_do_not_matter(cells: Any, empty_second: Any) -> None:
    events = _events(300, seed=2)
    cells.happens(*events)
    chance = random.Random(3)
    chance.shuffle(events)
    while events:
        size = chance.randrange(1, 90)
        empty_second.happens(*events[:size])
        events = events[size:]
    assert empty_second.everything() == cells.everything()


def test_what_is_taken_back_is_gone(cells: Any, empty_second: Any) -> None:
    events = _events(200, seed=4)
    cells.happens(*events)
    gone, kept = events[:80], events[80:]
    cells.merge(cells.deltas(cells.rows(gone), taken_back=True), known_at=NOW + HOUR, cause="decision")
    empty_second.happens(*kept)
    for metric in ("events", "quantity", "active_people", "objects", "kinds"):
        left = {key: value for key, value in cells.cells(metric).items() if value}
        assert left == {key: value for key, value in empty_second.cells(metric).items() if value}
    marked = {cell.series for cell in dirty_cells(cells.database, 10_000)}
    # A minimum cannot give back; and where the newest event is gone, which one is newest now is not known.
    assert {series_id(name, "app", "usage") for name in ("least", "most", "opening", "closing")} <= marked


def test_the_least_the_most_the_first_and_the_last(cells: Any) -> None:
    at = NOW - 3 * DAY
    quantities = ["5", "-2", "9.5", "1"]
    for number, (quantity, page) in enumerate(zip(quantities, "cbda", strict=True)):
        cells.happens(
            {
                "id": number,
                "customer": "a",
                "occurred_at": at + number * HOUR,
                "quantity": Decimal(quantity),
                "object": page,
            },
            known_at=NOW + number * HOUR,
        )
    found = {
        row["metric"]: (row["value"], decode_ordered(row["state"]).value)
        for row in cells.query(
            "SELECT metric, value, state FROM cell JOIN series USING (series) WHERE measure IN ('min', 'max', 'first', 'last')"
        )
    }
    assert found["least"] == (Decimal(-2), Decimal(-2))
    assert found["most"] == (Decimal("9.5"), Decimal("9.5"))
    assert found["closing"] == (Decimal(1), Decimal(1))
    assert found["opening"] == (Decimal(0), "c")
    corrections = cells.query(
        "SELECT old_value, new_value FROM correction JOIN series USING (series) WHERE metric = 'least' ORDER BY id"
    )
    assert corrections == [{"old_value": Decimal(5), "new_value": Decimal(-2)}]


def test_a_closed_cell_that_changes_is_corrected_and_what_was_known_can_be_asked(cells: Any) -> None:
    at = NOW - 40 * DAY
    bucket = at.replace(minute=0)
    series = series_id("events", "app", "usage")
    cells.happens({"id": 1, "customer": "a", "occurred_at": at}, known_at=NOW - 39 * DAY, data_now=at + HOUR / 2)
    cells.happens({"id": 2, "customer": "a", "occurred_at": at}, known_at=NOW - 39 * DAY + HOUR, data_now=at + HOUR)
    assert cells.query("SELECT count(*) AS n FROM correction") == [{"n": 0}]
    cells.happens(
        {"id": 3, "customer": "a", "occurred_at": at}, {"id": 4, "customer": "b", "occurred_at": at}, known_at=NOW
    )
    cells.happens({"id": 5, "customer": "a", "occurred_at": at}, known_at=NOW + DAY)
    a, b = (cells.rows([{"customer": name, "occurred_at": at}])["customer"][0].as_py() for name in "ab")

    def known(ref: bytes, when: dt.datetime) -> Decimal | None:
        with cells.database.snapshot() as conn:
            return value_as_known(conn, ref, series, [bucket], when).get(bucket)

    assert known(a, NOW + 2 * DAY) == 4
    assert known(a, NOW + HOUR) == 3
    assert known(a, NOW - HOUR) == 2
    assert known(a, NOW - 50 * DAY) is None
    # A cell that nobody knew of is no correction, and was not known before.
    assert known(b, NOW + HOUR) == 1
    assert known(b, NOW - HOUR) is None
    rows = cells.query(
        """
        SELECT old_value, new_value, cause, place, known_at FROM correction JOIN series USING (series)
        WHERE metric = 'events' ORDER BY known_at
        """
    )
    assert rows == [
        {"old_value": 2, "new_value": 3, "cause": "late", "place": "1-p0-live-1-0", "known_at": NOW},
        {"old_value": 3, "new_value": 4, "cause": "late", "place": "1-p0-live-1-0", "known_at": NOW + DAY},
    ]
    sets = cells.query("SELECT count(*) AS n FROM correction JOIN series USING (series) WHERE metric = 'active_people'")
    # The same person again changes no number of persons.
    assert sets == [{"n": 0}]


def test_a_rebuild_makes_no_corrections(cells: Any) -> None:
    event = {"customer": "a", "occurred_at": NOW - 40 * DAY}
    cells.happens({"id": 1, **event}, cause=None)
    cells.happens({"id": 2, **event}, known_at=NOW + HOUR, cause=None)
    assert cells.query("SELECT count(*) AS n FROM correction") == [{"n": 0}]
    assert list(cells.cells("events").values()) == [2]


def test_two_contracts_of_one_stream_in_one_batch(cells: Any) -> None:
    first, second = (cells.deltas(cells.rows(_events(50, seed))) for seed in (5, 6))
    other = cells.metrics.deltas(cells.rows(_events(10, 7)), "crm", "usage", "usage_event")
    joined = CellDeltas.joined([first, second, other])
    cells.merge(joined)
    assert sum(cells.cells("events").values()) == 110


def test_touched_customers_remember_the_earliest_change(cells: Any) -> None:
    cells.happens({"customer": "a", "occurred_at": NOW - DAY}, {"customer": "a", "occurred_at": NOW})
    cells.happens(
        {"id": 9, "customer": "a", "occurred_at": NOW - 2 * HOUR}, {"id": 8, "customer": "b", "occurred_at": NOW}
    )
    touched = cells.query("SELECT since FROM touched ORDER BY since")
    assert [row["since"] for row in touched] == [NOW - DAY, NOW]


def test_many_values_become_a_sketch(cells: Any) -> None:
    at = NOW - 2 * DAY
    for batch in range(3):
        cells.happens(
            *(
                {"id": (batch, n), "customer": "a", "object": f"page {batch * 600 + n}", "occurred_at": at}
                for n in range(600)
            ),
            known_at=NOW + batch * HOUR,
        )
    [count] = cells.cells("objects").values()
    assert abs(count - 1800) < 90
    assert cells.query(
        "SELECT substr(state, 1, 2) AS kind FROM cell JOIN series USING (series) WHERE metric = 'objects'"
    ) == [{"kind": b"\x01s"}]


@pytest.mark.parametrize(("names", "refusals"), [(["events", "active_people"], 0), (["active_people"], 1)])
def test_two_writers_of_one_new_cell_lose_nothing(cells: Any, names: list[str], refusals: int) -> None:
    metrics = MetricSet(metric for metric in builtin_metrics() if metric.name in names)
    rows = [cells.rows([{"id": n, "customer": "a", "person": n, "occurred_at": NOW}]) for n in (1, 2)]
    deltas = [metrics.deltas(one, "app", "usage", "usage_event") for one in rows]
    for one in deltas:
        prepare_cells(cells.database, one, NOW)
    refused: list[Exception] = []

    def second() -> None:
        while True:
            try:
                with cells.database.transaction() as other:
                    merge_cells(other, deltas[1], known_at=NOW, data_now=NOW, span=SPAN, cause="late")
            except UnavailableError as error:
                refused.append(error)
            else:
                return

    with cells.database.transaction() as conn:
        merge_cells(conn, deltas[0], known_at=NOW, data_now=NOW, span=SPAN, cause="late")
        thread = threading.Thread(target=second)
        thread.start()
        # The other now waits for the first row of ours that it would make too.
        thread.join(0.3)
    thread.join()
    assert len(refused) == refusals
    assert list(cells.cells("active_people").values()) == [2]
    assert list(cells.cells("events").values()) == [2] * names.count("events")


@pytest.mark.parametrize(
    "at", [dt.datetime(1969, 12, 31, 23, 30, tzinfo=dt.UTC), dt.datetime(2150, 5, 4, 3, tzinfo=dt.UTC)]
)
def test_times_far_away_find_their_bucket(cells: Any, at: dt.datetime) -> None:
    cells.happens({"customer": "a", "occurred_at": at})
    assert [bucket for _, bucket in cells.cells("events")] == [at.replace(minute=0)]
    assert [bucket for _, bucket in cells.cells("quantity")] == [at.replace(hour=0, minute=0)]


def test_rows_received_before_a_metric_was_heard_of_do_not_count(cells: Any) -> None:
    [events] = [metric for metric in builtin_metrics() if metric.name == "events"]
    rows = cells.rows([{"customer": "a", "occurred_at": NOW}])
    for since, count in ((NOW, 1), (NOW + dt.timedelta(microseconds=1), 0)):
        late = MetricSet([dataclasses.replace(events, since=since)])
        assert late.deltas(rows, "app", "usage", "usage_event").cells.num_rows == count


def test_values_are_hashed_by_their_text(cells: Any) -> None:
    """What a set holds is read by later releases too."""
    amounts = read_metric("name: amounts\nentity: usage_event\nbucket: day\nmeasure: distinct\nvalue: quantity")
    pages = read_metric("name: pages\nentity: usage_event\nbucket: day\nmeasure: distinct\nvalue: object")
    cells.metrics = MetricSet([amounts, pages])
    rows = cells.rows([{"customer": "a", "occurred_at": NOW, "quantity": Decimal("-0.5"), "object": "näive ☃"}])
    states = cells.deltas(rows).cells["state"].to_pylist()
    hashes = [hashlib.sha256(text.encode()).digest()[:8] for text in ("-0.500000000", "näive ☃")]
    assert states == [b"\x01e" + digest + b"\0\0\0\1" for digest in hashes]


@pytest.mark.parametrize("taken_back", [False, True])
def test_events_that_carry_nothing_are_still_counted(cells: Any, taken_back: bool) -> None:  # noqa: FBT001
    bare = {"customer": "a", "occurred_at": NOW, "quantity": None, "object": None}
    rows = cells.rows([bare, bare])
    rows = rows.set_column(rows.column_names.index("person"), "person", pa.nulls(2, pa.binary(16)))
    deltas = cells.deltas(rows, taken_back=taken_back)
    found = {series_id(name, "app", "usage"): name for name in cells.metrics.metrics}
    values = {found[row["series"]]: row["value"] for row in deltas.cells.to_pylist()}
    assert values["events"] == (-2 if taken_back else 2)
    # `kinds` counts different events; everything else measures what is not there.
    assert values.keys() == {"events", "kinds"}


@pytest.mark.parametrize("measure", ["count", "max\nvalue: quantity", "distinct\nvalue: event"])
@pytest.mark.parametrize("customers", ["bb", "ba"])
def test_two_writers_for_one_of_whom_a_bucket_is_closed_lock_in_one_order(
    cells: Any, measure: str, customers: str
) -> None:
    cells.metrics = MetricSet([read_metric(f"name: some\nentity: usage_event\nbucket: hour\nmeasure: {measure}")])
    closed, still_open = NOW - 3 * HOUR, NOW
    # Cells are locked by customer first: b, whose reference is the lesser one, then a.
    hours = (closed, still_open) if customers == "bb" else (still_open, closed)
    rows = cells.rows([{"customer": who, "occurred_at": at} for who, at in zip(customers, hours, strict=True)])
    deltas = cells.deltas(rows)
    cells.merge(deltas)

    def merge(data_now: dt.datetime) -> None:
        with cells.database.transaction() as conn:
            merge_cells(conn, deltas, known_at=NOW + HOUR, data_now=data_now, span=SPAN, cause="late")

    waiting = "SELECT count(DISTINCT pid) AS n FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor(2) as pool:
        with cells.database.transaction() as conn:
            conn.execute("SELECT FROM cell WHERE bucket = %s FOR UPDATE", [hours[1]])
            merges: list[Future[None]] = []
            # For the first the older bucket is closed, for the second it is not yet.
            for data_now in (NOW, NOW - 2 * HOUR):
                merges.append(pool.submit(merge, data_now))
                while cells.query(waiting) != [{"n": len(merges)}]:
                    assert not any(one.done() for one in merges)
        for one in merges:
            one.result()
    assert len(cells.cells("some")) == 2
