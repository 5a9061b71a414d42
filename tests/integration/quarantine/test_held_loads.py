"""A load with fewer or more rows than its stream's contract expects is held as a whole, and released or dismissed as a whole."""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path

import pytest

from mainstem.cli.main import main
from mainstem.errors import UnavailableError
from mainstem.intake import Door, Load, Receipt, Rows, load_files
from mainstem.processing import Author, Quarantine, QuarantineSelection
from mainstem.runtime.activation_replay import replay_activations
from mainstem.runtime.load_settling import LoadSettling

from .conftest import Loads, Shop, banded, declare, view


def test_the_first_loads_are_not_judged_and_live_records_are_none(shop: Shop, tmp_path: Path) -> None:
    declare(shop.site, banded("free", "paid"))
    loads = Loads(shop, tmp_path)
    for count in (10, 1, 30):
        assert loads.bring(loads.file(count)).held is None
    assert loads.held(loads.file(1)).least == 5
    shop.site.send("shop", [view(1000)])
    shop.site.work()
    assert loads.terms() == (43, 42, 0, 0, 1)


@pytest.mark.parametrize("count", [4, 21])
def test_a_load_out_of_its_band_is_held_as_a_whole_and_released_by_one_command(loads: Loads, count: int) -> None:
    path = loads.file(count)
    held = loads.held(path)
    assert (held.rows, held.least, held.most) == (count, 5, 20)
    assert loads.terms() == (30 + count, 30, 0, 0, count)
    shop = loads.shop
    _, [cause] = shop.run("list")
    assert (cause["reason"], cause["held_by"], cause["load"], cause["count"]) == (
        "load_volume", ["rowCount"], str(held.id), count,
    )  # fmt: skip
    for told in (f"has {count} rows; 5 to 20 are expected", f"release --load {held.id}"):
        assert told in cause["message"]
    _, done = shop.run("release", "--load", str(held.id), "--why", "a holiday")
    assert (done["matched"], done["decided"], done["applied"]) == (count, count, True)
    assert loads.terms() == (30 + count, 30 + count, 0, 0, 0)
    assert shop.run("release", "--load", str(held.id))[1]["matched"] == 0
    assert shop.site.query("SELECT state, reason, counted_at IS NOT NULL FROM load WHERE rows = %s", count) == [
        ("released", "a holiday", True)
    ]
    # What it was is known: the same files again are repeats.
    assert loads.bring(path).held is None
    assert loads.terms() == (30 + 2 * count, 30 + count, count, 0, 0)


