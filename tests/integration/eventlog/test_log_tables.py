"""What is PostgreSQL's own about its log; what every log does is in the contract suite."""

from __future__ import annotations

import datetime as dt
import threading

import psycopg
import pyarrow as pa
import pytest

from mainstem.errors import FencedError, IntegrityError, StorageFullError, UnavailableError
from mainstem.eventlog import Append, LogEpoch, PostgresLog, pending_counts, received_counts
from mainstem.model import Lane
from mainstem.privacy import Keyring
from mainstem.store import Database, StoreSettings
from mainstem.testing import FixedClock
from mainstem.testing.log_records import append_of, payloads, read_all


@pytest.fixture
def log(database: Database, keyring: Keyring, clock: FixedClock) -> PostgresLog:
    return PostgresLog(database, keyring.sealer, clock, partitions=4)


def wait_until_blocked(database: Database) -> None:
    """Return when a session of the database waits for another one's lock."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
    """
    with psycopg.connect(database.dsn, autocommit=True) as watcher:
        while watcher.execute(query).fetchone() == (0,):
            pass


def test_nothing_readable_lies_in_the_tables(database: Database, log: PostgresLog) -> None:
    log.append([append_of(b"ann@example.com")])
    with database.autocommit() as connection:
        [(row,)] = connection.execute("SELECT log_batch::text || body::text FROM log_batch").fetchall()
    assert "ann@example.com" not in row
    assert b"ann@example.com".hex() not in row


def test_an_append_and_its_counts_are_one_transaction(database: Database, log: PostgresLog) -> None:
    log.append([append_of(b"before")])
    with database.autocommit() as connection:
        connection.execute(
            """
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER full_disk BEFORE UPDATE ON log_received EXECUTE FUNCTION full_disk();
            """
        )
    with pytest.raises(StorageFullError):
        log.append([append_of(b"lost"), append_of(b"lost", partition=1)])
    with database.autocommit() as connection:
        connection.execute("DROP TRIGGER full_disk ON log_received")
    assert sum(log.received().values()) == sum(log.pending({}).values()) == 1
    [first, second] = log.append([append_of(b"after"), append_of(b"after", partition=1)])
    assert (first, second) == (2, 1)
    assert payloads(read_all(log)) == [b"before", b"after"]


def test_a_door_behind_a_held_lane_gives_up_in_time_and_keeps_nothing(
    database: Database, log: PostgresLog, keyring: Keyring, clock: FixedClock
) -> None:
    log.append([append_of(b"1")])
    hasty = Database(database.dsn, settings=StoreSettings(lock_timeout=0.02))
    with hasty, database.transaction() as holder:
        holder.execute("SELECT FROM log_head WHERE partition = 0 AND lane = 0 FOR UPDATE")
        door = PostgresLog(hasty, keyring.sealer, clock, partitions=4)
        with pytest.raises(UnavailableError):
            door.append([append_of(b"2", partition=3), append_of(b"2")])
        assert door.append([append_of(b"3", partition=3)]) == [1]
    assert log.append([append_of(b"4")]) == [2]


def test_a_reader_sees_the_earlier_of_two_undecided_positions_first(
    database: Database, log: PostgresLog, keyring: Keyring, clock: FixedClock
) -> None:
    epoch = log.epochs()[-1]
    with Database(database.dsn) as own:
        door = PostgresLog(own, keyring.sealer, clock, partitions=4)
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.extend(door.append([append_of(b"second")])))
        with database.transaction() as connection:
            assert log._append_on(connection, log._encoded([append_of(b"first")], epoch)) == [1]
            waiting.start()
            wait_until_blocked(database)
            assert read_all(log) == []
            assert answers == []
        waiting.join(60)
    assert answers == [2]
    assert payloads(read_all(log)) == [b"first", b"second"]


