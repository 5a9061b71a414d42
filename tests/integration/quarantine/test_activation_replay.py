"""What a stream has in quarantine goes through a new contract by itself, once."""

from __future__ import annotations

import datetime as dt

import pytest
import structlog.testing

from mainstem.errors import IntegrityError, UnavailableError
from mainstem.intake import Decisions
from mainstem.processing import Author, Outcome, Quarantine, QuarantineSelection
from mainstem.runtime import in_effect
from mainstem.runtime.activation_replay import replay_activations
from mainstem.testing.site import Site

from .conftest import Shop, contract, view


def _replayed(site: Site) -> int:
    with site.runtime() as runtime:
        return replay_activations(runtime)


def _settle(site: Site, *, seconds: int = 60) -> None:
    """Let time pass since the contracts came into force."""
    site.query("UPDATE contract SET activated_at = activated_at - make_interval(secs => %s)", seconds)


@pytest.fixture
def filled(shop: Shop) -> Shop:
    shop.site.send("shop", [view(n, plan="trial") for n in range(6)] + [view(6, plan="gold"), view(7)])
    shop.site.work()
    _settle(shop.site)
    _replayed(shop.site)
    return shop


def test_a_contract_that_comes_into_force_replays_what_waits_for_it_once(filled: Shop) -> None:
    assert filled.line() == (8, 1, 0, 7)
    filled.declare("free", "paid", "trial")
    assert _replayed(filled.site) == 0, "a door may not know of it yet"
    _settle(filled.site)
    with structlog.testing.capture_logs() as logs:
        assert _replayed(filled.site) == 6
        filled.site.work()
        assert _replayed(filled.site) == 0
    told = [line for line in logs if line["event"] == "quarantine_replayed"]
    assert [(line["matched"], line["decided"], line["failing"]) for line in told] == [(7, 6, {"not_allowed/plan": 1})]
    assert (filled.line(), filled.events()) == ((8, 7, 0, 1), 7)


def test_it_waits_for_records_that_an_older_version_stamped(filled: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_effect, "_COMMITTED", dt.timedelta())
    filled.site.send("shop", [view(9, plan="trial")])
    filled.declare("free", "paid", "trial")
    _settle(filled.site, seconds=-60)
    _settle(filled.site, seconds=60)
    filled.site.query("UPDATE contract SET activated_at = now() - interval '5 seconds' WHERE NOT replayed")
    assert _replayed(filled.site) == 0
    filled.site.work()
    assert _replayed(filled.site) == 7


def test_one_that_was_broken_off_goes_on_and_counts_nothing_twice(
    filled: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.declare("free", "paid", "trial")
    _settle(filled.site)
    whole = Quarantine.replay

    def broken(self: Quarantine, *arguments: object) -> None:
        whole(self, *arguments)  # type: ignore[arg-type]
        raise UnavailableError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(Quarantine, "replay", broken)
        with pytest.raises(UnavailableError):
            _replayed(filled.site)
    _replayed(filled.site)
    filled.site.work()
    assert (filled.line(), filled.events()) == ((8, 7, 0, 1), 7)
    assert filled.site.query("SELECT count(*) FROM quarantine_decision") == [(6,)]


def test_what_one_had_claimed_who_was_killed_is_replayed_when_the_claim_ends(
    filled: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.declare("free", "paid", "trial")
    _settle(filled.site)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Decisions, "decide", killed)
        with pytest.raises(KeyboardInterrupt):
            _replayed(filled.site)
    assert _replayed(filled.site) == 0, "nobody knows yet whether its decisions came into the log"
    filled.site.query("UPDATE decision_batch SET claimed_at = claimed_at - interval '6 minutes'")
    assert _replayed(filled.site) == 6
    filled.site.work()
    assert _replayed(filled.site) == 0
    assert (filled.line(), filled.events()) == ((8, 7, 0, 1), 7)


def test_what_was_dismissed_stays_so(filled: Shop) -> None:
    filled.run("dismiss", "--all", "--reason", "not ours")
    filled.declare("free", "paid", "trial")
    _settle(filled.site)
    assert _replayed(filled.site) == 0


def test_a_stream_that_cannot_be_replayed_holds_up_no_other(filled: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.site.send("mall", [view(n) for n in range(3)])
    filled.site.work()
    filled.declare("free", "paid", "trial")
    filled.site.declare("contracts/mall/views.yaml", contract("free").replace("shop", "mall"))
    _settle(filled.site)
    whole = Quarantine.replay

    def broken(self: Quarantine, selection: QuarantineSelection, author: Author) -> Outcome:
        if selection.source == "shop":
            raise IntegrityError("A sealed record is damaged.")
        return whole(self, selection, author)

    with monkeypatch.context() as patched:
        patched.setattr(Quarantine, "replay", broken)
        with structlog.testing.capture_logs() as logs:
            assert _replayed(filled.site) == 3
    failed = [line for line in logs if line["event"] == "quarantine_replay_failed"]
    assert [(line["source"], line["log_level"]) for line in failed] == [("shop", "error")]
    assert _replayed(filled.site) == 6