def test_the_command_says_that_a_load_is_held(loads: Loads, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--source", "shop", "--stream", "views", "--data-dir", str(loads.shop.site.data_dir)]
    small = str(loads.file(2))
    with loads.shop.working():
        assert main(["load", small, *arguments]) == 1
    assert "HELD: The load" in capsys.readouterr().err
    with loads.shop.working():
        assert main(["load", small, *arguments, "--json"]) == 1
    told = json.loads(next(line for line in capsys.readouterr().out.splitlines() if line.startswith("{")))
    assert (told["accepted"], told["held"]["rows"], told["held"]["least"]) == (2, 2, 5)


def test_a_released_load_counts_for_the_next_and_a_dismissed_one_does_not(loads: Loads) -> None:
    shop = loads.shop
    for decision, usual in (("dismiss", (5, 20)), ("release", (5, 20)), ("release", (20, 80))):
        held = loads.held(loads.file(90 if usual[1] == 80 else 40))
        assert (held.least, held.most) == usual
        word = ["--reason", "a test"] if decision == "dismiss" else []
        assert shop.run(decision, "--load", str(held.id), *word)[1]["decided"] == held.rows
        if usual == (5, 20) and decision == "release":
            again = loads.held(loads.file(40))
            shop.run("release", "--load", str(again.id))
    assert loads.terms() == (30 + 40 + 40 + 40 + 90, 30 + 40 + 40 + 90, 0, 0, 40)


def test_a_dismissed_load_that_comes_again_is_judged_anew(loads: Loads) -> None:
    path = loads.file(3)
    held = loads.held(path)
    loads.shop.run("dismiss", "--load", str(held.id), "--reason", "half an export")
    loads.shop.site.query("UPDATE load SET begun_at = begun_at - interval '9 days' WHERE id = %s", held.id)
    assert loads.held(path) == held
    # It begins anew: else it could be forgotten as one of long ago while it comes.
    old = "SELECT count(*)::int FROM load WHERE begun_at < now() - interval '1 day'"
    assert loads.shop.site.query(old) == [(0,)]
    assert loads.terms() == (36, 30, 0, 0, 6)
    assert loads.shop.run("release", "--load", str(held.id))[0] == 0
    assert loads.terms() == (36, 33, 3, 0, 0), "who changes their mind means all of it"


def test_a_load_that_is_broken_off_and_run_again_stays_what_it_was(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = loads.file(30)
    whole = Door.submit_rows

    def broken(self: Door, rows: Rows) -> Receipt:
        whole(self, rows)
        raise UnavailableError("killed after what it had brought was durable", retry_after=1000)

    with monkeypatch.context() as patched:
        patched.setattr(Door, "submit_rows", broken)
        with pytest.raises(UnavailableError):
            loads.bring(path)
    # Loads that came between change nothing about it.
    loads.shop.site.query("UPDATE load SET rows = 30 WHERE state = 'passed'")
    held = loads.held(path)
    assert (held.least, held.most) == (5, 20)
    assert loads.terms() == (90, 30, 0, 0, 60)
    loads.shop.run("release", "--load", str(held.id))
    assert loads.terms() == (90, 60, 30, 0, 0)


def test_a_load_that_was_never_finished_counts_for_nobody(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Door, rows: Rows) -> Receipt:
        raise UnavailableError("killed", retry_after=1000)

    path = loads.file(20)
    with monkeypatch.context() as patched:
        patched.setattr(Door, "submit_rows", broken)
        with pytest.raises(UnavailableError):
            loads.bring(path)
    assert loads.shop.site.query("SELECT counted_at FROM load WHERE rows = 20") == [(None,)]
    assert loads.bring(path).held is None
    assert loads.shop.site.query("SELECT count(*) FROM load WHERE rows = 20 AND counted_at IS NOT NULL") == [(1,)]


def test_two_clients_that_load_the_same_judge_it_once(loads: Loads) -> None:
    path = loads.file(25)
    with (
        loads.shop.site.runtime() as runtime,
        runtime.door as door,
        concurrent.futures.ThreadPoolExecutor(2) as clients,
    ):
        each = [clients.submit(load_files, Load(str(path), "shop", "views"), door) for _ in range(2)]
        [one, other] = [future.result().held for future in each]
    assert one == other
    assert one is not None
    loads.shop.site.work()
    assert loads.shop.run("release", "--load", str(one.id))[1]["decided"] == 50
    assert loads.terms() == (80, 55, 25, 0, 0)


def test_no_other_word_parts_a_held_load(loads: Loads) -> None:
    """Neither what is said of all that is held, nor a contract that lets more pass."""
    shop = loads.shop
    wrong = loads.file(2, plan="trial")
    rows = wrong.read_text() + json.dumps(view(900, amount=900)["payload"]) + "\n"
    wrong.write_text(rows + json.dumps(view(901, amount=1)["payload"]) + "\n")
    held = loads.held(wrong)
    assert loads.terms() == (34, 30, 0, 2, 2)
    assert shop.run("release", "--all")[1]["matched"] == 0
    assert shop.run("dismiss", "--source", "shop", "--reason", "no")[1]["matched"] == 0
    declare(shop.site, banded("free", "paid", "trial"))
    with shop.site.runtime() as runtime:
        assert replay_activations(runtime) == 0
    assert shop.run("dismiss", "--load", str(held.id), "--source", "shop", "--reason", "no")[0] == 2
    # Past the number of its rows, and nothing else: one is too large, two were wrong then and are right now.
    status, done = shop.run("release", "--load", str(held.id))
    assert (status, done["decided"], done["failures"][0]["rule"]) == (1, 1, "plausible")
    assert loads.terms() == (34, 31, 0, 2, 1)
    assert shop.run("replay", "--all")[1]["decided"] == 2
    assert shop.run("release", "--all")[1]["decided"] == 1
    assert loads.terms() == (34, 34, 0, 0, 0)


def test_what_comes_after_the_word_about_a_load_follows_it(loads: Loads) -> None:
    """The worker was down when somebody decided, and who decided was killed before the records were."""
    released, dismissed = loads.file(2), loads.file(3)
    with loads.shop.site.runtime() as runtime, runtime.door as door:
        ids = []
        for path in (released, dismissed):
            held = load_files(Load(str(path), "shop", "views"), door).held
            assert held is not None
            ids.append(held.id)
        quarantine: Quarantine = runtime.quarantine
        assert quarantine.release(QuarantineSelection(load=ids[0]), Author("ann", "right")).matched == 0
        assert quarantine.dismiss(QuarantineSelection(load=ids[1]), Author("ann", "wrong")).matched == 0
    loads.shop.site.work()
    assert loads.terms() == (35, 30, 0, 0, 5)
    with loads.shop.site.runtime() as runtime:
        settling = LoadSettling(runtime)
        assert settling.step() == 5
        assert settling.step() == 0, "they are on their way"
    loads.shop.site.work()
    assert loads.terms() == (35, 32, 0, 0, 3)
    assert loads.shop.site.query("SELECT DISTINCT decision, decided_by, reason FROM quarantine_decision ORDER BY 1") == [
        ("dismissed", "ann", "wrong"), ("released", "ann", "right"),
    ]  # fmt: skip


def test_a_fixed_band_needs_no_history(shop: Shop, tmp_path: Path) -> None:
    count = "      - {type: library, metric: rowCount, mustBeBetween: [5, 8], severity: hold}\n"
    declare(shop.site, banded("free", "paid", row_count=count))
    loads = Loads(shop, tmp_path)
    assert [loads.bring(loads.file(n)).held is None for n in (5, 8, 4, 9)] == [True, True, False, False]


def test_a_rebuild_comes_to_the_same_and_a_lost_control_plane_stops_no_release(
    loads: Loads, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = loads.shop
    first, second, third = (loads.held(loads.file(n)) for n in (1, 2, 3))
    shop.run("release", "--load", str(first.id))
    shop.run("dismiss", "--load", str(second.id), "--reason", "a test")
    before = loads.terms(), shop.site.query("SELECT id, state, load FROM quarantine ORDER BY id")
    shop.site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(shop.site.data_dir)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["identical"] is True
    assert (loads.terms(), shop.site.query("SELECT id, state, load FROM quarantine ORDER BY id")) == before
    shop.site.query("DELETE FROM load")
    assert shop.run("release", "--load", str(third.id))[1]["decided"] == 3
    assert shop.run("release", "--load", "00000000-0000-0000-0000-000000000001")[0] == 6
