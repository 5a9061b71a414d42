from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from mainstem.errors import IntegrityError
from mainstem.privacy import Sealer
from mainstem.privacy.sealing import new_keyset
from mainstem.processing.effects import EVENT_EFFECTS
from mainstem.processing.tables.timeline import LONGEST_PROPERTIES, TimelineRows, pack_timeline
from mainstem.processing.tables.timeline_body import MOST_BYTES, TimelineEvent, plain_lines, unpack_timeline

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEALER = Sealer(new_keyset())
REF = bytes([1]) * 16


def _packed(events: pa.Table, *, since: dt.datetime = START - dt.timedelta(days=1), keep: int = 1_000) -> TimelineRows:
    return pack_timeline(events, "app", "usage", since=since, keep=keep, sealer=SEALER)


def _with_properties(given: list[str | None]) -> pa.Table:
    """An event of one customer for each of the properties, a minute apart."""
    events = _events({1: len(given)}).sort_by("occurred_at")
    return events.set_column(events.column_names.index("properties"), "properties", pa.array(given, pa.string()))


def _told(body: bytes) -> list[TimelineEvent]:
    return unpack_timeline(body, REF, SEALER)


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
    told = {
        row["ref"][0]: [int(event.quantity or -1) for event in unpack_timeline(row["body"], row["ref"], SEALER)]
        for row in rows
    }
    assert [row["n"] for row in rows] == [len(one) for one in told.values()]
    assert all(row["last_at"] == START + dt.timedelta(minutes=told[row["ref"][0]][-1]) for row in rows)
    return told


def test_long_bodies_and_short_ones_tell_every_event_in_order() -> None:
    packed = _packed(_events({1: 500, 2: 1, 3: 40}))
    assert _quantities(packed) == {1: list(range(500)), 2: [0], 3: list(range(40))}
    sizes = {row["ref"][0]: len(row["body"]) for row in packed.rows.to_pylist()}
    assert sizes[1] < 500 * 10, "a long body is compressed"


def test_only_the_latest_and_newest_are_packed() -> None:
    events = _events({1: 500, 2: 10, 3: 200})
    since = START + dt.timedelta(minutes=9)
    packed = _packed(events, since=since, keep=300)
    assert _quantities(packed) == {1: list(range(200, 500)), 3: list(range(10, 200))}
    nothing = _packed(events, since=START + dt.timedelta(days=1), keep=300)
    assert (nothing.rows.num_rows, nothing.days) == (0, frozenset())


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 1), (0, 2, 0), (2, 2), (1, 0, 3, 0, 2, 1, 3)])
@pytest.mark.parametrize("cut", [1, 7, 64, 1_000_000])
def test_bodies_put_after_each_other_are_one_wherever_it_is_cut(order: tuple[int, ...], cut: int) -> None:
    said = json.dumps({"said": "(µ/ ý" * 300})
    tables = (_events({1: 2}), _events({1: 300}), _with_properties(["{}"]), _with_properties([said] * 3))
    bodies = [row for table in tables for row in _packed(table).rows["body"].to_pylist()]
    body = b"".join(bodies[number] for number in order)
    expected = [line for number in order for line in plain_lines([bodies[number]], REF, SEALER)]
    slices = (body[start : start + cut] for start in range(0, len(body), cut))
    assert list(plain_lines(slices, REF, SEALER)) == expected
    assert _told(body) == [event for number in order for event in _told(bodies[number])]
    assert _told(b"") == []


def test_properties_are_sealed_for_their_customer() -> None:
    [body] = _packed(_with_properties([None, '{"name":"Ann Lovelace"}'])).rows["body"].to_pylist()
    assert b"Lovelace" not in body
    assert [event.properties for event in _told(body)] == [None, b'{"name":"Ann Lovelace"}']
    with pytest.raises(IntegrityError):
        unpack_timeline(body, bytes(16), SEALER)


def test_a_busy_customer_has_several_rows_of_bounded_size() -> None:
    said = [json.dumps({"said": f"{number:06d}{'x' * 2_000}"}) for number in range(1_000)]
    packed = _packed(_with_properties([*said]))
    rows = packed.rows.to_pylist()
    assert len(rows) == 8
    assert all(len(b"".join(plain_lines([row["body"]], REF, SEALER))) <= MOST_BYTES + 2_100 for row in rows)
    told = [event for row in rows for event in _told(row["body"])]
    assert [event.properties for event in told] == [one.encode() for one in said]
    assert [(row["n"], row["last_at"]) for row in rows] == [
        (len(_told(row["body"])), _told(row["body"])[-1].at) for row in rows
    ]


@pytest.mark.parametrize("damage", [slice(None, -1), slice(1, None), slice(None, 3)])
@pytest.mark.parametrize("table", [_events({1: 300}), _with_properties(["{}"]), _events({1: 1})])
def test_a_damaged_row_is_told_as_such(table: pa.Table, damage: slice) -> None:
    [body] = _packed(table).rows["body"].to_pylist()
    with pytest.raises(IntegrityError):
        _told(body[damage])


def test_an_event_keeps_its_properties_up_to_a_bound() -> None:
    most = json.dumps({"a": "ü" * ((LONGEST_PROPERTIES - 8) // 2)}, ensure_ascii=False, separators=(",", ":"))
    assert len(most.encode()) == LONGEST_PROPERTIES
    given = ['{"plan":{"name":"team\\nx"},\n "n":1.50}', most, most.replace(":", ": "), None, "{}"]
    [body] = _packed(_with_properties(given)).rows["body"].to_pylist()
    told = _told(body)
    assert [(event.properties and json.loads(event.properties), event.left_out) for event in told] == [
        ({"plan": {"name": "team\nx"}, "n": 1.5}, False),
        (json.loads(most), False),
        (None, True),
        (None, False),
        ({}, False),
    ]


def test_events_that_were_kept_without_properties_are_still_told() -> None:
    [event] = _told(b'[1767225600000000,"open",null,2.5,null]\n')
    assert (event.event, event.quantity, event.properties, event.left_out) == ("open", "2.5", None, False)
