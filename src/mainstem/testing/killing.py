"""The kill test: load, kill, start again, and then look whether everything that was acknowledged counts exactly once."""

from __future__ import annotations

import dataclasses
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.reckoning import check_rebuild, reckon, release
from mainstem.testing.tree import RunningTree
from mainstem.testing.workload import ACCOUNTS_CONTRACT, JOURNEY, Workload

__all__ = ["ROLES", "KillRun", "Killed", "declare_workload"]

ROLES = ("serve", "work", "keep", "postgres", "supervisor", "guardian")
"""Who is killed: door; engine and sink; lake writer and scorer; postmaster; supervisor with its scheduler; the postmaster's guardian."""

_LIVES_SECONDS = 300.0
_PUT_SECONDS = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Killed:
    """What a run came to. `kills` counts by role; `attempts` are requests, repeated ones included.

    `received` counts every copy; `released` the held ones that were released while the worker was killed; `between` the kills that fell between a put into the lake and its commit; `rebuilt` the
    records that a rebuild folded to the same hashes (0: none was asked for).
    """

    kills: Counter[str]
    acknowledged: int
    attempts: int
    received: int
    released: int
    between: int
    rebuilt: int
    seconds: float


class KillRun:
    """Clients load a running installation while a random process is killed again and again.

    `aims` is which roles are killed by chance; `put` among them is a lake writer at the moment when it has put a file whose
    commit is still to come. `on_start` is called before each start of the tree, and may change its environment;
    `on_turn` after each kill. `rest` is how many seconds each client rests between its requests.
    """

    def __init__(self, data_dir: Path, port: int, seed: int, *, clients: int = 4) -> None:
        self.tree = RunningTree(data_dir, port)
        self.chance = random.Random(seed)  # noqa: S311 - a test is repeated by its seed
        self.aims: tuple[str, ...] = ROLES
        self.on_start: Callable[[], None] = lambda: None
        self.on_turn: Callable[[], None] = lambda: None
        self.rest = 0.0
        self._seed = seed
        self._clients = clients
        self._between = 0

    def run(self, kills: int, pause: float, *, rebuild: bool = False) -> Killed:
        """Kill `kills` times, about `pause` seconds apart, and check. Raises AssertionError for what does not hold."""
        began = time.monotonic()
        killed: Counter[str] = Counter()
        self.on_start()
        with self.tree as tree:
            declare_workload(tree)
            key = tree.new_key("kill-test", "ingest")
            load = Workload(tree.url, key, clients=self._clients, seed=self._seed, rest=self.rest)
            load.start()
            try:
                for turn in range(kills):
                    # Every role in turn first, then by chance: a short run kills each at least once.
                    aim = self.aims[turn] if turn < len(self.aims) else self.chance.choice(self.aims)
                    time.sleep(pause * self.chance.uniform(0.3, 1.7))
                    self._kill(aim)
                    killed[aim] += 1
                    self.on_turn()
                time.sleep(pause)
            finally:
                expected = load.stop()
            tree.wait_ready()
            released = release(tree)
            # While the decisions are on their way.
            self._kill("work")
            received = reckon(tree, expected)
            rebuilt = check_rebuild(tree) if rebuild else 0
        return Killed(
            kills=killed,
            acknowledged=load.acknowledged,
            attempts=load.attempts,
            received=received,
            released=released,
            between=self._between,
            rebuilt=rebuilt,
            seconds=round(time.monotonic() - began, 1),
        )

    def _kill(self, aim: str) -> None:
        """`kill -9`, and a new start where the supervisor was the one. One that is just being restarted is waited for."""
        deadline = time.monotonic() + _LIVES_SECONDS
        before = self._wait_put() if aim == "put" else None
        while self.tree.kill("keep" if aim == "put" else aim, self.chance) is None:
            assert time.monotonic() < deadline, f"no {aim} came back:\n{self.tree.tail()}"
            time.sleep(0.05)
        if before is not None:
            self._between += self._uncommitted(before)
        if aim == "supervisor":
            self.on_start()
            self.tree.start()

    def _wait_put(self) -> set[str]:
        """Until the lake writer puts the next commit's description, its last act before the commit; the new objects."""
        folder = self.tree.data_dir / "lake" / "commits"
        known = _names(folder)
        deadline = time.monotonic() + _PUT_SECONDS
        while not (new := _names(folder) - known):
            if time.monotonic() > deadline:
                return set()
            time.sleep(0.0005)
        return new

    def _uncommitted(self, names: set[str]) -> int:
        """1 if one of these objects of a killed writer has no commit in the manifest."""
        with connect_runtime(self.tree.data_dir) as runtime, runtime.database.snapshot() as connection:
            rows = connection.execute(
                "SELECT descriptor FROM lake_commit UNION ALL SELECT path FROM lake_replaced"
            ).fetchall()
        return int(not names <= {path.rpartition("/")[2] for (path,) in rows})


def declare_workload(tree: RunningTree) -> None:
    """Put the workload's contract of entities and its journey into force."""
    folder = tree.data_dir.parent / "declared"
    for name, text in (("contracts/accounts.yaml", ACCOUNTS_CONTRACT), ("metrics/using.yaml", JOURNEY)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with connect_runtime(tree.data_dir) as runtime, runtime.door:
        activate_folder(runtime, folder)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == ".json"} if folder.is_dir() else set()