@pytest.mark.parametrize(("held", "other", "locked"), [(1, 0, True), (0, 1, False)])
def test_heads_are_locked_in_ascending_order_whatever_order_they_are_given_in(
    database: Database, log: PostgresLog, held: int, other: int, *, locked: bool
) -> None:
    log.append([append_of(b"1", partition=1), append_of(b"0")])
    log.append([append_of(b"1", partition=1)])
    door = threading.Thread(target=lambda: log.append([append_of(b"1", partition=1), append_of(b"0")]))
    select = "SELECT FROM log_head WHERE partition = %s AND lane = 0 FOR UPDATE"
    with database.transaction() as holder:
        holder.execute(select, [held])
        door.start()
        wait_until_blocked(database)
        with psycopg.connect(database.dsn, options="-c search_path=mainstem") as watcher:
            if locked:
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    watcher.execute(f"{select} NOWAIT", [other])
            else:
                watcher.execute(f"{select} NOWAIT", [other])
    door.join(60)
    assert sum(log.received().values()) == 5


def test_an_append_to_a_lane_without_a_head_keeps_nothing(database: Database, log: PostgresLog) -> None:
    log.epochs()
    with database.autocommit() as connection:
        connection.execute("DELETE FROM log_head WHERE partition = 3")
    with pytest.raises(FencedError):
        log.append([append_of(b"0"), append_of(b"3", partition=3)])
    assert log.received() == {}
    assert log.append([append_of(b"0")]) == [1]


def test_an_append_given_up_leaves_its_position_to_the_next(database: Database, log: PostgresLog) -> None:
    parameters = log._encoded([append_of(b"given up")], log.epochs()[-1])
    with pytest.raises(RuntimeError), database.transaction() as connection:  # noqa: PT012
        assert log._append_on(connection, parameters) == [1]
        raise RuntimeError
    assert log.append([append_of(b"kept")]) == [1]
    assert payloads(read_all(log)) == [b"kept"]
    assert sum(log.received().values()) == 1


def test_counts_can_be_read_in_one_snapshot_with_other_tables(database: Database, log: PostgresLog) -> None:
    log.append([append_of(b"1")])
    with database.snapshot() as connection:
        before = received_counts(connection)
        log.append([append_of(b"2")])
        assert received_counts(connection) == before == pending_counts(connection, {})
        assert pending_counts(connection, {(1, 0, Lane.LIVE): 1}) == {}
    assert sum(log.received().values()) == 2


def test_a_lost_log_goes_on_behind_the_epochs_the_lake_knows(log: PostgresLog, clock: FixedClock) -> None:
    day = dt.date(2026, 1, 14)
    past = [LogEpoch(1, 4, closed=True), LogEpoch(2, 8, closed=True)]
    assert log.restore(past, {("shop", "orders", day): 5}) == LogEpoch(3, 4, closed=False)
    log.append([append_of(b"new")])
    assert list(log.epochs()) == [LogEpoch(3, 4, closed=False)]
    assert log.received() == {("shop", "orders", day): 5, ("shop", "orders", clock.wall().date()): 1}
    assert sum(log.pending({}).values()) == 1
    with pytest.raises(IntegrityError):
        log.restore(past, {})


def test_handles_opened_at_once_agree_on_the_first_epoch(
    database: Database, keyring: Keyring, clock: FixedClock
) -> None:
    together = threading.Barrier(4)

    def begin(turn: int) -> None:
        own = PostgresLog(database, keyring.sealer, clock, partitions=4)
        together.wait()
        own.append([append_of(b"%d" % turn, partition=turn)])

    threads = [threading.Thread(target=begin, args=[turn]) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    log = PostgresLog(database, keyring.sealer, clock, partitions=16)
    assert list(log.epochs()) == [LogEpoch(1, 4, closed=False)]
    assert sum(log.received().values()) == 4


def test_records_in_chunks_of_another_type_are_refused(log: PostgresLog) -> None:
    records = append_of(b"x").records
    wide = records.set_column(6, pa.field("slot", pa.int64(), nullable=False), pa.array([0]))
    with pytest.raises(ValueError, match="columns"):
        log.append([Append(0, Lane.LIVE, wide)])
