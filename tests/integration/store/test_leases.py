from __future__ import annotations

import datetime as dt
import threading

from mainstem.errors import FencedError
from mainstem.store import Database, Lease, check_lease

LONG, NONE = dt.timedelta(seconds=50), dt.timedelta(0)


def held(database: Database, epoch: int) -> bool:
    try:
        with database.transaction() as connection:
            check_lease(connection, "engine/1/0", epoch)
    except FencedError:
        return False
    return True


def test_one_owner_at_a_time(database: Database) -> None:
    first = Lease(database, "engine/1/0", "a", LONG)
    second = Lease(database, "engine/1/0", "b", LONG)
    elsewhere = Lease(database, "engine/1/1", "b", LONG)
    assert first.acquire() == 1
    assert first.epoch == 1
    assert second.acquire() is None
    assert second.epoch is None
    assert elsewhere.acquire() == 1
    assert not second.renew()
    assert first.renew()
    assert held(database, 1)


def test_acquiring_what_is_ours_keeps_the_epoch(database: Database) -> None:
    first = Lease(database, "engine/1/0", "a", NONE)
    assert [first.acquire(), first.acquire()] == [1, 1]
    assert first.renew()


def test_a_lease_that_ran_out_is_the_owners_until_another_takes_it(database: Database) -> None:
    first = Lease(database, "engine/1/0", "a", NONE)
    second = Lease(database, "engine/1/0", "b", LONG)
    assert first.acquire() == 1
    assert held(database, 1)
    assert second.acquire() == 2
    assert not held(database, 1)
    assert held(database, 2)
    assert not first.renew()
    assert first.epoch is None
    assert first.acquire() is None


def test_a_clock_that_stepped_back_keeps_nobody_waiting_for_a_lease_whose_owner_died(database: Database) -> None:
    ttl = dt.timedelta(seconds=10)
    first = Lease(database, "engine/1/0", "a", ttl)
    second = Lease(database, "engine/1/0", "b", ttl)
    assert first.acquire() == 1
    with database.transaction() as connection:
        connection.execute("UPDATE lease SET expires_at = expires_at + interval '1 hour'")
    assert second.acquire() == 2
    assert not held(database, 1)
    assert not first.renew()


def test_a_released_lease_is_free_at_once_and_fenced_for_its_last_owner(database: Database) -> None:
    first = Lease(database, "engine/1/0", "a", LONG)
    second = Lease(database, "engine/1/0", "b", LONG)
    epoch = first.acquire()
    assert epoch is not None
    second.release()
    assert held(database, epoch)
    first.release()
    assert not held(database, epoch)
    taken = second.acquire()
    assert taken is not None
    assert taken > epoch
    first.release()
    assert held(database, taken)


def test_a_lease_nobody_ever_took_is_not_held(database: Database) -> None:
    assert not held(database, 0)


def test_a_taker_waits_for_the_transaction_that_checked(database: Database) -> None:
    """Else the old owner's commit could come after the new owner's first read."""
    first = Lease(database, "engine/1/0", "a", NONE)
    second = Lease(database, "engine/1/0", "b", LONG)
    epoch = first.acquire()
    assert epoch is not None
    order: list[str] = []

    def take() -> None:
        second.acquire()
        order.append("taken")

    taker = threading.Thread(target=take)
    with database.transaction() as connection:
        check_lease(connection, "engine/1/0", epoch)
        taker.start()
        taker.join(0.1)
        order.append("committed")
    taker.join(60)
    assert order == ["committed", "taken"]
    assert not held(database, epoch)


def test_of_many_takers_one_wins(database: Database) -> None:
    leases = [Lease(database, "scheduler", f"owner {n}", LONG) for n in range(4)]
    together = threading.Barrier(4)

    def take(lease: Lease) -> None:
        together.wait()
        lease.acquire()

    threads = [threading.Thread(target=take, args=[lease]) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(lease.epoch or 0 for lease in leases) == [0, 0, 0, 1]
    assert sum(lease.renew() for lease in leases) == 1
