"""What was acknowledged survives a `kill -9` of the postmaster, and a door's, in the middle of appending."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.clock import SystemClock
from mainstem.errors import UnavailableError
from mainstem.eventlog import EventLog, PostgresLog
from mainstem.privacy import Keyring
from mainstem.store import Database, migrate
from mainstem.testing.log_records import append_of, payloads, read_all
from mainstem.testing.postgres import PostgresServer

_DOOR = """
import sys
from pathlib import Path
from mainstem.clock import SystemClock
from mainstem.eventlog import PostgresLog
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing.log_records import append_of
with Database(sys.argv[1]) as database:
    log = PostgresLog(database, Keyring.open(Path(sys.argv[2])).sealer, SystemClock(), partitions=4)
    for turn in range(1_000_000):
        log.append([append_of(b"%d" % turn, partition=turn % 2)])
        print(turn, flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(server: PostgresServer) -> Iterator[Database]:
    with Database(server.dsn) as database:
        with database.autocommit() as connection:
            connection.execute("DROP SCHEMA IF EXISTS mainstem, mainstem_fold CASCADE")
        migrate(database)
        yield database


def check(log: EventLog, acknowledged: list[int]) -> None:
    """Everything acknowledged is there, in order; beyond it at most the one append whose outcome nobody knows."""
    kept = [sorted(int(p) for p in payloads(read_all(log, partition))) for partition in range(2)]
    for partition in range(2):
        positions = [batch.position for batch in read_all(log, partition)]
        assert positions == list(range(1, len(positions) + 1))
    everything = sorted(kept[0] + kept[1])
    assert everything == sorted(set(everything))
    assert set(acknowledged) <= set(everything)
    assert len(everything) - len(acknowledged) <= 1
    assert sum(log.received().values()) == sum(log.pending({}).values()) == len(everything)


def test_a_killed_postmaster_loses_nothing_that_was_acknowledged(
    server: PostgresServer, database: Database, keyring: Keyring
) -> None:
    log = PostgresLog(database, keyring.sealer, SystemClock(), partitions=4)
    acknowledged: list[int] = []
    enough = threading.Event()
    lost: list[int] = []

    def append() -> None:
        turn = 0
        while not lost:
            try:
                log.append([append_of(b"%d" % turn, partition=turn % 2)])
                acknowledged.append(turn)
            except UnavailableError:
                lost.append(turn)
            turn += 1
            if turn == 50:
                enough.set()

    door = threading.Thread(target=append)
    door.start()
    assert enough.wait(60)
    server.kill()
    door.join(60)
    assert len(acknowledged) >= 50
    with pytest.raises(UnavailableError):
        log.append([append_of(b"99999")])
    server.start()
    check(log, acknowledged)
    log.append([append_of(b"100000")])


def test_a_killed_door_leaves_whole_appends_only(server: PostgresServer, database: Database, tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "keys")
    door = subprocess.Popen(
        [sys.executable, "-c", _DOOR, server.dsn, str(tmp_path / "keys")], stdout=subprocess.PIPE, text=True
    )
    with door:
        assert door.stdout is not None
        acknowledged = [int(door.stdout.readline()) for _ in range(50)]
        door.kill()
        acknowledged += [int(line) for line in door.stdout.read().split()]
    log = PostgresLog(database, keyring.sealer, SystemClock(), partitions=4)
    while True:
        # The dead door's backend may be in the middle of its last statement.
        with database.autocommit() as connection:
            others = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
        if others == (0,):
            break
        time.sleep(0.01)
    check(log, acknowledged)
    log.append([append_of(b"100000")])
