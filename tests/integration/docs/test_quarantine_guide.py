"""The commands of the guide to quarantine, exactly as they stand in it, do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mainstem.cli.main import main
from mainstem.intake import Delivery
from mainstem.runtime.declarations import activate_folder
from mainstem.testing.site import Site

ID = "3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05"
"""Stands in the guide for the record's."""
GUIDES = Path(__file__).parents[3] / "docs/guides"


def _commands() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```$", (GUIDES / "quarantine.md").read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def test_what_the_guide_says_comes_true(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = re.findall(
        r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", (GUIDES / "your-own-data.md").read_text(), re.DOTALL | re.MULTILINE
    )
    for name, contents in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents)
    monkeypatch.chdir(tmp_path)
    site = Site.begin(tmp_path / "mainstem-data/mine", migrated_dsn)
    with site.runtime() as runtime, runtime.door as door:
        activate_folder(runtime, tmp_path / "shop")
        orders = (tmp_path / "orders.ndjson").read_bytes()
        assert door.submit(Delivery("shop", orders, "application/x-ndjson", stream="orders")).accepted == 4
    site.work()
    [(id_,)] = site.query("SELECT id FROM quarantine")

    said = {}
    with site.runtime() as runtime:
        runtime.worker.start()
        for command in _commands():
            program, *arguments = shlex.split(command.replace(ID, str(id_)))
            assert program == ".venv/bin/mainstem"
            assert main(arguments) == 0, command
            said[command.split(" --data-dir")[0].removeprefix(f"{program} quarantine ")] = capsys.readouterr().out
        runtime.worker.stop()

    assert "1 record." in said["list"]
    assert str(id_) in said["list --records --source shop"]
    assert '"last Tuesday"' in said[f"show {ID}"]
    assert "0 of 1 record would pass" in said["replay --all --dry-run"]
    assert "Nothing was changed" in said["replay --source shop --stream orders"]
    [fixed] = [out for command, out in said.items() if command.startswith("fix")]
    assert "1 of 1 record fixed: in effect." in fixed
    [dismissed] = [out for command, out in said.items() if command.startswith("dismiss")]
    assert "Nothing was changed" in dismissed
    assert site.query("SELECT state FROM quarantine") == [("fixed",)]
