"""Memory: all roles idle, all roles at 10,000 events a second, and what an owner's known ids keep resident.

Counted is the proportional set size of anonymous and shared memory (PostgreSQL's buffers included), without file-backed
maps, which the kernel takes back when it likes: programs, libraries, sealed deduplication segments.

    python -m benchmarks memory=200000000      with so many known ids (17.5 bytes of disk each)
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.installation import installation
from benchmarks.recipe import Figure
from benchmarks.sending import Pace, Sender
from mainstem.processing import DedupSettings, LocalSegments
from mainstem.processing.dedup import DedupState, Keys, SegmentRow, Slots, Space, Unit
from mainstem.processing.dedup.catalogue import replace
from mainstem.processing.dedup.keys import DAY_SHIFT
from mainstem.store import Database
from mainstem.testing.tree import RunningTree, free_port

__all__ = ["run", "tree_memory"]

_MIB = 1 << 20
_RATE = 10_000
_BODY = 200
_SECONDS = 15
_IDS = 20_000_000
_SEGMENT = 10_000_000
_DAYS = 365
_TODAY = 740_000
_UNIT = Unit("bench", "usage_events", Space.DAY)
_ALL = Slots(1, 0)
# Batches as a sink's, asked of the state one after the other.
_BATCH = 10_000
_BATCHES = 100


def run(ids: int = _IDS) -> Iterator[Figure]:
    yield from _tree()
    yield _known(ids)


def tree_memory(supervisor: int) -> dict[str, float]:
    """MiB of a process and its descendants, by program (`serve`, `work`, `keep`, `up`, `postgres`)."""
    found: dict[str, float] = {}
    for pid in _family(supervisor):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
            resident = _resident(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        verb = command.index("mainstem.cli.main") + 1 if "mainstem.cli.main" in command else None
        role = command[verb] if verb is not None else "postgres"
        found[role] = found.get(role, 0.0) + resident / _MIB
    return found


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants, as far as they are still there."""
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _family(int(child))


def _resident(pid: int) -> int:
    """Bytes of anonymous and shared memory, in proportion to who shares it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def _tree() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        with RunningTree(home / "data", free_port(), {"MAINSTEM_LAKE__FLUSH_SECONDS": "30"}) as tree:
            key = tree.new_key("bench", "admin")
            state = tree.state()
            assert state is not None
            supervisor = state.supervisor.pid
            time.sleep(5)
            idle = tree_memory(supervisor)
            yield _megabytes("memory of all roles, idle", sum(idle.values()), 1024, idle)
            with Sender(tree.url, key, source="shop", pace=Pace(_RATE, _BODY, _SECONDS)) as sender:
                sender.start()
                samples: list[dict[str, float]] = []
                ending = threading.Event()
                sampler = threading.Thread(target=_sample, args=(supervisor, samples, ending))
                sampler.start()
                sent = sender.result()
                ending.set()
                sampler.join()
            most = max(samples, key=lambda sample: sum(sample.values()))
            name = f"memory of all roles at {sent.events / sent.seconds:,.0f} events/s, most"
            yield _megabytes(name, sum(most.values()), 2048, most)


def _sample(supervisor: int, samples: list[dict[str, float]], ending: threading.Event) -> None:
    while not ending.wait(0.5):
        samples.append(tree_memory(supervisor))


def _megabytes(name: str, value: float, must: float, by_role: dict[str, float]) -> Figure:
    largest = max(by_role, key=lambda role: by_role[role])
    return Figure(name, value, "MiB", must, f"{largest} alone", by_role[largest], higher_is_better=False)


def _known(ids: int) -> Figure:
    """Bytes an id that a process keeps which knows so many, after it was asked for a million."""
    with installation() as parts, tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        segments = LocalSegments(Path(folder))
        chance = np.random.default_rng(1)
        left = ids
        while left:
            n = min(left, _SEGMENT)
            name, content_hash = segments.write("dedup/bench", [_keys(chance, n)], Space.DAY)
            with parts.database.transaction() as connection:
                replace(connection, [], [], SegmentRow(_UNIT, name, n, {}, content_hash, _ALL))
            left -= n
        # A process of its own: nothing of the making is in its memory.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            before, after = pool.apply(_asked, (parts.database.dsn, folder))
    return Figure(
        f"memory of {ids:,} known ids",
        (after - before) / ids,
        "bytes/id",
        1.0,
        "the ids' hashes themselves",
        16.0,
        higher_is_better=False,
    )


def _keys(chance: np.random.Generator, count: int) -> Keys:
    """Sorted keys, spread evenly over the days."""
    days = np.uint64(_TODAY) - chance.integers(0, _DAYS, count, np.uint64)
    hi = (days << np.uint64(DAY_SHIFT)) | chance.integers(0, 1 << DAY_SHIFT, count, np.uint64)
    return Keys(np.sort(hi), chance.integers(0, 1 << 64, count, np.uint64))


def _asked(dsn: str, folder: str) -> tuple[int, int]:
    """Resident bytes of this process before it knows any id, and after it was asked for many."""
    chance = np.random.default_rng(2)
    own = os.getpid()
    with Database(dsn) as database, ThreadPoolExecutor(1) as executor:
        state = DedupState(_ALL, LocalSegments(Path(folder)), executor, DedupSettings())
        state.stage(_UNIT, _keys(chance, _BATCH))
        before = _resident(own)
        with database.transaction() as connection:
            state.load(connection)
        for _ in range(_BATCHES):
            state.stage(_UNIT, _keys(chance, _BATCH))
        return before, _resident(own)
