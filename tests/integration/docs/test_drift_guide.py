"""The commands of the guide to drift, exactly as they stand in it, do what it says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from mainstem.cli.main import main
from mainstem.intake import Delivery
from mainstem.runtime.declarations import activate_folder
from mainstem.testing.site import Site

from .conftest import commands

NEW = {"order_id": "o-5", "account": "acme", "placed_at": "2026-01-14T09:30:00Z", "product": "desk", "amount": 9}


def test_what_the_guide_says_comes_true(
    migrated_dsn: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    site = Site.begin(folder / "mainstem-data/mine", migrated_dsn)
    with site.runtime() as runtime, runtime.door as door:
        activate_folder(runtime, folder / "shop")
        orders = (folder / "orders.ndjson").read_bytes() + json.dumps(NEW | {"coupon": "JAN"}).encode()
        assert door.submit(Delivery("shop", orders, "application/x-ndjson", stream="orders")).accepted == 5
    site.work()

    said = []
    for command in commands("drift.md"):
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/mainstem"
        assert main(arguments) == 0, command
        said.append(capsys.readouterr())
    listed, chosen, proposed, activated = said
    assert "new field coupon: string  [1 record, evolve]" in listed.out
    assert "type change placed_at: string  [1 record, quarantine]" in listed.out
    assert [one["path"] for one in json.loads(chosen.out.splitlines()[-1])] == ["coupon"]
    assert "changed  the field 'coupon' (string) is new" in proposed.err
    assert "left     type change 'placed_at' (string)" in proposed.err
    assert activated.out == proposed.out
    assert "shop.orders, version 2: is in force now" in activated.err
