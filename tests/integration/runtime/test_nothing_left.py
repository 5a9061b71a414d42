"""The real tree, ended in every way and at every moment: no process of it remains, and the next start has the data."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.runtime.wiring import connect_runtime
from mainstem.simulators.demo import dataset_folder
from mainstem.simulators.oulad import OuladData
from mainstem.testing.reckoning import reckon
from mainstem.testing.tree import RunningTree, free_port
from mainstem.testing.workload import Workload

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[RunningTree]:
    tree = RunningTree(tmp_path / "data", free_port())
    yield tree
    tree.stop()
    assert tree.left() == []


@pytest.mark.timeout(420)
def test_killed_while_starting_while_recovering_and_while_working(tree: RunningTree, until: Until) -> None:
    # The making of the database, its first start, the roles' start: whatever these moments meet.
    for seconds in (0.3, 1.0, 1.6, 2.5, 4.0):
        tree.launch()
        time.sleep(seconds)
        tree.kill_supervisor()
        until(lambda: not tree.left())
    tree.start()
    load = Workload(tree.url, tree.new_key("nothing-left", "ingest"), clients=3, rest=0.05)
    load.start()
    until(lambda: load.acknowledged > 1_000)
    # The server is killed too: the next start has to recover, and is killed in the midst of that.
    chance = random.Random(1)
    assert tree.kill("postgres", chance)
    tree.kill_supervisor()
    until(lambda: not tree.left())
    tree.launch()
    until(lambda: any(process.command == "postgres" for process in tree.left()))
    tree.kill_supervisor()
    until(lambda: not tree.left())
    tree.start()
    # Both of those who would clean up, at once.
    acknowledged = load.acknowledged
    until(lambda: load.acknowledged > acknowledged + 1_000)
    assert tree.kill("guardian", chance)
    tree.kill_supervisor()
    until(lambda: not tree.left())
    tree.start()
    # All at once.
    state = tree.state()
    assert state is not None
    for process in [state.supervisor, *(each for found in state.processes.values() for each in found)]:
        process.send(signal.SIGKILL)
    tree.kill_supervisor()
    until(lambda: not tree.left())
    tree.start()
    reckon(tree, load.stop())


def test_a_closed_terminal_is_an_orderly_end(tree: RunningTree, until: Until) -> None:
    terminal, other = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mainstem.cli.main", "up", "--data-dir", str(tree.data_dir), "--port", str(tree.port)],
        env={**os.environ, "MAINSTEM_DATABASE__SYSTEM_FOLDER": str(tree.system_folder)},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
        # The leader of the new session makes it its terminal.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no other thread runs here
    ) as process:
        os.close(other)
        printed = b""
        try:
            while b"is ready" not in printed:
                printed += os.read(terminal, 4096)
            assert tree.left()
        finally:
            os.close(terminal)
        assert process.wait(60) == 0
    until(lambda: not tree.left())


def test_a_killed_demo_leaves_nothing_and_is_taken_up_again(tmp_path: Path, until: Until) -> None:
    tree = RunningTree(tmp_path / "data", free_port(), verb="demo")
    tree.start()
    time.sleep(2)
    tree.kill_supervisor()
    until(lambda: not tree.left())
    with tree:
        assert tree.left()
    assert tree.left() == []


@pytest.mark.parametrize("moment", ["loading", "replaying", "waiting at the end"])
def test_a_demo_that_is_told_to_stop_ends_in_order(tmp_path: Path, until: Until, moment: str) -> None:
    everything = _everything()
    # What the demo waits for at its end, that everything is in the lake, does not come.
    tree = RunningTree(
        tmp_path / "data",
        free_port(),
        {"MAINSTEM_LAKE__FLUSH_SECONDS": "600"},
        verb="demo",
        options=["--exit", *(["--speed", "1"] if moment == "replaying" else ["--speed", "0"])],
    )
    with tree:
        if moment == "replaying":
            until(lambda: _received(tree) > 0)
        elif moment == "waiting at the end":
            until(lambda: _received(tree) == everything)
        began = time.monotonic()
        assert tree.stop() == ExitCode.INTERRUPTED, tree.tail()
        assert time.monotonic() - began < 10
    assert tree.left() == []
    said = tree.log.read_text()
    assert "The demo was told to stop before it was done." in said
    assert "Traceback" not in said
    assert "57P01" not in said


def _received(tree: RunningTree) -> int:
    """How many records the demo has brought."""
    with connect_runtime(tree.data_dir) as runtime:
        return sum(line.received for line in runtime.ledger.status("oulad"))


def _everything() -> int:
    data = OuladData(dataset_folder("oulad") / "data", dt.date(2026, 1, 1))
    return sum(data.counts().values())
