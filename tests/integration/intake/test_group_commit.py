from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from mainstem.errors import StorageFullError, UnavailableError
from mainstem.eventlog import Append, EventLog, PostgresLog
from mainstem.intake import Delivery, Door, DoorParts, DoorSettings
from mainstem.model import Lane
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing import FixedClock


def delivery(*ids: str, lane: Lane = Lane.LIVE, customer: str | None = None) -> Delivery:
    payloads = [{"id": one, "customer_id": customer or one, "event": "e", "occurred_at": "2026-01-01"} for one in ids]
    return Delivery("shop", json.dumps(payloads).encode(), stream="usage_events", lane=lane)


class FaultyLog:
    """The real log, of which appends may be held up, counted or made to fail."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.groups: list[list[Append]] = []
        self.before: Callable[[Sequence[Append]], None] = lambda _: None
        self.after: Callable[[Sequence[Append]], None] = lambda _: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, appends: Sequence[Append]) -> Sequence[int]:
        self.groups.append(list(appends))
        self.before(appends)
        positions = self._log.append(appends)
        self.after(appends)
        return positions

    def sizes(self) -> list[int]:
        return [sum(append.records.num_rows for append in group) for group in self.groups]


@pytest.fixture
def faulty(parts: DoorParts) -> FaultyLog:
    return FaultyLog(parts.log)


@pytest.fixture
def faulty_parts(parts: DoorParts, faulty: FaultyLog) -> DoorParts:
    return DoorParts(faulty, parts.registry, parts.references, parts.hasher, parts.clock, parts.database)


@contextlib.contextmanager
def held_up(log: FaultyLog) -> Any:
    """While this lasts an append of the live lane waits; yields what tells that one does."""
    waiting, go_on = threading.Event(), threading.Event()

    def wait(appends: Sequence[Append]) -> None:
        if appends[0].lane is Lane.LIVE:
            waiting.set()
            assert go_on.wait(30)

    log.before = wait
    try:
        yield waiting
    finally:
        if log.before is wait:
            log.before = lambda _: None
        go_on.set()


def test_fifty_threads(faulty_parts: DoorParts, faulty: FaultyLog, logged: Any) -> None:
    with Door(faulty_parts) as door, ThreadPoolExecutor(50) as pool:
        wanted = [[f"{thread}-{n}-{i}" for i in range(n % 3 + 1)] for thread in range(50) for n in range(8)]
        receipts = list(pool.map(lambda ids: door.submit(delivery(*ids)), wanted))
    assert [receipt.accepted for receipt in receipts] == [len(ids) for ids in wanted]
    assert collections.Counter(logged.column("record_id")) == collections.Counter(one for ids in wanted for one in ids)
    rows = logged.records()
    assert all(row["slot"] % 4 == row["partition"] for row in rows)
    assert len({row["delivery"] for row in rows}) == len(wanted)
    heads = {(head.epoch, head.partition, head.lane): head.position for head in faulty.heads(1)}
    assert all(head.position <= heads[head.epoch, head.partition, head.lane] for r in receipts for head in r.positions)


def test_what_waits_is_committed_together(faulty_parts: DoorParts, faulty: FaultyLog, logged: Any) -> None:
    with Door(faulty_parts) as door, ThreadPoolExecutor(30) as pool:
        with held_up(faulty) as waiting:
            first = pool.submit(door.submit, delivery("first"))
            assert waiting.wait(30)
            others = [pool.submit(door.submit, delivery(f"o{n}", customer="one")) for n in range(20)]
            large = pool.submit(door.submit, delivery(*(f"l{n}" for n in range(200))))
            until(lambda: len(door._committers[Lane.LIVE]._waiting) == 21)
            assert not any(future.done() for future in (first, large, *others))
        positions = {future.result(30).positions for future in (large, *others)}
    assert faulty.sizes() == [1, 220]
    assert len(positions) == 1
    assert len(logged.records()) == 221


def test_a_commit_is_bounded(faulty_parts: DoorParts, faulty: FaultyLog) -> None:
    settings = DoorSettings(commit_records=10)
    with Door(faulty_parts, settings) as door, ThreadPoolExecutor(30) as pool:
        with held_up(faulty) as waiting:
            futures = [pool.submit(door.submit, delivery("first"))]
            assert waiting.wait(30)
            futures += [pool.submit(door.submit, delivery(*(f"{n}-{i}" for i in range(4)))) for n in range(6)]
            futures.append(pool.submit(door.submit, delivery(*(f"large-{i}" for i in range(25)))))
            until(lambda: len(door._committers[Lane.LIVE]._waiting) == 7)
        assert sum(future.result(30).accepted for future in futures) == 50
    assert sum(faulty.sizes()) == 50
    assert max(faulty.sizes()) == 25, "one delivery is never torn"
    assert all(size <= 10 for size in sorted(faulty.sizes())[:-1])


def test_bulk_goes_on_while_live_is_held_up_and_the_other_way_round(faulty_parts: DoorParts, faulty: FaultyLog) -> None:
    with Door(faulty_parts) as door, ThreadPoolExecutor(4) as pool:
        with held_up(faulty) as waiting:
            live = pool.submit(door.submit, delivery("live"))
            assert waiting.wait(30)
            assert door.submit(delivery("bulk", lane=Lane.BULK)).accepted == 1
            assert not live.done()
        assert live.result(30).accepted == 1


def test_async_callers_of_several_loops(faulty_parts: DoorParts, logged: Any) -> None:
    settings = DoorSettings(inline=2_000)

    async def send(door: Door, name: str) -> list[int]:
        bodies = [delivery(*(f"{name}-{n}-{i}" for i in range(n + 1))) for n in range(30)]
        receipts = await asyncio.gather(*(door.submit_async(body) for body in bodies))
        return [receipt.accepted for receipt in receipts]

    with Door(faulty_parts, settings) as door, ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda name: asyncio.run(send(door, name)), "abc"))
    assert results == [list(range(1, 31))] * 3
    assert len(set(logged.column("record_id"))) == 3 * 465


async def test_a_caller_who_leaves_harms_nobody(faulty_parts: DoorParts, faulty: FaultyLog, logged: Any) -> None:
    with Door(faulty_parts) as door:
        with held_up(faulty) as waiting:
            leaves = asyncio.create_task(door.submit_async(delivery("leaves")))
            await asyncio.to_thread(waiting.wait, 30)
            stays = asyncio.create_task(door.submit_async(delivery("stays")))
            await asyncio.sleep(0)
            leaves.cancel()
        assert (await stays).accepted == 1
        with pytest.raises(asyncio.CancelledError):
            await leaves
    assert sorted(logged.column("record_id")) == ["leaves", "stays"]


@pytest.mark.parametrize("error", [StorageFullError("The disk is full."), UnavailableError("Gone.", retry_after=2.0)])
def test_what_the_log_cannot_take_is_told_to_all_who_wait(
    faulty_parts: DoorParts, faulty: FaultyLog, logged: Any, error: Exception
) -> None:
    def fail(_: Sequence[Append]) -> None:
        raise error

    with Door(faulty_parts) as door, ThreadPoolExecutor(8) as pool:
        faulty.before = fail
        futures = [pool.submit(door.submit, delivery(f"a{n}")) for n in range(8)]
        assert [type(future.exception(30)) for future in futures] == [type(error)] * 8
        assert logged.records() == []
        faulty.before = lambda _: None
        assert door.submit(delivery("b")).accepted == 1
    assert logged.column("record_id") == ["b"]


def test_the_connection_is_ended_in_the_middle_of_an_append(
    faulty_parts: DoorParts, logged: Any, database: Database
) -> None:
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with Door(faulty_parts) as door, ThreadPoolExecutor(1) as pool, psycopg.connect(database.dsn) as other:
        door.submit(delivery("before"))
        other.execute("SELECT FROM mainstem.log_head FOR UPDATE")
        during = pool.submit(door.submit, delivery("during"))
        with database.autocommit() as connection:
            until(lambda: connection.execute(waiting).fetchone() is not None)
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS waiting")
        assert isinstance(during.exception(30), UnavailableError)
        other.rollback()
        assert door.submit(delivery("after")).accepted == 1
    assert sorted(logged.column("record_id")) == ["after", "before"]


def test_all_connections_are_ended_between_commits(faulty_parts: DoorParts, logged: Any, database: Database) -> None:
    with Door(faulty_parts) as door:
        door.submit(delivery("before"))
        with psycopg.connect(database.dsn, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        until(lambda: outcome_of(lambda: door.submit(delivery("after"))) is None)
    assert set(logged.column("record_id")) == {"before", "after"}


def test_an_answer_lost_after_the_commit_is_not_an_acknowledgement(
    faulty_parts: DoorParts, faulty: FaultyLog, logged: Any
) -> None:
    def lose(_: Sequence[Append]) -> None:
        raise UnavailableError("The connection broke.")

    with Door(faulty_parts) as door:
        faulty.after = lose
        with pytest.raises(UnavailableError):
            door.submit(delivery("x"))
        faulty.after = lambda _: None
        assert door.submit(delivery("x")).accepted == 1
    assert logged.column("record_id") == ["x", "x"], "the repeat has the same identity, and is removed behind the log"


def test_one_delivery_at_fault_takes_no_other_with_it(faulty_parts: DoorParts, faulty: FaultyLog, logged: Any) -> None:
    def poison(appends: Sequence[Append]) -> None:
        if any("poison" in append.records.column("record_id").to_pylist() for append in appends):
            raise ValueError("poison")

    with Door(faulty_parts) as door, ThreadPoolExecutor(10) as pool:
        with held_up(faulty) as waiting:
            pool.submit(door.submit, delivery("first"))
            assert waiting.wait(30)
            futures = {name: pool.submit(door.submit, delivery(name)) for name in ("a", "b", "poison", "c")}
            until(lambda: len(door._committers[Lane.LIVE]._waiting) == 4)
            faulty.before = poison
        assert isinstance(futures["poison"].exception(30), ValueError)
        assert [futures[name].result(30).accepted for name in "abc"] == [1, 1, 1]
        assert door.submit(delivery("later")).accepted == 1
    assert sorted(logged.column("record_id")) == ["a", "b", "c", "first", "later"]


def test_a_changed_number_of_partitions(
    parts: DoorParts, faulty_parts: DoorParts, logged: Any, database: Database, keyring: Keyring, clock: FixedClock
) -> None:
    elsewhere = PostgresLog(database, keyring.sealer, clock, partitions=4)
    with Door(faulty_parts) as door:
        names = [f"n{n}" for n in range(400)]
        before = door.submit(delivery(*names)).positions
        elsewhere.repartition(8)
        after = door.submit(delivery(*names)).positions
        elsewhere.repartition(2)
        door.submit(delivery(*names, lane=Lane.BULK))
        last = door.submit(delivery(*names)).positions
    assert {head.epoch for head in before} == {1}
    assert {head.epoch for head in after} == {2}
    assert {head.epoch for head in last} == {3}
    assert {head.partition for head in after} == set(range(8))
    for batch in logged.batches():
        partitions = {1: 4, 2: 8, 3: 2}[batch.epoch]
        assert {slot % partitions for slot in batch.records.column("slot").to_pylist()} == {batch.partition}
    assert len(logged.records()) == 1600


def test_stop_commits_what_was_taken_in_and_takes_nothing_more(
    faulty_parts: DoorParts, faulty: FaultyLog, logged: Any
) -> None:
    door = Door(faulty_parts)
    with pytest.raises(UnavailableError):
        door.submit(delivery("too-early"))
    door.start()
    with ThreadPoolExecutor(8) as pool:
        with held_up(faulty) as waiting:
            futures = [pool.submit(door.submit, delivery("a"))]
            assert waiting.wait(30)
            futures += [pool.submit(door.submit, delivery(f"b{n}")) for n in range(3)]
            until(lambda: len(door._committers[Lane.LIVE]._waiting) == 3)
            stopping = pool.submit(door.stop)
            until(lambda: not door._committers[Lane.LIVE]._open)
            with pytest.raises(UnavailableError):
                door.submit(delivery("too-late"))
        stopping.result(30)
        assert [future.result(30).accepted for future in futures] == [1] * 4
    assert sorted(logged.column("record_id")) == ["a", "b0", "b1", "b2"]


def test_stop_fails_what_it_could_not_commit_in_time(faulty_parts: DoorParts, faulty: FaultyLog) -> None:
    door = Door(faulty_parts, DoorSettings(drain=0.05))
    door.start()
    with ThreadPoolExecutor(4) as pool, held_up(faulty) as waiting:
        held = pool.submit(door.submit, delivery("held"))
        assert waiting.wait(30)
        left = pool.submit(door.submit, delivery("left"))
        until(lambda: len(door._committers[Lane.LIVE]._waiting) == 1)
        door.stop()
        assert isinstance(left.exception(30), UnavailableError)
        assert not held.done()


def outcome_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - the outcome is what is asked for
        return error
    return None


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    pytest.fail("it never came to hold")
