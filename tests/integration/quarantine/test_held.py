"""Records that a check holds: they wait for a person's word, in a term of their own, and take effect as they stand."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import Any

import pytest

from mainstem.cli.main import main
from mainstem.processing import Author, QuarantineSelection
from mainstem.runtime.activation_replay import replay_activations

from .conftest import Shop, holding, view


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """Three good views; two held for their amount, one for its currency, one for both; one that is wrong besides."""
    shop.site.declare("contracts/shop/views.yaml", holding("free", "paid"))
    shop.site.send("shop", [view(n, amount=n) for n in range(3)])
    shop.site.send("shop", [view(3, amount=900), view(4, amount=901), view(5, amount=1, currency="BTC")])
    shop.site.send("shop", [view(6, amount=902, currency="BTC"), view(7, amount=903, plan="trial")])
    shop.site.work()
    return shop


def _terms(shop: Shop) -> tuple[int, ...]:
    """Of shop.views: received, accepted, duplicate, quarantined, held; what is counted is what there is."""
    with shop.site.runtime() as runtime:
        assert runtime.ledger.deep_check() == []
    names = ("received", "accepted", "duplicate", "quarantined", "held")
    lines = [line for line in shop.site.status() if line.source == "shop"]
    return tuple(sum(getattr(line, name) for line in lines) for name in names)


def _id(shop: Shop, *held_by: str) -> str:
    found = shop.site.query("SELECT id FROM quarantine WHERE held_by = %s::jsonb ORDER BY index", json.dumps(held_by))
    return str(found[0][0])


def test_what_is_held_is_a_term_of_its_own_and_names_all_that_holds_it(filled: Shop) -> None:
    assert _terms(filled) == (8, 3, 0, 1, 4)
    assert filled.events() == 3
    _, causes = filled.run("list")
    assert Counter((one["state"], tuple(one["held_by"]), one["count"]) for one in causes) == {
        ("held", ("plausible",), 2): 1,
        ("held", ("known_currency",), 1): 1,
        ("held", ("plausible", "known_currency"), 1): 1,
        ("quarantined", (), 1): 1,
    }
    assert {one["reason"] for one in causes if one["state"] == "held"} == {"rule_failed"}
    assert len(filled.run("list", "--state", "held")[1]) == 3
    _, records = filled.run("list", "--records", "--state", "quarantined")
    assert [one["state"] for one in records] == ["quarantined"]
    _, shown = filled.run("show", _id(filled, "plausible", "known_currency"))
    assert json.loads(shown["payload"]) == view(6, amount=902, currency="BTC")["payload"]
    assert (shown["state"], shown["held_by"]) == ("held", ["plausible", "known_currency"])
    assert "plausible" in shown["message"]
    assert "known_currency" in shown["message"]
    assert "held by plausible, known_currency" in filled.said("list")


def test_a_released_record_takes_effect_as_it_stands_and_once(filled: Shop) -> None:
    id_ = _id(filled, "plausible", "known_currency")
    status, done = filled.run("release", id_, "--why", "asked the shop")
    assert (status, done["matched"], done["decided"], done["applied"]) == (0, 1, 1, True)
    assert (_terms(filled), filled.events()) == ((8, 4, 0, 1, 3), 4)
    _, again = filled.run("release", id_)
    assert (again["matched"], again["decided"], again["settled"]) == (0, 0, 1)
    _, shown = filled.run("show", id_)
    [decision] = shown["history"]
    assert (shown["state"], decision["decision"], decision["reason"]) == ("fixed", "released", "asked the shop")
    assert decision["released"] == ["plausible", "known_currency"]
    assert "released past plausible, known_currency" in filled.said("show", id_)
    # The sender's own repeat is held as well, and once released a duplicate.
    filled.site.send("shop", [view(6, amount=902, currency="BTC")])
    filled.site.work()
    assert filled.run("release", "--held-by", "plausible", "--held-by", "known_currency")[1]["decided"] == 1
    assert (_terms(filled), filled.events()) == ((9, 4, 1, 1, 3), 4)


def test_only_those_are_released_that_exactly_these_checks_hold(filled: Shop) -> None:
    """Who saw that an amount is large said nothing about the currency."""
    assert filled.run("release", "--held-by", "plausible")[1]["decided"] == 2
    assert _terms(filled) == (8, 5, 0, 1, 2)
    assert filled.run("release", "--held-by", "known_currency", "--held-by", "plausible")[1]["matched"] == 0
    assert filled.run("release", "--all")[1]["decided"] == 2
    assert _terms(filled) == (8, 7, 0, 1, 0)
    assert filled.run("release", "--all")[1]["matched"] == 0, "what is in quarantine is not released by the way"


def test_a_state_that_is_named_is_the_only_one_meant(filled: Shop) -> None:
    [(wrong,)] = filled.site.query("SELECT id FROM quarantine WHERE state = 'quarantined'")
    with filled.site.runtime() as runtime, runtime.door:
        for ids, state in (((), "quarantined"), ((wrong,), "held")):
            outcome = runtime.quarantine.release(QuarantineSelection(ids=ids, states=(state,)), Author("test"))
            assert (outcome.matched, outcome.decided) == (0, 0)
        assert runtime.quarantine.release(QuarantineSelection(states=("held",)), Author("test")).decided == 4


def test_a_release_is_of_the_record_under_the_contract_that_held_it(filled: Shop) -> None:
    """Whatever came into force since: as it stood it was right."""
    stricter = holding("free", "paid").replace("amount >= 0", "amount >= 0 AND amount < 901")
    filled.site.declare("contracts/shop/views.yaml", stricter)
    _, dry = filled.run("replay", "--all", "--dry-run")
    assert (dry["matched"], dry["passing"]) == (5, 0)
    assert filled.run("release", "--held-by", "plausible")[1]["decided"] == 2
    assert filled.site.query("SELECT DISTINCT contract_version FROM quarantine_decision") == [(2,)]
    assert _terms(filled) == (8, 5, 0, 1, 2)


def test_a_contract_that_lets_them_pass_replays_held_ones_too(filled: Shop) -> None:
    filled.site.declare("contracts/shop/views.yaml", holding("free", "paid", most=1000))
    filled.site.query("UPDATE contract SET activated_at = activated_at - interval '1 minute'")
    with filled.site.runtime() as runtime:
        assert replay_activations(runtime) == 2
    filled.site.work()
    assert _terms(filled) == (8, 5, 0, 1, 2)
    assert filled.site.query("SELECT DISTINCT decision FROM quarantine_decision") == [("replayed",)]


def test_a_fix_passes_all_checks_or_is_released_with_it(filled: Shop) -> None:
    id_ = _id(filled, "plausible")
    status, told = filled.run("fix", id_, "--set", "amount=500")
    assert (status, told["decided"], told["failures"][0]["rule"]) == (1, 0, "plausible")
    assert filled.run("fix", id_, "--set", "amount=50")[1]["decided"] == 1
    assert _terms(filled) == (8, 4, 0, 1, 3)
    # What was wrong and, corrected, would be held: one word does both.
    [(wrong,)] = filled.site.query("SELECT id FROM quarantine WHERE state = 'quarantined'")
    mended = ["fix", str(wrong), "--set", "plan=paid"]
    assert filled.run(*mended)[0] == 1
    assert filled.run(*mended, "--release")[1]["decided"] == 1
    assert _terms(filled) == (8, 5, 0, 0, 3)
    [decision] = filled.run("show", str(wrong))[1]["history"]
    assert (decision["decision"], decision["released"]) == ("fixed", ["plausible"])


def test_what_is_in_quarantine_is_released_only_past_what_would_hold_it(filled: Shop) -> None:
    [(wrong,)] = filled.site.query("SELECT id FROM quarantine WHERE state = 'quarantined'")
    status, told = filled.run("release", str(wrong))
    assert (status, told["decided"], told["failures"][0]["reason"]) == (1, 0, "not_allowed")
    filled.site.declare("contracts/shop/views.yaml", holding("free", "paid", "trial"))
    _, held = filled.run("replay", "--state", "quarantined")
    assert (held["decided"], held["failures"][0]["rule"]) == (0, "plausible")
    assert filled.run("release", str(wrong))[1]["decided"] == 1
    assert _terms(filled) == (8, 4, 0, 0, 4)


def test_a_dismissed_record_stays_held_in_the_ledger_and_can_still_be_released(filled: Shop) -> None:
    id_ = _id(filled, "known_currency")
    assert filled.run("dismiss", "--state", "held", "--reason", "a test of the shop's")[1]["decided"] == 4
    assert _terms(filled) == (8, 3, 0, 1, 4)
    assert filled.run("release", "--all")[1]["matched"] == 0
    assert filled.run("release", id_)[1]["decided"] == 1
    assert _terms(filled) == (8, 4, 0, 1, 3)


def test_a_release_while_no_worker_runs_takes_effect_when_one_does(filled: Shop) -> None:
    with filled.site.runtime() as runtime, runtime.door:
        outcome = runtime.quarantine.release(QuarantineSelection(held_by=["plausible"]), Author("test"))
        again = runtime.quarantine.release(QuarantineSelection(held_by=["plausible"]), Author("test"))
    assert (outcome.decided, again.decided, again.underway) == (2, 0, 2)
    assert _terms(filled) == (8, 3, 0, 1, 4)
    filled.site.work()
    assert (_terms(filled), filled.events()) == ((8, 5, 0, 1, 2), 5)


def test_a_rebuild_comes_to_the_same(filled: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    filled.run("release", _id(filled, "plausible"))
    filled.run("fix", _id(filled, "known_currency"), "--set", "currency=EUR")
    filled.run("dismiss", "--state", "held", "--reason", "no such order")
    filled.run("release", _id(filled, "plausible", "known_currency"))
    before = _terms(filled), filled.site.query("SELECT * FROM quarantine_decision ORDER BY id, decided_at")
    assert (before[0], len(before[1])) == ((8, 6, 0, 1, 1), 5)
    filled.site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(filled.site.data_dir)]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["identical"] is True
    assert (_terms(filled), filled.site.query("SELECT * FROM quarantine_decision ORDER BY id, decided_at")) == before


def test_a_rebuild_knows_who_gave_up_what_was_mended_later(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """As another customer's: in a partition that a rebuild may fold before the one where it was given up."""
    shop.site.declare("contracts/shop/views.yaml", holding("free", "paid"))
    shop.site.send("shop", [view(n, amount=900) for n in range(12)])
    shop.site.work()
    held = [id_ for (id_,) in shop.site.query("SELECT id FROM quarantine ORDER BY index")]
    with shop.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.dismiss(QuarantineSelection(), Author("ann", "strange")).decided == 12
    shop.site.work()
    with shop.site.runtime() as runtime, runtime.door:
        for number, id_ in enumerate(held):
            mended = json.dumps(view(number, amount=1, customer=f"z{number}")["payload"]).encode()
            assert runtime.quarantine.fix(id_, mended, Author("bob")).decided == 1
    shop.site.work()
    before = shop.site.query("SELECT * FROM quarantine_decision ORDER BY id, decided_at")
    assert Counter(row[7] for row in before) == {"dismissed": 12, "fixed": 12}
    shop.site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(shop.site.data_dir)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["tables"]["quarantine_decision"]["rows"] == 24
    assert shop.site.query("SELECT * FROM quarantine_decision ORDER BY id, decided_at") == before


@pytest.mark.parametrize("arguments", [["release"], ["release", "--all", "--source", "shop"]])
def test_what_was_not_meant_is_asked_back(shop: Shop, arguments: list[str]) -> None:
    assert shop.run(*arguments)[0] == 2


def test_an_unknown_record_is_told(shop: Shop) -> None:
    status, told = shop.run("release", str(uuid.UUID(int=1)))
    assert status > 1
    assert "No record" in told


@pytest.mark.parametrize("limit", ["0", "-1", str(10**20)])
def test_a_page_has_a_size(shop: Shop, limit: str) -> None:
    status, told = shop.run("list", "--records", "--limit", limit)
    assert status == 2
    assert "--limit" in told


def test_causes_that_a_sender_invents_are_counted_and_not_all_told(shop: Shop) -> None:
    shop.site.send("shop", [{**view(n), "stream": f"stream_{n}"} for n in range(1100)])
    shop.site.work()
    with shop.site.runtime() as runtime:
        outcome = runtime.quarantine.preview(QuarantineSelection())
    assert (outcome.matched, outcome.failed, len(outcome.failing)) == (1100, 1100, 1000)
    assert "100 for other causes" in shop.said("replay", "--all", "--dry-run")
