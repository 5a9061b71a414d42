"""The kill test, for long. `MAINSTEM_SOAK_KILLS` and `MAINSTEM_SOAK_SEED` change its length and course."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mainstem.testing.killing import KillRun
from mainstem.testing.tree import free_port

pytestmark = pytest.mark.soak


def test_many_kills(tmp_path: Path) -> None:
    kills = int(os.environ.get("MAINSTEM_SOAK_KILLS", "200"))
    seed = int(os.environ.get("MAINSTEM_SOAK_SEED", "1"))
    killed = KillRun(tmp_path / "data", free_port(), seed=seed, clients=3).run(kills=kills, pause=3.0)
    assert killed.kills.total() >= kills * 0.9
