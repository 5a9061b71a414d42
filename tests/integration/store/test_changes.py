from __future__ import annotations

import datetime as dt
import decimal
import threading

import pytest

from mainstem.store import (
    CHANGE_CHANNEL,
    Database,
    append_changes,
    change_floors,
    change_heads,
    prune_changes,
    read_changes,
)

AT = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)


def append(database: Database, channel: int, *numbers: int, at: dt.datetime = AT) -> int | None:
    with database.transaction() as connection:
        return append_changes(connection, channel, "metric", [{"n": n} for n in numbers], at)


def test_changes_come_back_in_order_with_their_sequences(database: Database) -> None:
    assert append(database, 3, 10, 11) == 2
    assert append(database, 3, 12) == 3
    changes = read_changes(database, {}, 10)
    assert [(c.channel, c.sequence, c.at, c.kind, c.body) for c in changes] == [
        (3, 1, AT, "metric", {"n": 10}),
        (3, 2, AT, "metric", {"n": 11}),
        (3, 3, AT, "metric", {"n": 12}),
    ]
    assert change_heads(database) == {3: 3}
    assert change_floors(database) == {3: 0}


def test_reading_goes_on_behind_the_given_sequences(database: Database) -> None:
    append(database, 0, 1, 2, 3)
    append(database, 17, 4)
    assert {(c.channel, c.sequence) for c in read_changes(database, {0: 2}, 10)} == {(0, 3), (17, 1)}
    assert read_changes(database, {0: 3, 17: 1}, 10) == []
    assert read_changes(database, change_heads(database), 10) == []


def test_a_busy_channel_does_not_starve_the_others(database: Database) -> None:
    append(database, 0, *range(100))
    append(database, 1, 7)
    after: dict[int, int] = {}
    first = read_changes(database, after, 4)
    assert {c.channel for c in first} == {0, 1}
    seen = []
    while changes := read_changes(database, after, 4):
        for change in changes:
            assert change.sequence == after.get(change.channel, 0) + 1
            after[change.channel] = change.sequence
            seen.append(change.body["n"])
    assert sorted(seen) == sorted([*range(100), 7])


def test_nothing_appended_is_nothing(database: Database) -> None:
    assert append(database, 0) is None
    assert change_heads(database) == {}
    assert read_changes(database, {}, 10) == []


def test_bodies_are_any_json(database: Database) -> None:
    body = {
        "name": "żółć 🦔 \"'\\ {,}",
        "none": None,
        "deep": {"list": [1, True, {}]},
        "price": decimal.Decimal("1.10"),
    }
    with database.transaction() as connection:
        append_changes(connection, 0, "score", [body], AT)
    [change] = read_changes(database, {}, 1)
    assert change.body == {**body, "price": 1.1}


def test_a_writer_rolled_back_leaves_no_gap(database: Database) -> None:
    append(database, 0, 1)
    with pytest.raises(RuntimeError), database.transaction() as connection:  # noqa: PT012
        append_changes(connection, 0, "metric", [{"n": 2}], AT)
        raise RuntimeError
    assert append(database, 0, 3) == 2
    assert [c.body["n"] for c in read_changes(database, {}, 10)] == [1, 3]


def test_a_later_sequence_is_not_seen_before_an_earlier_one(database: Database) -> None:
    other = threading.Thread(target=append, args=(database, 0, 2))
    with database.transaction() as connection:
        append_changes(connection, 0, "metric", [{"n": 1}], AT)
        other.start()
        other.join(0.1)
        assert read_changes(database, {}, 10) == []
    other.join(60)
    assert [c.body["n"] for c in read_changes(database, {}, 10)] == [1, 2]


def test_readers_are_notified_at_the_commit(database: Database) -> None:
    assert database.listen(CHANGE_CHANNEL, 60)
    append(database, 0, 1)
    assert database.listen(CHANGE_CHANNEL, 60)


def test_pruning_forgets_the_old_and_raises_the_floor(database: Database) -> None:
    append(database, 0, 1, 2)
    append(database, 0, 3, at=AT + dt.timedelta(hours=2))
    append(database, 1, 4)
    append(database, 2, 5, at=AT + dt.timedelta(hours=2))
    assert prune_changes(database, AT + dt.timedelta(hours=1)) == 3
    assert change_floors(database) == {0: 2, 1: 1, 2: 0}
    assert change_heads(database) == {0: 3, 1: 1, 2: 1}
    assert [(c.channel, c.body["n"]) for c in read_changes(database, {}, 10)] == [(0, 3), (2, 5)]
    assert prune_changes(database, AT + dt.timedelta(hours=1)) == 0
    assert change_floors(database) == {0: 2, 1: 1, 2: 0}


def test_pruning_leaves_no_hole_when_the_clock_stepped_back(database: Database) -> None:
    append(database, 0, 1, at=AT + dt.timedelta(hours=2))
    append(database, 0, 2, at=AT)
    assert prune_changes(database, AT + dt.timedelta(hours=1)) == 0
    assert [c.body["n"] for c in read_changes(database, {}, 10)] == [1, 2]
