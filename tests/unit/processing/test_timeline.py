from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from mainstem.processing.effects import EVENT_EFFECTS
from mainstem.processing.tables.timeline import LONGEST_PROPERTIES, TimelineRows, pack_timeline, unpack_timeline

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def _events(counts: dict[int, int], *, event: str = "open ünd (µ)") -> pa.Table:
    """So many events of each customer, a minute apart, all customers through each other."""
    rows = [
        {
            "position": 1,
            "index": n,
            "received_at": START,
            "slot": 1,
            "occurred_at": START + dt.timedelta(minutes=n),
            "customer": bytes([customer]) * 16,
            "event": event,
            "quantity": Decimal(n),
        }
        for customer, count in counts.items()
        for n in range(count)
    ]
    rows.sort(key=lambda row: (str(row["occurred_at"])[::-1], row["customer"]))
    return pa.Table.from_pylist(rows, EVENT_EFFECTS)


def _quantities(packed: TimelineRows) -> dict[int, list[int]]:
    rows = packed.rows.to_pylist()
    told = {row["ref"][0]: [int(event.quantity or -1) for event in unpack_timeline(row["body"])] for row in rows}
    assert [row["n"] for row in rows] == [len(one) for one in told.values()]
    assert all(row["last_at"] == START + dt.timedelta(minutes=told[row["ref"][0]][-1]) for row in rows)
    return told


def test_long_bodies_and_short_ones_tell_every_event_in_order() -> None:
    packed = pack_timeline(
        _events({1: 500, 2: 1, 3: 40}), "app", "usage", since=START - dt.timedelta(days=1), keep=1_000
    )
    assert _quantities(packed) == {1: list(range(500)), 2: [0], 3: list(range(40))}
    sizes = {row["ref"][0]: len(row["body"]) for row in packed.rows.to_pylist()}
    assert sizes[1] < 500 * 10, "a long body is compressed"


def test_only_the_latest_and_newest_are_packed() -> None:
    events = _events({1: 500, 2: 10, 3: 200})
    since = START + dt.timedelta(minutes=9)
    packed = pack_timeline(events, "app", "usage", since=since, keep=300)
    assert _quantities(packed) == {1: list(range(200, 500)), 3: list(range(10, 200))}
    nothing = pack_timeline(events, "app", "usage", since=START + dt.timedelta(days=1), keep=300)
    assert (nothing.rows.num_rows, nothing.days) == (0, frozenset())


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0), (1, 1), (1, 0, 1, 0, 0, 1)])
def test_bodies_put_after_each_other_are_one(order: tuple[int, ...]) -> None:
    since = START - dt.timedelta(days=1)
    [long] = pack_timeline(_events({1: 300}), "app", "usage", since=since, keep=1_000).rows["body"].to_pylist()
    [short] = pack_timeline(_events({1: 2}), "app", "usage", since=since, keep=1_000).rows["body"].to_pylist()
    bodies = (short, long)
    expected = [event for number in order for event in unpack_timeline(bodies[number])]
    assert unpack_timeline(b"".join(bodies[number] for number in order)) == expected
    assert unpack_timeline(b"") == []


def test_an_event_keeps_its_properties_up_to_a_bound() -> None:
    most = json.dumps({"a": "ü" * ((LONGEST_PROPERTIES - 8) // 2)}, ensure_ascii=False, separators=(",", ":"))
    assert len(most.encode()) == LONGEST_PROPERTIES
    given = ['{"plan":{"name":"team\\nx"},\n "n":1.50}', most, most.replace(":", ": "), None, "{}"]
    events = _events({1: len(given)}).sort_by("occurred_at")
    place = events.column_names.index("properties")
    events = events.set_column(place, "properties", pa.array(given, pa.string()))
    [body] = pack_timeline(events, "app", "usage", since=START - dt.timedelta(days=1), keep=10).rows["body"].to_pylist()
    told = unpack_timeline(body)
    assert [(event.properties and json.loads(event.properties), event.left_out) for event in told] == [
        ({"plan": {"name": "team\nx"}, "n": 1.5}, False),
        (json.loads(most), False),
        (None, True),
        (None, False),
        ({}, False),
    ]


def test_events_that_were_kept_without_properties_are_still_told() -> None:
    [event] = unpack_timeline(b'[1767225600000000,"open",null,2.5,null]\n')
    assert (event.event, event.quantity, event.properties, event.left_out) == ("open", "2.5", None, False)
