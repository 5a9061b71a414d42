"""A running tree whose disks fill up: 503 with the reason, nothing acknowledged lost, recovery without a restart."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from mainstem.testing.killing import declare_workload
from mainstem.testing.reckoning import reckon
from mainstem.testing.small_disk import SmallDisk, cannot_mount, small_disk
from mainstem.testing.tree import RunningTree, free_port
from mainstem.testing.workload import Workload

_WHY_NOT = cannot_mount()
pytestmark = pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))

_PROBE = b'{"stream":"usage_events"}'
"""A record that would be refused: whether the door is open at all is what it tells."""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """One that PostgreSQL's account can enter: what is in `postgres` lies on that disk then."""
    folder = Path(tempfile.mkdtemp(prefix="ms-"))
    folder.chmod(0o711)
    (folder / "data").mkdir()
    (folder / "data").chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def disks(data_dir: Path) -> Iterator[dict[str, SmallDisk]]:
    with small_disk(data_dir / "postgres", 256) as database, small_disk(data_dir / "lake", 96) as lake:
        yield {"database": database, "lake": lake}


def knock(tree: RunningTree, key: str) -> httpx.Response:
    """Ask the door for nothing but whether it is open."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{tree.url}/api/v1/data/ingest/probe", content=_PROBE, headers=headers, timeout=60)


def until(condition: Callable[[], object], tree: RunningTree) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, tree.tail()
        time.sleep(0.1)


@pytest.mark.parametrize(
    "least_free_mb",
    [pytest.param(16, id="looked ahead"), pytest.param(0, id="met by the write", marks=pytest.mark.soak)],
)
def test_disks_that_fill_up_while_loading(data_dir: Path, disks: dict[str, SmallDisk], least_free_mb: int) -> None:
    tree = RunningTree(data_dir, free_port())
    tree.environment |= {
        "MAINSTEM_DATABASE__MAX_WAL_MB": "128",
        "MAINSTEM_RUNTIME__LEAST_FREE_MB": str(least_free_mb),
    }
    with tree:
        declare_workload(tree)
        key = tree.new_key("full", "ingest")
        before = tree.state()
        load = Workload(tree.url, key, clients=4)
        load.start()
        try:
            for name, disk in disks.items():
                fill_and_make_room(tree, key, load, name, disk, ahead=least_free_mb > 0)
        finally:
            expected = load.stop()
        reckon(tree, expected)
        after = tree.state()
        assert before is not None
        assert after is not None
        assert after.supervisor == before.supervisor
        assert after.processes["serve"] == before.processes["serve"]
        assert after.processes["work"] == before.processes["work"]
        assert after.processes["keep"] == before.processes["keep"]


def fill_and_make_room(tree: RunningTree, key: str, load: Workload, name: str, disk: SmallDisk, *, ahead: bool) -> None:
    reason = f"The disk of the {name} is full."
    disk.fill()
    if ahead:
        until(lambda: knock(tree, key).status_code == 503, tree)
        answer = knock(tree, key)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-full")
        assert answer.json()["detail"] == reason
        assert int(answer.headers["Retry-After"]) >= 1
        assert httpx.get(f"{tree.url}/healthz", timeout=60).status_code == 200
        ready = httpx.get(f"{tree.url}/readyz", timeout=60)
        assert (ready.status_code, ready.json()["type"]) == (503, "/problems/storage-full")
        assert ready.json()["detail"] == reason
        assert int(ready.headers["Retry-After"]) >= 1
    if ahead or name == "database":
        until(lambda: any(reason in client.turned_away for client in load.clients), tree)
    else:
        # Nobody looks ahead: what the lake has no room for is durable in the log, and waits there.
        until(lambda: "The lake's disk is full." in tree.log.read_text(), tree)
    disk.make_room()
    until(lambda: httpx.get(f"{tree.url}/readyz", timeout=60).status_code == 200, tree)
    acknowledged = load.acknowledged
    until(lambda: load.acknowledged > acknowledged + 1_000, tree)
