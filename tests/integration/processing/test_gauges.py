"""Metrics over states: what they come to is what the states say, whatever order the versions came in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.processing.conftest import NOW, Plant

from mainstem.contracts import Contract, read_contract
from mainstem.errors import RetryableError
from mainstem.metrics import MetricSet, TrendRequest, read_declared, read_gauge_trend
from mainstem.model import Lane
from mainstem.processing import start_gauges
from mainstem.processing.tables.entities import Entities
from mainstem.store import Connection

FOLDER = Path(__file__).parents[2] / "data" / "entities"
OPEN = "name: open_tickets\nentity: ticket\nmeasure: count\nwhere: status IN ('new', 'open', 'pending', 'hold')\n"
REPLIES = "name: replies\nentity: ticket\nmeasure: sum\nvalue: replies\nwhere: priority LIKE 'h%' OR replies % 2 = 1\n"
DAY = dt.timedelta(days=1)


class InForce:
    """Metrics that a test puts in force."""

    def __init__(self, *texts: str) -> None:
        self.set = MetricSet([read_declared(text) for text in texts])

    def current(self) -> MetricSet:
        return self.set

    def prove(self, conn: Connection, used: MetricSet) -> None:
        """Nothing comes between."""


@pytest.fixture
def tickets(plant: Plant) -> Contract:
    path = FOLDER / "ticket.yaml"
    return plant.contracts.add(dataclasses.replace(read_contract(path.read_text(), path.name), version=1))


def _deliver(plant: Plant, contract: Contract, rows: Sequence[Mapping[str, Any]], lane: Lane = Lane.LIVE) -> None:
    """Records of tickets; `at` and `op` are of the envelope, the rest of the payload."""
    payloads = [{key: value for key, value in row.items() if key not in {"at", "op"}} for row in rows]
    keys = [str(row["id"]) for row in rows]
    slots = [plant.keyring.references.slot(contract.source, contract.stream, key) for key in keys]
    records = plant.records(
        contract,
        payloads,
        key=keys,
        partition_key=keys,
        slot=slots,
        op=[row.get("op", "upsert") for row in rows],
        observed_at=[row["at"] for row in rows],
    )
    plant.deliver(records, lane)


def _ticket(number: int, at: dt.datetime, version: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "organization_id": "acme", "status": "open", "generated_timestamp": version, "at": at,
        "metric_set": {"replies": 1}, **more,
    }  # fmt: skip


def _days(
    plant: Plant, name: str, customer: str | None = "acme", days: int = 7, known_at: dt.datetime | None = None
) -> list[int | None]:
    """The gauge at the end of each of the last days."""
    gauge = plant.metrics.current().gauges[name]
    ref = None if customer is None else plant.keyring.references.ref("zendesk", "customer", customer)
    trend = read_gauge_trend(plant.database, gauge, TrendRequest("7d", NOW, ref=ref, known_at=known_at))
    assert trend.total == trend.points[-1].value
    return [None if point.value is None else int(point.value) for point in trend.points][-days:]


def test_a_gauge_goes_with_the_versions(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN, REPLIES)
    _deliver(plant, tickets, [_ticket(1, NOW - 4 * DAY), _ticket(2, NOW - 4 * DAY, metric_set={"replies": 3})])
    plant.run()
    assert (_days(plant, "open_tickets"), _days(plant, "replies")) == ([0, 0, 2, 2, 2, 2, 2], [0, 0, 4, 4, 4, 4, 4])
    _deliver(plant, tickets, [_ticket(1, NOW - 2 * DAY, 2, status="solved", metric_set={"replies": 2})])
    plant.run()
    assert (_days(plant, "open_tickets"), _days(plant, "replies")) == ([0, 0, 2, 2, 1, 1, 1], [0, 0, 4, 4, 3, 3, 3])
    assert _days(plant, "open_tickets", None) == [0, 0, 2, 2, 1, 1, 1]


def test_an_older_version_that_comes_late_puts_the_past_right(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    _deliver(plant, tickets, [_ticket(1, NOW - 1 * DAY, 3, status="closed")])
    plant.run()
    assert _days(plant, "open_tickets") == [0] * 7
    _deliver(plant, tickets, [_ticket(1, NOW - 4 * DAY, 1)], Lane.BULK)
    plant.run()
    assert _days(plant, "open_tickets") == [0, 0, 1, 1, 1, 0, 0]
    # Older at its source than the closing, and seen after it: it never was in force.
    _deliver(plant, tickets, [_ticket(1, NOW, 2, status="pending")])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 0, 1, 1, 1, 0, 0]


def test_a_newer_version_that_was_seen_earlier_moves_the_whole_past(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    for number, (days, status) in enumerate(((4, "open"), (3, "closed"), (2, "open")), 1):
        _deliver(plant, tickets, [_ticket(1, NOW - days * DAY, number, status=status)])
        plant.run()
    assert _days(plant, "open_tickets") == [0, 0, 1, 0, 1, 1, 1]
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY, 9, status="hold")])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 1, 1, 1, 1, 1]


def test_what_is_deleted_counts_no_more_until_it_is_there_again(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    gone = {"id": 1, "status": "deleted", "generated_timestamp": 2, "at": NOW - 3 * DAY, "op": "delete"}
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY)])
    plant.run()
    _deliver(plant, tickets, [gone])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 1, 0, 0, 0, 0]
    _deliver(plant, tickets, [_ticket(1, NOW - 1 * DAY, 3)])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 1, 0, 0, 1, 1]


def test_what_moves_to_another_customer_counts_there(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    _deliver(plant, tickets, [_ticket(1, NOW - 3 * DAY)])
    plant.run()
    _deliver(plant, tickets, [_ticket(1, NOW - 1 * DAY, 2, organization_id="globex")])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 0, 0, 1, 1, 0, 0]
    assert _days(plant, "open_tickets", "globex") == [0, 0, 0, 0, 0, 1, 1]
    assert _days(plant, "open_tickets", None) == [0, 0, 0, 1, 1, 1, 1]


def test_a_gauge_that_is_declared_late_knows_what_was_there(plant: Plant, tickets: Contract) -> None:
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY), _ticket(2, NOW - 4 * DAY), _ticket(3, NOW - 4 * DAY)])
    plant.run()
    patch = {"id": 3, "organization_id": "acme", "status": "solved", "generated_timestamp": 2, "at": NOW - 2 * DAY, "op": "patch"}  # fmt: skip
    _deliver(plant, tickets, [_ticket(2, NOW - 3 * DAY, 2, status="closed"), patch])
    plant.run()
    plant.metrics = InForce(OPEN)
    entities = Entities(plant.keyring.sealer, plant.keyring.hasher)
    assert start_gauges(plant.database, plant.metrics.current(), entities.histories, NOW)
    moved = _changes(plant)
    assert start_gauges(plant.database, plant.metrics.current(), entities.histories, NOW)
    assert _changes(plant) == moved
    assert _days(plant, "open_tickets") == [0, 1, 3, 2, 1, 1, 1]
    _deliver(plant, tickets, [_ticket(3, NOW - 1 * DAY, 3)])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 3, 2, 1, 2, 2]


def test_a_gauge_begins_with_the_next_commit_too(plant: Plant, tickets: Contract) -> None:
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY)])
    plant.run()
    plant.metrics = InForce(OPEN)
    _deliver(plant, tickets, [_ticket(2, NOW - 1 * DAY), _ticket(1, NOW - 1 * DAY, 2, status="closed")])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 1, 1, 1, 1, 1]


def test_a_gauge_that_could_not_be_read_for_a_while_begins_anew(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN, REPLIES)
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY), _ticket(2, NOW - 4 * DAY)])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 2, 2, 2, 2, 2]
    plant.metrics = InForce(REPLIES)
    _deliver(plant, tickets, [_ticket(1, NOW - 2 * DAY, 2, status="closed")])
    plant.run()
    plant.metrics = InForce(OPEN, REPLIES)
    _deliver(plant, tickets, [_ticket(4, NOW - 1 * DAY)])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 2, 2, 1, 2, 2]


def test_a_gauge_that_means_something_else_under_its_name_begins_anew(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY), _ticket(2, NOW - 4 * DAY, status="solved")])
    plant.run()
    assert _days(plant, "open_tickets") == [0, 1, 1, 1, 1, 1, 1]
    plant.metrics = InForce(OPEN.replace("'new', 'open', 'pending', 'hold'", "'solved'"))
    assert _fill(plant)
    assert _days(plant, "open_tickets") == [0, 0, 1, 1, 1, 1, 1]


def test_while_a_gauge_is_filled_commits_go_on_and_it_has_no_values(plant: Plant, tickets: Contract) -> None:
    _deliver(plant, tickets, [_ticket(number, NOW - 5 * DAY) for number in range(20)])
    plant.run()
    plant.metrics = InForce(OPEN)
    shares: list[Decimal] = []
    halfway = plant.clock.wall()
    while not _fill(plant, seconds=0, portion=4):
        plant.clock.advance(dt.timedelta(seconds=10))
        halfway = plant.clock.wall() - dt.timedelta(seconds=5)
        number = 100 + len(shares)
        changed = [_ticket(number, NOW - DAY), _ticket(len(shares), NOW - 3 * DAY, 2, status="closed")]
        _deliver(plant, tickets, changed)
        plant.run()
        trend = read_gauge_trend(
            plant.database, plant.metrics.current().gauges["open_tickets"], TrendRequest("7d", NOW)
        )
        assert (trend.total, trend.previous_total, {point.value for point in trend.points}) == (None, None, {None})
        assert trend.filling is not None
        shares.append(trend.filling)
    assert len(shares) >= 5
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1
    assert _days(plant, "open_tickets", None)[-1] == 20
    assert _days(plant, "open_tickets", None, known_at=halfway) == [None] * 7
    assert plant.query("SELECT count(*) FROM correction") == [(0,)]
    assert _found(plant, "open_tickets") == _truth(plant, "open_tickets")


def test_a_version_that_comes_late_has_its_customer_scored_anew_from_then_on(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY), _ticket(2, NOW - 5 * DAY, organization_id="globex")])
    plant.run()
    with plant.database.transaction() as conn:
        conn.execute("TRUNCATE touched")
    _deliver(plant, tickets, [_ticket(1, NOW - 3 * DAY, 2, status="closed")])
    plant.run()
    midnight = (NOW - 3 * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    acme = uuid.UUID(bytes=plant.keyring.references.ref("zendesk", "customer", "acme"))
    assert plant.query("SELECT ref, since FROM touched") == [(acme, midnight)]


def test_what_was_known_before_a_late_version_is_still_answered(plant: Plant, tickets: Contract) -> None:
    plant.metrics = InForce(OPEN)
    _deliver(plant, tickets, [_ticket(1, NOW - 5 * DAY), _ticket(2, NOW - 2 * DAY)])
    plant.run()
    plant.clock.advance(dt.timedelta(minutes=10))
    before = plant.clock.wall()
    plant.clock.advance(dt.timedelta(minutes=10))
    # One more was opened on a day that is known; another ceased to be on a day on which nothing had moved.
    late = [_ticket(3, NOW - 5 * DAY), _ticket(1, NOW - 4 * DAY, 2, status="closed"), _ticket(4, plant.clock.wall())]
    _deliver(plant, tickets, late)
    plant.run()
    assert _days(plant, "open_tickets") == [0, 2, 1, 1, 2, 2, 3]
    assert _days(plant, "open_tickets", known_at=before) == [0, 1, 1, 1, 2, 2, 2]
    assert _days(plant, "open_tickets", None, known_at=before) == [0, 1, 1, 1, 2, 2, 2]
    assert _days(plant, "open_tickets", known_at=NOW - DAY) == [None] * 7
    [(known, bucket, old, new, cause, place)] = plant.query(
        "SELECT known_at, bucket, old_value, new_value, cause, place FROM correction"
    )
    day = (NOW - 5 * DAY).replace(hour=0)
    assert (known, bucket, old, new, cause) == (plant.clock.wall(), day, 1, 2, "late")
    slot = plant.keyring.references.slot(tickets.source, tickets.stream, "3")
    epoch, partition, *_, position, index = place.split("-")
    assert (epoch, partition) == ("1", f"p{slot % 4}")
    [batch] = [one for one in plant.batches(slot % 4) if one.position == int(position)]
    assert json.loads(batch.records.column("payload")[int(index)].as_py())["id"] == 3


def _fill(plant: Plant, **how: Any) -> bool:
    entities = Entities(plant.keyring.sealer, plant.keyring.hasher)
    return start_gauges(plant.database, plant.metrics.current(), entities.histories, plant.clock.wall(), **how)


def _found(plant: Plant, name: str) -> dict[uuid.UUID, Decimal]:
    """What the gauge's changes come to."""
    rows = plant.query(
        "SELECT ref, sum(value) FROM gauge_change JOIN series USING (series) WHERE metric = %s GROUP BY ref", name
    )
    return {ref: total for ref, total in rows if total}


