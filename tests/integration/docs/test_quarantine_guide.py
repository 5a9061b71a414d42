"""The commands of the guide to quarantine, exactly as they stand in it, do what it says."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mainstem.cli.main import main
from mainstem.intake import Delivery
from mainstem.runtime.declarations import activate_folder
from mainstem.testing.site import Site

from .conftest import blocks, commands

ID = "3f0a2c9e-5d1b-5c7e-8a64-1b9d2e7f4c05"
"""Stands in the guide for the record's."""

LARGE = b'\n{"order_id": "o-5", "account": "acme", "placed_at": "2026-01-14T09:00:00Z", "amount": 4100}'


def test_what_the_guide_says_comes_true(
    migrated_dsn: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    site = Site.begin(folder / "mainstem-data/mine", migrated_dsn)
    with (folder / "shop/contracts/shop/orders.yaml").open("a") as file:
        file.write(blocks("quarantine.md", "yaml")[0])
    with site.runtime() as runtime, runtime.door as door:
        activate_folder(runtime, folder / "shop")
        orders = (folder / "orders.ndjson").read_bytes() + LARGE
        assert door.submit(Delivery("shop", orders, "application/x-ndjson", stream="orders")).accepted == 5
    site.work()
    [(id_,)] = site.query("SELECT id FROM quarantine WHERE state = 'quarantined'")

    said = {}
    with site.runtime() as runtime:
        runtime.worker.start()
        for command in commands("quarantine.md"):
            program, *arguments = shlex.split(command.replace(ID, str(id_)))
            assert program == ".venv/bin/mainstem"
            assert main(arguments) == 0, command
            said[command.split(" --data-dir")[0].removeprefix(f"{program} quarantine ")] = capsys.readouterr().out
        runtime.worker.stop()

    assert "held by usual_amount" in said["list"]
    assert "2 records." in said["list"]
    assert str(id_) in said["list --records --source shop"]
    assert '"last Tuesday"' in said[f"show {ID}"]
    assert "0 of 2 records would pass" in said["replay --all --dry-run"]
    assert "Nothing was changed" in said["replay --source shop --stream orders"]
    [released] = [out for command, out in said.items() if command.startswith("release")]
    assert "1 of 1 record released: in effect." in released
    [fixed] = [out for command, out in said.items() if command.startswith("fix")]
    assert "1 of 1 record fixed: in effect." in fixed
    [dismissed] = [out for command, out in said.items() if command.startswith("dismiss")]
    assert "Nothing was changed" in dismissed
    assert site.query("SELECT state FROM quarantine") == [("fixed",)] * 2
