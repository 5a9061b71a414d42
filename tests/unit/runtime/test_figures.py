from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mainstem.runtime.figures import FIGURES_VARIABLE, shared_figures

COUNT = """
from mainstem.telemetry import LAKE_COMMITS
LAKE_COMMITS.inc(2)
"""
SHOW = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def test_what_one_process_counts_another_shows(tmp_path: Path) -> None:
    with shared_figures(tmp_path):
        for _ in range(2):
            subprocess.run([sys.executable, "-c", COUNT], check=True)
        shown = subprocess.run([sys.executable, "-c", SHOW], check=True, capture_output=True, text=True).stdout
        folder = Path(os.environ[FIGURES_VARIABLE])
        assert folder.stat().st_mode & 0o777 == 0o700
    assert "mainstem_lake_commits_total 4.0" in shown
    assert not folder.exists()
    assert FIGURES_VARIABLE not in os.environ


def test_what_a_killed_run_left_is_removed_and_what_another_uses_is_not(tmp_path: Path) -> None:
    with shared_figures(tmp_path):
        folder = Path(os.environ[FIGURES_VARIABLE])
    base = folder.name.rpartition("-")[0]
    stale, used = folder.with_name(f"{base}-4194304999"), folder.with_name(f"{base}-1")
    stale.mkdir()
    used.mkdir()
    try:
        with shared_figures(tmp_path):
            assert not stale.exists()
            assert used.exists()
    finally:
        used.rmdir()