@pytest.mark.parametrize("seed", range(4))
def test_filling_beside_commits_and_through_kills_comes_to_what_the_versions_say(
    plant: Plant, tickets: Contract, seed: int
) -> None:
    chance = random.Random(seed)
    rows = [row for some in range(seed, seed + 5) for row in _history(some)]
    for row in rows:
        row["id"] = chance.randrange(40)
    chance.shuffle(rows)
    _deliver(plant, tickets, rows[:100])
    plant.run()
    plant.metrics = InForce(OPEN, REPLIES)
    entities = Entities(plant.keyring.sealer, plant.keyring.hasher)

    def killed(conn: Connection, entity: str, refs: Sequence[uuid.UUID]) -> Any:
        if chance.random() < 0.5:
            conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return entities.histories(conn, entity, refs)

    kills, filled, stop = 0, False, threading.Event()

    def commit() -> None:
        sink, rest = plant.sink(), rows[100:]
        while rest and not stop.is_set():
            some, rest = rest[:7], rest[7:]
            _deliver(plant, tickets, some, Lane.LIVE if len(rest) % 2 else Lane.BULK)
            plant.run(sink)

    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(commit)
        try:
            while not filled:
                try:
                    filled = start_gauges(plant.database, plant.metrics.current(), killed, NOW, seconds=0, portion=6)
                except RetryableError:
                    kills += 1
        finally:
            stop.set() if not filled else None
            beside.result()
    assert kills
    for name in ("open_tickets", "replies"):
        assert _found(plant, name) == _truth(plant, name)
    moved = _changes(plant)
    assert moved
    with plant.database.transaction() as conn:
        conn.execute("TRUNCATE gauge_change, gauge_begun")
    assert _fill(plant)
    assert _changes(plant) == moved


