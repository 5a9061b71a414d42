"""What is left of a load after somebody's word about it: done bit by bit, past what cannot be done, and to nobody's harm."""

from __future__ import annotations

import datetime as dt

import pytest
import structlog.testing

from mainstem.processing import Author, Quarantine, QuarantineSelection
from mainstem.runtime import load_settling
from mainstem.runtime.load_settling import LoadSettling, trim_loads

from .conftest import Loads, banded, declare


def _word(loads: Loads, verb: str, *ids: object) -> None:
    """Somebody's word about loads, who was killed before the records were decided."""
    for id_ in ids:
        loads.shop.site.query("UPDATE load SET state = %s, decided_by = 'ann' WHERE id = %s", verb, id_)


def test_other_jobs_have_their_turns_while_a_large_load_is_settled(loads: Loads) -> None:
    released, dismissed = loads.held(loads.file(25)), loads.held(loads.file(30))
    _word(loads, "released", released.id)
    _word(loads, "dismissed", dismissed.id)
    with loads.shop.site.runtime() as runtime:
        settling = LoadSettling(runtime)
        steps = [settling.step(10) for _ in range(7)]
        assert settling.step(10) == 0
    assert (max(steps), sum(steps)) == (10, 55)
    loads.shop.site.work()
    assert loads.terms() == (85, 55, 0, 0, 30)


def test_what_can_be_settled_does_not_wait_for_what_cannot(loads: Loads) -> None:
    damaged, whole = loads.held(loads.file(2)), loads.held(loads.file(3))
    loads.shop.site.query("UPDATE quarantine SET sealed = 'x' WHERE load = %s", damaged.id)
    _word(loads, "released", damaged.id, whole.id)
    with loads.shop.site.runtime() as runtime, structlog.testing.capture_logs() as logs:
        settling = LoadSettling(runtime)
        assert (settling.step(), settling.step()) == (3, 0)
    assert [line["load"] for line in logs if line["event"] == "load_settling_failed"] == [str(damaged.id)]


def test_what_a_policy_discards_is_not_tried_for_ever(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits, with the word about its load said: for a contract that lets it pass, or to be given up."""
    policy = "  - {property: schemaChange, value: {new_field: discard_row}}\n"
    declare(loads.shop.site, banded("free", "paid").replace("  - {property: source", f"{policy}  - {{property: source"))
    held = loads.held(loads.file(3, colour="red"))
    _word(loads, "released", held.id)
    with loads.shop.site.runtime() as runtime:
        settling = LoadSettling(runtime)
        assert settling.step() == 0
        with monkeypatch.context() as patched:
            patched.delattr(Quarantine, "release")
            assert settling.step() == 0
    assert loads.terms() == (33, 30, 0, 0, 3)


def test_loads_are_forgotten_long_after_but_for_what_is_needed(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three usual ones are there. One more waits, one was given up, and of one nothing is left to tell."""
    held, dismissed = loads.held(loads.file(25)), loads.held(loads.file(30))
    with loads.shop.site.runtime() as runtime, runtime.door:
        runtime.quarantine.dismiss(QuarantineSelection(load=dismissed.id), Author("ann", "no"))
    loads.shop.site.work()
    query = loads.shop.site.query
    query("INSERT INTO load SELECT gen_random_uuid(), source, stream, 7, 'dismissed' FROM load WHERE id = %s", held.id)
    monkeypatch.setattr(load_settling, "_USUAL", 2)
    with loads.shop.site.runtime() as runtime:
        database, now = runtime.database, runtime.clock.wall()
        assert trim_loads(database, now - dt.timedelta(days=1)) == 0
        query("UPDATE load SET begun_at = begun_at - interval '2 days', counted_at = counted_at - interval '2 days'")
        assert trim_loads(database, now - dt.timedelta(days=1)) == 2
        assert trim_loads(database, now - dt.timedelta(days=1)) == 0
    assert query("SELECT state, rows FROM load ORDER BY state, rows") == [
        ("dismissed", 30),
        ("held", 25),
        ("passed", 10),
        ("passed", 10),
    ]
    with loads.shop.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.release(QuarantineSelection(load=dismissed.id), Author("ann")).decided == 30
    loads.shop.site.work()
    assert loads.terms() == (85, 60, 0, 0, 25)
