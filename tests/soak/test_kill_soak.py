"""The kill test, for long, and its variants. The seed is printed: `MAINSTEM_SOAK_SEED` repeats a run's course,
`MAINSTEM_SOAK_KILLS` changes its length."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import pytest

from mainstem.testing.killing import ROLES, Killed, KillRun
from mainstem.testing.tree import free_port

pytestmark = pytest.mark.soak

_KILLS = int(os.environ.get("MAINSTEM_SOAK_KILLS", "200"))
_STEPPED_CLOCK = """
import datetime as dt, os
from pathlib import Path
from mainstem.clock import SystemClock

_OFFSET = Path(os.environ["MAINSTEM_TEST_OFFSET"])
_true = SystemClock.wall

def _stepped(self):
    return _true(self) + dt.timedelta(seconds=int(_OFFSET.read_text() or 0))

SystemClock.wall = _stepped
"""
"""What Python runs first in each process of the tree: their one clock is off by what a file says."""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> KillRun:
    seed = int(os.environ.get("MAINSTEM_SOAK_SEED", "0")) or secrets.randbelow(1 << 31)
    with capsys.disabled():
        sys.stdout.write(f"MAINSTEM_SOAK_SEED={seed}\n")
    return KillRun(tmp_path / "data", free_port(), seed=seed)


def tell(capsys: pytest.CaptureFixture[str], killed: Killed) -> None:
    with capsys.disabled():
        sys.stdout.write(f"{killed}\n")


def test_many_kills_and_a_rebuild_to_the_same_hashes(run: KillRun, capsys: pytest.CaptureFixture[str]) -> None:
    killed = run.run(kills=_KILLS, pause=2.0, rebuild=True)
    tell(capsys, killed)
    assert killed.kills.total() == _KILLS
    assert killed.rebuilt >= killed.received


def test_kills_between_put_and_commit_and_other_batch_sizes(run: KillRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Each start of the tree reads and flushes in other portions, so that a repeated commit has other bounds."""
    run.aims = ("put", "supervisor", "put", "put")
    # Commits of sixty records in blocks of seven are slow on purpose: what comes in must not outrun them.
    run.rest = 0.2

    def other_sizes() -> None:
        run.tree.environment |= {
            "MAINSTEM_LAKE__FLUSH_BYTES": str(run.chance.choice((1, 20_000, 500_000, 64 << 20))),
            "MAINSTEM_LAKE__FLUSH_SECONDS": str(run.chance.choice((0.1, 0.5, 2))),
            "MAINSTEM_LAKE__READ_RECORDS": str(run.chance.choice((60, 777, 50_000))),
            "MAINSTEM_LAKE__BLOCK_RECORDS": str(run.chance.choice((7, 500, 10_000))),
        }

    run.on_start = other_sizes
    killed = run.run(kills=max(_KILLS // 4, 4), pause=0.5, rebuild=True)
    tell(capsys, killed)
    assert killed.between >= killed.kills["put"] // 4
    assert killed.rebuilt >= killed.received >= killed.acknowledged > 0


def test_kills_while_the_clock_steps(run: KillRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The clock of all processes but PostgreSQL, which only keeps the leases, jumps by up to an hour, mostly backwards."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_STEPPED_CLOCK)
    offset = tmp_path / "offset"

    def step() -> None:
        fresh = offset.with_name("offset.new")
        fresh.write_text(str(run.chance.choice((-3600, -600, -61, -5, -1, 0, 30))))
        fresh.replace(offset)

    step()
    run.tree.environment |= {
        "MAINSTEM_TEST_OFFSET": str(offset),
        "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    run.on_turn = step
    killed = run.run(kills=max(_KILLS // 4, len(ROLES)), pause=2.0, rebuild=True)
    tell(capsys, killed)
    # `run` has held effects, lake, ledger and the rebuild against what was acknowledged; here that there was something to hold.
    assert set(killed.kills) == set(ROLES)
    assert killed.rebuilt >= killed.received >= killed.acknowledged > 0
