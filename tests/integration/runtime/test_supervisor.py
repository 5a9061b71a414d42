from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainstem.runtime.postmaster import server_processes
from mainstem.runtime.processes import ProcessId
from mainstem.runtime.state import RunState, read_state, running_state

SCRIPT = Path(__file__).with_name("dummy_tree.py")
Until = Callable[[Callable[[], object]], None]
Kill = Callable[[ProcessId | None], None]
NothingLeft = Callable[..., None]
Servers = Callable[[], list[ProcessId]]
PARAMETERS = {"fsync": "off", "shared_buffers": "16MB", "max_wal_size": "128MB"}


class Tree:
    """A dummy tree on one data folder, started and watched."""

    def __init__(self, folder: Path, data_dir: Path, until: Until) -> None:
        self.folder = folder
        self.data_dir = data_dir
        self._until = until
        self.process: subprocess.Popen[bytes] | None = None
        self._errors = folder / "errors"

    def refused(self) -> tuple[int, str]:
        """A second tree on the same folder: how it ended."""
        answer = subprocess.run(
            [sys.executable, str(SCRIPT), str(self.data_dir), "serve", "{}"], capture_output=True, check=False
        )
        return answer.returncode, answer.stderr.decode()

    def begin(self, kinds: str, **options: Any) -> None:
        given = {"system_folder": str(self.folder / "system"), "parameters": PARAMETERS, **options}
        (self.data_dir / "events").unlink(missing_ok=True)
        if self.process is not None:
            self.process.wait(60)
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(self.data_dir), kinds, json.dumps(given)], stderr=errors
            )

    def start(self, kinds: str = "serve,work", **options: Any) -> RunState:
        self.begin(kinds, **options)
        self._until(lambda: any(line.startswith("ready") for line in self.events()))
        return self.state()

    def state(self) -> RunState:
        found = running_state(self.data_dir)
        assert found is not None
        return found

    def wait(self, condition: Callable[[RunState], object]) -> RunState:
        self._until(lambda: condition(self.state()))
        return self.state()

    def events(self) -> list[str]:
        path = self.data_dir / "events"
        return path.read_text().splitlines() if path.exists() else []

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.send(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        assert self.process is not None
        return self.process.wait(60), self._errors.read_text()

    def processes(self) -> list[ProcessId]:
        state = read_state(self.data_dir)
        assert state is not None
        return [state.supervisor, *(process for found in state.processes.values() for process in found)]


@pytest.fixture
def tree(folder: Path, data_dir: Path, until: Until) -> Iterator[Tree]:
    tree = Tree(folder, data_dir, until)
    yield tree
    if tree.process is not None and tree.process.poll() is None:
        tree.process.kill()
        tree.process.wait()


def one(state: RunState, role: str) -> ProcessId:
    (process,) = state.processes[role]
    return process


def dsn(state: RunState) -> str:
    assert state.dsn is not None
    return state.dsn


def test_an_interrupt_drains_in_order_and_leaves_nothing(tree: Tree, nothing_left: NothingLeft) -> None:
    state = tree.start()
    assert state.ready
    assert (tree.data_dir / "run" / "mainstem.json").stat().st_mode & 0o777 == 0o600
    assert tree.events() == ["begin", f"prepare {state.dsn}", "scheduler began", f"ready {state.url}"]
    code, errors = tree.refused()
    assert code == 3
    assert f"is in use by process {state.supervisor.pid}." in errors
    assert running_state(tree.data_dir) == state

    processes = tree.processes()
    code, errors = tree.end(signal.SIGINT)
    assert code == 0, errors
    assert tree.events()[4] == "scheduler drained"
    assert sorted(tree.events()[5:]) == ["serve drained", "work drained"]
    assert '"orderly": true' in errors
    nothing_left(*processes, tree=state.tree)
    assert read_state(tree.data_dir) is None


def test_what_dies_comes_back_and_the_rest_goes_on(
    tree: Tree, kill: Kill, nothing_left: NothingLeft, until: Until
) -> None:
    before = tree.start()
    with psycopg.connect(dsn(before)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    (tree.data_dir / "fail").touch()
    until(lambda: tree.events().count("scheduler began") == 2)

    kill(one(before, "work"))
    after_role = tree.wait(lambda state: state.processes.get("work", []) not in ([], before.processes["work"]))
    assert after_role.processes["serve"] == before.processes["serve"]

    kill(one(after_role, "guardian"))
    after_guardian = tree.wait(
        lambda state: state.processes.get("guardian", []) not in ([], before.processes["guardian"])
    )
    assert after_guardian.processes["postgres"] == before.processes["postgres"]

    kill(one(after_guardian, "postgres"))
    after_server = tree.wait(
        lambda state: state.processes.get("postgres", []) not in ([], before.processes["postgres"])
    )
    assert after_server.processes["work"] == after_role.processes["work"]

    def answer() -> bool:
        try:
            with psycopg.connect(dsn(before)) as connection:
                return connection.execute("SELECT n FROM kept").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    until(answer)
    processes = tree.processes()
    assert tree.end()[0] == 0
    nothing_left(*processes, tree=before.tree)


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_has_the_data(
    tree: Tree, kill: Kill, nothing_left: NothingLeft, servers: Servers
) -> None:
    # A role that hears nothing is the guardian's to end.
    state = tree.start("serve,deaf", stop_seconds=1.0)
    with psycopg.connect(dsn(state)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    processes = tree.processes()
    kill(state.supervisor)
    nothing_left(*processes, tree=state.tree)
    assert servers() == []

    again = tree.start("serve")
    with psycopg.connect(dsn(again)) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)
    assert tree.end()[0] == 0


def test_nothing_outlives_a_supervisor_and_guardian_that_were_killed_at_once(
    tree: Tree, kill: Kill, nothing_left: NothingLeft, servers: Servers
) -> None:
    state = tree.start("serve,work")
    processes = tree.processes()
    kill(one(state, "guardian"))
    kill(state.supervisor)
    nothing_left(*processes, tree=state.tree)
    assert servers() == []
    assert tree.start("serve").ready
    assert tree.end()[0] == 0


def test_the_next_start_ends_what_a_killed_supervisor_and_guardian_left(
    tree: Tree, kill: Kill, nothing_left: NothingLeft
) -> None:
    state = tree.start("serve,deaf")
    with psycopg.connect(dsn(state)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    # It would hear of the supervisor's end by itself.
    assert one(state, "postgres").send(signal.SIGSTOP)
    kill(one(state, "guardian"))
    kill(state.supervisor)
    orphans = [one(state, "postgres"), one(state, "deaf")]
    assert all(orphan.alive for orphan in orphans)

    again = tree.start("serve", stop_seconds=5.0)
    nothing_left(*orphans, tree=state.tree)
    with psycopg.connect(dsn(again)) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)
    assert tree.end()[0] == 0


def test_a_second_interrupt_cuts_the_drain_short(tree: Tree, until: Until, nothing_left: NothingLeft) -> None:
    state = tree.start("serve,deaf", runtime={"drain_seconds": 600})
    processes = tree.processes()
    tree.send(signal.SIGINT)
    until(lambda: "serve drained" in tree.events())
    assert one(state, "deaf").alive
    assert tree.end(signal.SIGINT)[0] == 0
    nothing_left(*processes, tree=state.tree)


def test_a_role_that_cannot_work_ends_the_tree(tree: Tree, servers: Servers) -> None:
    tree.begin("serve,fatal")
    code, errors = tree.ended()
    assert code == 3
    assert "The role fatal cannot work: it was told to." in errors
    assert servers() == []
    assert read_state(tree.data_dir) is None


def test_deleted_database_files_end_the_tree(tree: Tree, kill: Kill, folder: Path) -> None:
    state = tree.start("serve")
    (data,) = (path.parent.parent for path in folder.rglob("global/pg_control"))
    data.rename(data.with_name("gone"))
    kill(one(state, "postgres"))
    code, errors = tree.ended()
    assert code == 3
    assert "are gone" in errors
    assert server_processes(data) == []


def test_a_database_of_ones_own_is_no_part_of_the_tree(tree: Tree, nothing_left: NothingLeft) -> None:
    state = tree.start("serve", url="postgresql://elsewhere/db")
    assert sorted(state.processes) == ["serve"]
    assert tree.events()[1] == "prepare None"
    assert "elsewhere" not in (tree.data_dir / "run" / "mainstem.json").read_text()
    processes = tree.processes()
    # Without a guardian it is the watch pipe alone that tells the roles.
    assert state.supervisor.send(signal.SIGKILL)
    nothing_left(*processes, tree=state.tree)
