"""`mainstem log`: partitions of a log that is in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.testing.site import Site

AT = "2026-01-13T12:00:00Z"


def _event(number: int) -> dict[str, Any]:
    payload = {"id": f"e{number}", "customer_id": f"c{number % 9}", "event": "login", "occurred_at": AT}
    return {"stream": "usage_events", "payload": payload}


@pytest.fixture
def site(migrated_dsn: str, tmp_path: Path) -> Site:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.send("app", [_event(n) for n in range(60)])
    return site


def _shown(site: Site, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["log", "show", "--json", "--data-dir", str(site.data_dir)]) == ExitCode.OK
    shown: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return shown


def test_a_log_in_use_gets_more_partitions_and_fewer_again(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    [before] = _shown(site, capsys)
    assert (before["epoch"], before["partitions"], before["closed"]) == (1, 4, False)
    assert sum(head["in_effect"] for head in before["heads"]) == 0 < sum(head["appended"] for head in before["heads"])
    repartition = ["log", "repartition", "--data-dir", str(site.data_dir)]
    assert main([*repartition, "8"]) == ExitCode.OK
    assert "Epoch 2 of the log has 8 partitions" in capsys.readouterr().out
    # Repeats of what lies in the old partitions, and new ones.
    site.send("app", [_event(n) for n in range(30, 90)])
    assert main([*repartition, "2"]) == ExitCode.OK
    site.send("app", [_event(n) for n in range(80, 120)])
    site.work()
    epochs = _shown(site, capsys)
    assert [(one["partitions"], one["closed"]) for one in epochs] == [(4, True), (8, True), (2, False)]
    assert all(head["in_effect"] == head["appended"] for one in epochs for head in one["heads"])
    [line] = [line for line in site.status() if line.source == "app"]
    assert (line.received, line.accepted, line.duplicate, line.pending) == (160, 120, 40, 0)
    assert all(head["in_lake"] == 0 for one in epochs for head in one["heads"])
    site.fill_lake()
    assert all(head["in_lake"] == head["appended"] for one in _shown(site, capsys) for head in one["heads"])
    assert main(["rebuild", "analytics", "--from-lake", "--data-dir", str(site.data_dir)]) == ExitCode.OK


def test_a_number_that_cannot_be_changes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    repartition = ["log", "repartition", "--data-dir", str(site.data_dir)]
    assert main([*repartition, "3"]) == ExitCode.USAGE
    assert "1, 2, 4, 8 or 16" in capsys.readouterr().err
    assert main([*repartition, "4"]) == ExitCode.OK
    assert "4 partitions already" in capsys.readouterr().out
    assert len(_shown(site, capsys)) == 1
