"""The running service, beside a database that is killed and a disk that fills up."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mainstem.errors import IntegrityError, StorageFullError
from mainstem.lake import LakeWriter, verify
from mainstem.lake.local import LocalObjects
from mainstem.privacy import Keyring
from mainstem.store import Database, migrate
from mainstem.testing.faulty_objects import FaultyObjects
from mainstem.testing.lake_harness import LakeHarness, assert_same_chains
from mainstem.testing.postgres import PostgresServer

_PATIENCE = 60.0


def _until(harness: LakeHarness, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
        # What waits for its time waits no longer than it takes to look.
        harness.clock.advance(dt.timedelta(seconds=1))


@contextlib.contextmanager
def _running(writer: LakeWriter) -> Iterator[LakeWriter]:
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def _whole(harness: LakeHarness) -> None:
    assert_same_chains(harness.logged(), harness.laked())
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []


def _caught_up(harness: LakeHarness) -> bool:
    heads = {(head.epoch, head.partition, head.lane): head.position for head in harness.log.heads(1) if head.position}
    return harness.lake().manifest.positions() == heads


def test_it_outlives_the_database(tmp_path: Path) -> None:
    with PostgresServer() as server, Database(server.dsn) as database:
        migrate(database)
        harness = LakeHarness.open(database, Keyring.create(tmp_path / "keys"), tmp_path / "lake")
        with _running(harness.writer("a", flush_seconds=0, poll_seconds=0.01)) as writer:
            for turn, end in enumerate((server.kill, server.stop)):
                harness.append(20, start=20 * turn)
                _until(harness, lambda: _caught_up(harness))
                harness.append(5, partition=1)
                end()
                _until(harness, lambda: writer.waits_for is not None)
                server.start()
            _until(harness, lambda: _caught_up(harness))
            assert writer.failure is None
        _whole(harness)


def test_it_says_what_it_died_of(harness: LakeHarness) -> None:
    harness.append(2)
    first = harness.writer("a")
    first.drain()
    first.stop()
    harness.execute("UPDATE log_head SET position = 0")
    with _running(harness.writer("b", poll_seconds=0.01)) as writer:
        _until(harness, lambda: writer.failure is not None)
    assert isinstance(writer.failure, IntegrityError)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of 256 KiB; None where this account may not mount one."""
    mounted = False
    if os.geteuid() == 0 and shutil.which("mount"):
        command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


class _SmallObjects(FaultyObjects):
    """A store that is as full as its folder is heavy, where no small disk can be had."""

    def __init__(self, root: Path) -> None:
        super().__init__(LocalObjects(root))

        def fault(call: str, _: str) -> None:
            used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
            if call == "before put" and used > 150_000:
                raise StorageFullError("The lake's disk is full.", retry_after=5.0)

        self.fault = fault


def test_it_waits_for_a_full_disk_and_goes_on_without_a_restart(harness: LakeHarness, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    with _small_disk(folder) as disk:
        harness.root = folder
        harness.objects = _SmallObjects(folder) if disk is None else FaultyObjects(LocalObjects(folder))
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(150_000))
        with _running(harness.writer("a", flush_seconds=0, poll_seconds=0.01)) as writer:
            for turn in range(8):
                harness.append(2, start=2 * turn, payload=os.urandom(20_000))
                harness.append(2, partition=1, start=2 * turn, payload=os.urandom(20_000))
            _until(harness, lambda: writer.waits_for == "The lake's disk is full.")
            ballast.unlink()
            if disk is None:
                harness.objects.fault = lambda *_: None
            else:
                subprocess.run(["mount", "-o", "remount,size=16m", folder], check=True)
            _until(harness, lambda: _caught_up(harness))
            assert writer.failure is None
        _whole(harness)
        assert not [path for path in harness.files() if "#" in path]
