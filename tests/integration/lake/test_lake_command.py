from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.lake import lake_app
from mainstem.eventlog import EventLog
from mainstem.lake import Lake
from mainstem.model import Lane
from mainstem.testing.lake_harness import LakeHarness

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(harness: LakeHarness, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `mainstem lake` with arguments: its exit status and standard output."""

    @contextlib.contextmanager
    def open_lake(data_dir: Path | None) -> Iterator[tuple[Lake, EventLog]]:
        assert data_dir == Path("/somewhere")
        yield harness.lake(compact_commits=2), harness.log

    # The command's entry point sends the log elsewhere; here it goes where structlog sends it by itself.
    logged = re.compile(r"^\d{4}-\d\d-\d\d .*\n", re.MULTILINE)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status: Any = lake_app(open_lake)([*arguments, "--data-dir", "/somewhere"], result_action="return_value")
        return status, logged.sub("", capsys.readouterr().out)

    return run


@pytest.fixture
def filled(harness: LakeHarness) -> LakeHarness:
    for step in range(3):
        harness.append(5, start=5 * step)
        harness.append(2, stream="users", lane=Lane.BULK, start=2 * step)
        writer = harness.writer("a")
        writer.drain()
        writer.stop()
    return harness


def test_ls(filled: LakeHarness, run: Run) -> None:
    status, out = run("ls", "--json")
    listing = json.loads(out)
    assert status == 0
    assert (listing["files"], listing["rows"]) == (6, 21)
    assert listing["bytes"] == sum((filled.root / path).stat().st_size for path in filled.files("raw"))
    orders, users = listing["streams"]
    assert (orders["source"], orders["stream"], orders["day"], orders["rows"]) == ("shop", "orders", "2026-01-15", 15)
    assert (users["stream"], users["files"]) == ("users", 3)
    assert listing["chains"] == [
        {"epoch": 1, "partition": 0, "lane": "live", "last": 3},
        {"epoch": 1, "partition": 0, "lane": "bulk", "last": 3},
    ]
    status, out = run("ls")
    assert status == 0
    assert "2026-01-15" in out
    assert "21" in out


def test_verify(filled: LakeHarness, run: Run) -> None:
    status, out = run("verify", "--deep", "--json")
    assert status == 0
    report = json.loads(out)
    assert (report["whole"], report["deep"], report["files"], report["problems"]) == (True, True, 6, [])
    status, out = run("verify")
    assert (status, out.splitlines()[-1].endswith("whole.")) == (0, True)
    path = min(filled.files("raw"))
    (filled.root / path).unlink()
    status, out = run("verify", "--json")
    assert status == 1
    assert json.loads(out)["problems"] == [{"kind": "missing", "where": path, "detail": "is not there"}]
    status, out = run("verify")
    assert status == 1
    assert f"missing: {path}" in out


def test_compact(filled: LakeHarness, run: Run) -> None:
    status, out = run("compact", "--json")
    assert status == 0
    report = json.loads(out)
    assert (report["commits_before"], report["commits_after"], report["files_after"]) == (6, 2, 2)
    assert json.loads(run("ls", "--json")[1])["rows"] == 21
    assert run("compact")[1].startswith("0 commits became 0")
    assert run("verify", "--deep")[0] == 0
