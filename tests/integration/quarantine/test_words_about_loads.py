"""Somebody's word about a load: for all of it, whatever else was said or lost, and by whoever may say it."""

from __future__ import annotations

import json
import uuid

import pytest

from mainstem.cli.main import main
from mainstem.contracts import Contract
from mainstem.errors import IntegrityError
from mainstem.intake import Load, load_files
from mainstem.intake import Loads as Judged
from mainstem.model import HeldLoad
from mainstem.processing import Author, QuarantineSelection
from mainstem.runtime.control_copy import copy_control, restore_control
from mainstem.runtime.load_settling import LoadSettling

from .conftest import Loads, banded, declare, view


def test_a_load_of_which_only_its_records_know_is_decided_as_a_whole_and_known_again(loads: Loads) -> None:
    shop, path = loads.shop, loads.file(2)
    path.write_text(path.read_text() + json.dumps(view(900, plan="trial")["payload"]) + "\n")
    held = loads.held(path)
    shop.site.query("DELETE FROM load WHERE id = %s", held.id)
    assert shop.run("release", "--all")[1]["matched"] == 0
    assert shop.run("dismiss", "--source", "shop", "--reason", "no")[1]["matched"] == 0
    assert shop.run("release", "--load", str(held.id), "--why", "a holiday")[1]["decided"] == 2
    assert shop.site.query(
        "SELECT source, stream, rows, state, least, most, reason FROM load WHERE id = %s", held.id
    ) == [("shop", "views", 3, "released", 5, 20, "a holiday")]
    declare(shop.site, banded("free", "paid", "trial"))
    assert shop.run("replay", "--all")[1]["decided"] == 1
    assert loads.terms() == (33, 33, 0, 0, 0)


def test_a_load_that_was_released_is_not_dismissed(loads: Loads) -> None:
    held = loads.held(loads.file(3))
    # The worker is behind: of what was released nothing is in effect.
    with loads.shop.site.runtime() as runtime, runtime.door:
        loads.shop.site.query("UPDATE load SET state = 'released' WHERE id = %s", held.id)
    status, told = loads.shop.run("dismiss", "--load", str(held.id), "--reason", "no")
    assert status == 2
    assert "was released" in told
    assert loads.terms() == (33, 30, 0, 0, 3)


def test_who_releases_a_load_while_it_is_being_dismissed_means_all_of_it(loads: Loads) -> None:
    held = loads.held(loads.file(3))
    whole = QuarantineSelection(load=held.id)
    with loads.shop.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.dismiss(whole, Author("ann", "wrong")).decided == 3
        assert runtime.quarantine.release(whole, Author("bob", "right")).underway == 3
    loads.shop.site.work()
    loads.shop.site.query("UPDATE decision_batch SET claimed_at = claimed_at - interval '1 minute'")
    with loads.shop.site.runtime() as runtime:
        assert LoadSettling(runtime).step() == 3
    loads.shop.site.work()
    assert loads.terms() == (33, 33, 0, 0, 0)


def test_files_that_grow_while_they_are_loaded_are_judged_by_what_they_hold_in_the_end(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, more = loads.file(10), loads.file(90)
    announce = Judged.announce

    def growing(self: Judged, id_: uuid.UUID, source: str, contract: Contract, rows: int) -> HeldLoad | None:
        with path.open("a") as file:
            file.write(more.read_text())
        return announce(self, id_, source, contract, rows)

    with monkeypatch.context() as patched:
        patched.setattr(Judged, "announce", growing)
        with pytest.raises(IntegrityError, match="changed"):
            loads.bring(path)
    assert loads.terms() == (30, 30, 0, 0, 0), "nothing was brought of what nobody had counted"
    assert loads.held(path).rows == 100


def test_what_loads_came_to_is_in_the_copy_of_the_control_plane(loads: Loads) -> None:
    """So that with a lost database neither what is usual nor what somebody said is lost."""
    shop = loads.shop
    dismissed, waiting = loads.held(loads.file(3)), loads.held(loads.file(4))
    shop.run("dismiss", "--load", str(dismissed.id), "--reason", "half an export")
    before = shop.site.query("SELECT * FROM load ORDER BY id")
    with shop.site.runtime() as runtime:
        copy_control(runtime)
        shop.site.query("DELETE FROM load")
        assert restore_control(runtime) == len(before) == 5
    assert shop.site.query("SELECT * FROM load ORDER BY id") == before
    assert (loads.held(loads.file(2)).least, waiting.least) == (5, 5)


def test_what_was_left_of_a_load_that_passed_when_it_came_again_is_no_load_any_more(loads: Loads) -> None:
    shop, path = loads.shop, loads.file(3)
    loads.held(path)
    # Dismissed, and nobody came to its records before it was here again, among smaller ones.
    shop.site.query("UPDATE load SET state = 'dismissed' WHERE rows = 3")
    shop.site.query("UPDATE load SET rows = 4 WHERE rows = 10")
    assert loads.bring(path).held is None
    assert loads.terms() == (36, 33, 0, 0, 3)
    assert shop.run("release", "--all")[1]["decided"] == 3
    assert loads.terms() == (36, 33, 3, 0, 0)


def test_a_word_before_the_first_record_is_told_to_be_one(loads: Loads, capsys: pytest.CaptureFixture[str]) -> None:
    site = loads.shop.site
    with site.runtime() as runtime, runtime.door as door:
        held = load_files(Load(str(loads.file(3)), "shop", "views"), door).held
    assert held is not None
    capsys.readouterr()
    assert main(["quarantine", "release", "--load", str(held.id), "--data-dir", str(site.data_dir)]) == 0
    assert f"The load {held.id} is released." in capsys.readouterr().out
