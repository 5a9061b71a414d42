from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg import errors

from mainstem.errors import StorageFullError, UnavailableError
from mainstem.store import Connection, Database, StoreSettings


def one(connection: Connection, query: str) -> Any:
    [(value,)] = connection.execute(query).fetchall()
    return value


@pytest.fixture
def numbers(database: Database) -> Database:
    with database.transaction() as connection:
        connection.execute("CREATE TABLE number (n integer PRIMARY KEY)")
    return database


def test_a_transaction_is_kept_whole_or_not_at_all(numbers: Database) -> None:
    with numbers.transaction() as connection:
        connection.execute("INSERT INTO number VALUES (1)")
    with pytest.raises(RuntimeError), numbers.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO number VALUES (2)")
        raise RuntimeError
    with pytest.raises(errors.UniqueViolation), numbers.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO number VALUES (3)")
        connection.execute("INSERT INTO number VALUES (1)")
    with numbers.transaction() as connection:
        assert connection.execute("SELECT n FROM number").fetchall() == [(1,)]


def test_sessions_run_with_our_settings(database: Database) -> None:
    with database.autocommit() as connection:
        assert one(connection, "SHOW search_path") == "mainstem_fold,mainstem"
        assert one(connection, "SHOW synchronous_commit") == "on"
        assert one(connection, "SHOW timezone") == "UTC"
        assert one(connection, "SHOW default_transaction_isolation") == "read committed"
        assert one(connection, "SHOW application_name") == "mainstem"
        assert one(connection, "SHOW statement_timeout") == "5min"
        assert one(connection, "SHOW lock_timeout") == "30s"


def test_options_of_the_connection_string_are_kept(empty_dsn: str) -> None:
    dsn = f"{empty_dsn} application_name=mine options='-c work_mem=5MB'"
    with Database(dsn) as database, database.autocommit() as connection:
        assert one(connection, "SHOW work_mem") == "5MB"
        assert one(connection, "SHOW search_path") == "mainstem_fold,mainstem"
        assert one(connection, "SHOW application_name") == "mine"


def test_a_snapshot_sees_one_moment_and_writes_nothing(numbers: Database) -> None:
    with numbers.snapshot() as connection:
        assert one(connection, "SELECT count(*) FROM number") == 0
        with numbers.autocommit() as other:
            other.execute("INSERT INTO number VALUES (1)")
        assert one(connection, "SELECT count(*) FROM number") == 0
    with pytest.raises(errors.ReadOnlySqlTransaction), numbers.snapshot() as connection:
        connection.execute("INSERT INTO number VALUES (2)")
    with numbers.transaction() as connection:
        connection.execute("INSERT INTO number VALUES (2)")


def test_connections_are_reused_and_bounded(empty_dsn: str) -> None:
    settings = StoreSettings(pool_size=2, pool_timeout=0.05)
    with Database(empty_dsn, settings=settings) as database:
        used = set()
        for _ in range(5):
            with database.autocommit() as connection:
                used.add(connection.info.backend_pid)
        assert len(used) == 1
        with (
            database.autocommit(),
            database.autocommit(),
            pytest.raises(UnavailableError, match="All 2 connections"),
            database.autocommit(),
        ):
            pass
        with database.autocommit() as connection:
            assert one(connection, "SELECT 1") == 1


def test_old_connections_are_replaced(empty_dsn: str) -> None:
    with Database(empty_dsn, settings=StoreSettings(connection_lifetime=1e-9)) as database:
        with database.autocommit() as connection:
            first = connection.info.backend_pid
        with database.autocommit() as connection:
            assert connection.info.backend_pid != first


def test_a_connection_left_in_a_transaction_is_not_given_to_the_next(numbers: Database) -> None:
    with numbers.autocommit() as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO number VALUES (1)")
    with numbers.transaction() as connection:
        assert one(connection, "SELECT count(*) FROM number") == 0


def test_connections_killed_while_idle_are_replaced_unseen(numbers: Database) -> None:
    with numbers.autocommit() as first, numbers.autocommit() as second:
        pids = [first.info.backend_pid, second.info.backend_pid]
    with psycopg.connect(numbers.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::integer[]) AS pid", [pids])
    for n in range(3):
        with numbers.transaction() as connection:
            connection.execute("INSERT INTO number VALUES (%s)", [n])


def test_a_connection_killed_in_a_transaction_is_unavailable_and_nothing_is_kept(numbers: Database) -> None:
    with pytest.raises(UnavailableError), numbers.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO number VALUES (1)")
        with psycopg.connect(numbers.dsn, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
        connection.execute("INSERT INTO number VALUES (2)")
    with numbers.transaction() as connection:
        assert one(connection, "SELECT count(*) FROM number") == 0


def test_a_full_disk_is_said_so(numbers: Database) -> None:
    with pytest.raises(StorageFullError), numbers.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO number VALUES (1)")
        connection.execute("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$")
    with numbers.transaction() as connection:
        assert one(connection, "SELECT count(*) FROM number") == 0


def test_waiting_too_long_for_a_lock_is_unavailable(numbers: Database) -> None:
    with numbers.transaction() as holder:
        holder.execute("LOCK TABLE number")
        with pytest.raises(UnavailableError, match="55P03"), numbers.transaction() as connection:  # noqa: PT012
            connection.execute("SET LOCAL lock_timeout = '1ms'")
            connection.execute("SELECT FROM number")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with Database("host=/nonexistent dbname=x") as database:
        with pytest.raises(UnavailableError), database.transaction():
            pass
        with pytest.raises(UnavailableError, match="No such file"):
            database.wait_ready(0.01)
        assert not database.listen("news", 0.01)


def test_a_database_that_is_there_is_ready(database: Database) -> None:
    database.wait_ready(5)


def test_a_notification_wakes_every_thread_that_waits(database: Database) -> None:
    woken: list[bool] = []

    def follow() -> None:
        database.listen("news", 60)
        ready.wait()
        woken.append(database.listen("news", 60))

    ready = threading.Barrier(4)
    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    with database.autocommit() as connection:
        connection.execute("NOTIFY news")
    for thread in threads:
        thread.join(60)
    assert woken == [True, True, True]


def test_what_was_sent_between_two_waits_is_not_lost(database: Database) -> None:
    assert database.listen("news", 60)
    assert not database.listen("news", 0.01)
    with database.autocommit() as connection:
        connection.execute("NOTIFY other")
        connection.execute("NOTIFY news")
    assert database.listen("news", 60)
    assert not database.listen("news", 0.01)
    assert database.listen("other", 60)


def test_waiters_look_again_after_the_listening_connection_broke(database: Database) -> None:
    assert database.listen("news", 60)
    with psycopg.connect(database.dsn, autocommit=True) as admin:
        killed = admin.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchall()
    assert killed == [(True,)]
    assert database.listen("news", 60)
    with database.autocommit() as connection:
        connection.execute("NOTIFY news")
    assert database.listen("news", 60)


def test_closing_ends_a_wait(empty_dsn: str) -> None:
    database = Database(empty_dsn)
    database.listen("news", 60)
    threading.Timer(0.05, database.close).start()
    started = time.monotonic()
    assert not database.listen("news", 600)
    assert time.monotonic() - started < 300