def _truth(plant: Plant, name: str) -> dict[uuid.UUID, Decimal]:
    """What the states say now, by a query over them."""
    measured = {
        "open_tickets": ("count(*)", "attributes ->> 'status' IN ('new', 'open', 'pending', 'hold')"),
        "replies": (
            "sum((attributes ->> 'replies')::numeric)",
            "attributes ->> 'priority' LIKE 'h%' OR (attributes ->> 'replies')::numeric % 2 = 1",
        ),
    }
    value, condition = measured[name]
    rows = _plain(
        plant,
        f"SELECT customer, {value} FROM entity WHERE entity = 'ticket' AND NOT deleted AND customer IS NOT NULL "
        f"AND ({condition}) GROUP BY customer",
    )
    return {ref: Decimal(n) for ref, n in rows if n}


def _plain(plant: Plant, statement: str) -> list[tuple[Any, ...]]:
    """Without parameters, and so with percent signs."""
    with plant.database.autocommit() as conn:
        return conn.execute(statement).fetchall()


def _changes(plant: Plant) -> list[tuple[Any, ...]]:
    return _plain(plant, "SELECT series, ref, day, value FROM gauge_change WHERE value <> 0 ORDER BY 1, 2, 3")


def _history(seed: int) -> list[dict[str, Any]]:
    """Versions of a few tickets: opened, patched, closed, moved, deleted; seen early and late."""
    chance = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for _ in range(60):
        number = chance.randrange(6)
        at = NOW - chance.randrange(6) * DAY - dt.timedelta(minutes=chance.randrange(600))
        row = _ticket(
            number,
            at,
            chance.randrange(8),
            organization_id=chance.choice(["acme", "globex", None][: 1 + seed % 3]),
            status=chance.choice(["open", "closed", "new", "solved"][: 2 + seed % 3]),
            priority=chance.choice(["high", "low", None]) if seed % 2 else "high",
            metric_set={"replies": chance.choice([None, 1, 2, 3]) if seed % 2 else 1},
        )
        row["op"] = chance.choice(["upsert", "upsert", "upsert", "patch", "delete"])
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_any_interleaving_over_both_lanes_ends_in_what_the_states_say(
    plant: Plant, tickets: Contract, seed: int
) -> None:
    chance = random.Random(seed * 1_000)
    plant.metrics = InForce(OPEN, REPLIES)
    rows = _history(seed)
    chance.shuffle(rows)
    sink = plant.sink()
    while rows:
        size = chance.randrange(1, 12)
        some, rows = rows[:size], rows[size:]
        _deliver(plant, tickets, some, chance.choice(list(Lane)))
        if chance.random() < 0.6:
            plant.run(sink)
    plant.run(sink)
    for name in ("open_tickets", "replies"):
        assert _found(plant, name) == _truth(plant, name)
    # What the commits came to is what the versions come to, all at once.
    moved = _changes(plant)
    with plant.database.transaction() as conn:
        conn.execute("TRUNCATE gauge_change, gauge_begun")
    assert _fill(plant)
    assert _changes(plant) == moved
    assert moved


def test_partitions_that_move_one_customers_gauge_at_the_same_time_lose_nothing(
    plant: Plant, tickets: Contract
) -> None:
    plant.metrics = InForce(OPEN, REPLIES)
    _deliver(plant, tickets, [_ticket(number, NOW - DAY) for number in range(40)])
    plant.run()
    for turn in range(2, 6):
        status = "open" if turn % 2 else "solved"
        _deliver(plant, tickets, [_ticket(number, NOW - DAY, turn, status=status) for number in range(0, 40, turn)])
    sinks = [plant.sink() for _ in range(4)]
    leases = [plant.lease(partition) for partition in range(4)]

    def own(partition: int) -> None:
        sink, after = sinks[partition], sinks[partition].positions().get((1, partition, Lane.LIVE), 0)
        for batch in plant.batches(partition, after):
            sink.commit(plant.engine().process([batch]), lease_epoch=leases[partition])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(own, range(4)))
    [(ref, number)] = _truth(plant, "open_tickets").items()
    assert plant.query(
        "SELECT ref, sum(value) FROM gauge_change JOIN series USING (series) WHERE metric = 'open_tickets' GROUP BY ref"
    ) == [(ref, number)]
