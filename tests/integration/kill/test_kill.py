"""Whatever is killed, what was acknowledged counts exactly once, and the lake holds every received copy once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstem.testing.killing import ROLES, KillRun
from mainstem.testing.tree import free_port


@pytest.mark.timeout(420)
def test_ten_kills(tmp_path: Path) -> None:
    run = KillRun(tmp_path / "data", free_port(), seed=20260115)
    run.rest = 0.2
    killed = run.run(kills=10, pause=2.0, rebuild=True)
    assert set(killed.kills) == set(ROLES)
    assert killed.acknowledged >= 1_000
    assert killed.received >= killed.acknowledged
    assert killed.released > 0
    assert killed.rebuilt >= killed.received
