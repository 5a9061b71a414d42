"""Folders that PostgreSQL's account can and cannot reach, and the search for what was left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mainstem.runtime.folders import make_data_folder
from mainstem.runtime.guardian_process import TREE_VARIABLE
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.postmaster import server_processes
from mainstem.runtime.processes import ProcessId, wait_gone, with_environment
from mainstem.runtime.settings import DatabaseSettings
from mainstem.testing.scratch import scratch_folder

# Durability against a power cut is not under test, a killed process is.
PARAMETERS = {"fsync": "off", "shared_buffers": "16MB", "max_wal_size": "128MB"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder that every account may enter; short, so that sockets fit in."""
    path = scratch_folder("ms-")
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def made_cluster() -> Iterator[Path]:
    """A data folder with a database that was made and stopped: copying it is faster than making one."""
    path = scratch_folder("ms-")
    path.chmod(0o711)
    server = EmbeddedPostgres(path, DatabaseSettings(system_folder=path / "system", parameters=PARAMETERS))
    server.start()
    server.stop()
    yield path / "postgres"
    shutil.rmtree(path)


@pytest.fixture
def data_dir(folder: Path, made_cluster: Path) -> Path:
    """A data folder that has a database already."""
    path = make_data_folder(folder / "data")
    subprocess.run(["cp", "-a", str(made_cluster), str(path)], check=True)
    return path


@pytest.fixture
def settings(folder: Path) -> DatabaseSettings:
    return DatabaseSettings(system_folder=folder / "system", parameters=PARAMETERS)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for something to become true; the test's own time limit is the bound."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait


@pytest.fixture
def nothing_left() -> Callable[..., None]:
    """All of these processes and of the tree end by themselves."""

    def check(*processes: ProcessId | None, tree: str = "") -> None:
        assert wait_gone([process for process in processes if process is not None], 30) == []
        if tree:
            assert wait_gone(with_environment(TREE_VARIABLE, tree), 30) == []

    return check


@pytest.fixture
def servers(folder: Path) -> Callable[[], list[ProcessId]]:
    """The processes of every PostgreSQL below the folder."""

    def find() -> list[ProcessId]:
        found = [path.parent.parent for path in folder.rglob("global/pg_control")]
        return [process for data in found for process in server_processes(data)]

    return find


@pytest.fixture
def kill() -> Callable[[ProcessId | None], None]:
    """kill -9, of exactly this process."""

    def send(process: ProcessId | None) -> None:
        assert process is not None
        assert process.send(signal.SIGKILL)

    return send
