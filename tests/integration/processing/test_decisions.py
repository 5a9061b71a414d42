"""Records that were quarantined, and what is decided about them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from mainstem.intake import (
    ContractActivated,
    CorrectedRecord,
    Decision,
    QuarantineDismissed,
    QuarantineFixed,
    encode_decision,
)
from mainstem.model import ENVELOPE, Lane, Place
from mainstem.processing import open_record

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
BAD = {"id": "e1", "customer": "c", "event": "open", "at": "no time"}
GOOD = BAD | {"at": "2026-01-15T11:00:00Z"}


def _decide(plant: Any, *decisions: Decision, slot: int = 1, names: list[str] | None = None) -> None:
    rows = [
        {
            "source": "mainstem",
            "stream": "decisions",
            "contract_version": 0,
            "record_id": names[number] if names else encode_decision(decision).hex(),
            "slot": slot,
            "op": "event",
            "occurred_at": plant.clock.wall(),
            "observed_at": plant.clock.wall(),
            "origin": "decision",
            "delivery": "d",
            "delivery_index": number,
            "content_type": "application/json;canonical",
            "payload": encode_decision(decision),
        }
        for number, decision in enumerate(decisions)
    ]
    plant.deliver(pa.RecordBatch.from_pylist(rows, ENVELOPE))


def _place(plant: Any) -> str:
    [(epoch, partition, lane, position, index)] = plant.query(
        "SELECT epoch, partition, lane, position, index FROM quarantine"
    )
    return str(Place(epoch, partition, Lane(lane), position, index))


def _fix(place: str, payload: dict[str, Any], **more: Any) -> QuarantineFixed:
    record = CorrectedRecord(
        source="app",
        stream="usage",
        op="event",
        payload=msgspec.Raw(json.dumps(payload).encode()),
        received_at=NOW,
        observed_at=NOW,
        contract_version=1,
        record_id=payload.get("id"),
        partition_key=payload.get("customer"),
        **more,
    )
    return QuarantineFixed(place=place, record=record)


def _dismiss(place: str) -> QuarantineDismissed:
    return QuarantineDismissed(place=place, slot=1, source="app", stream="usage", received_at=NOW, reason="test")


@pytest.fixture
def bad_place(plant: Any, usage_contract: Any) -> str:
    plant.deliver(plant.records(usage_contract, [BAD], slot=1))
    plant.run()
    assert plant.totals()["quarantined"] == 1
    return _place(plant)


def _line(plant: Any, source: str) -> tuple[int, ...]:
    [line] = plant.ledger().status(source)
    return (line.received, line.accepted, line.duplicate, line.quarantined, line.pending)


def test_a_fixed_record_takes_effect_under_its_own_day(plant: Any, bad_place: str) -> None:
    plant.clock.advance(dt.timedelta(days=2))
    _decide(plant, _fix(bad_place, GOOD))
    plant.run()
    assert _line(plant, "app") == (1, 1, 0, 0, 0)
    assert _line(plant, "mainstem") == (1, 1, 0, 0, 0)
    [line] = plant.ledger().status("app")
    assert line.day == NOW.date()
    assert plant.events() == 1
    # A stream whose records all came this way has a newest one like any other.
    heard = plant.query("SELECT max(last_occurred_at), max(last_received_at) FROM stream_clock WHERE source = 'app'")
    assert heard == [(dt.datetime(2026, 1, 15, 11, tzinfo=dt.UTC), NOW)]
    assert plant.query("SELECT state, decided_at FROM quarantine") == [("fixed", plant.clock.wall())]
    assert plant.ledger().deep_check() == []


def test_deciding_again_changes_nothing(plant: Any, bad_place: str) -> None:
    fix, again = _fix(bad_place, GOOD), _fix(bad_place, GOOD | {"event": "save"})
    _decide(plant, fix, fix, names=["one", "one"])
    plant.run()
    _decide(plant, fix, again, _dismiss(bad_place), names=["one", "two", "three"])
    plant.run()
    assert _line(plant, "app") == (1, 1, 0, 0, 0)
    assert _line(plant, "mainstem") == (5, 3, 2, 0, 0)
    assert plant.events() == 1
    assert plant.ledger().deep_check() == []


def test_a_correction_that_repeats_a_known_event_is_a_duplicate(
    plant: Any, usage_contract: Any, bad_place: str
) -> None:
    plant.deliver(plant.records(usage_contract, [GOOD], slot=1))
    _decide(plant, _fix(bad_place, GOOD))
    plant.run()
    assert _line(plant, "app") == (2, 1, 1, 0, 0)
    assert plant.events() == 1
    assert plant.ledger().deep_check() == []


def test_a_correction_that_is_still_wrong_stays_in_quarantine(plant: Any, bad_place: str) -> None:
    _decide(plant, _fix(bad_place, BAD | {"at": "yesterday"}))
    plant.run()
    assert _line(plant, "app") == (1, 0, 0, 1, 0)
    assert plant.query("SELECT state FROM quarantine") == [("quarantined",)]
    _decide(plant, _fix(bad_place, GOOD))
    plant.run()
    assert _line(plant, "app") == (1, 1, 0, 0, 0)


def test_a_dismissed_record_stays_in_its_term_and_can_still_be_fixed(plant: Any, bad_place: str) -> None:
    _decide(plant, _dismiss(bad_place))
    plant.run()
    assert plant.query("SELECT state FROM quarantine") == [("dismissed",)]
    assert _line(plant, "app") == (1, 0, 0, 1, 0)
    assert plant.ledger().deep_check() == []
    _decide(plant, _fix(bad_place, GOOD))
    plant.run()
    assert _line(plant, "app") == (1, 1, 0, 0, 0)
    assert plant.ledger().deep_check() == []


def test_a_fold_may_meet_the_decision_before_the_record(plant: Any, usage_contract: Any) -> None:
    """As a rebuild does, which folds one partition after the other."""
    plant.deliver(plant.records(usage_contract, [BAD], slot=3))
    _decide(plant, _fix("1-p3-live-1-0", GOOD), slot=2)
    sink, engine = plant.sink(), plant.engine()
    sink.commit(engine.process(plant.batches(2)), lease_epoch=plant.lease(2))
    assert plant.events() == 1
    sink.commit(engine.process(plant.batches(3)), lease_epoch=plant.lease(3))
    assert _line(plant, "app") == (1, 1, 0, 0, 0)
    assert plant.ledger().deep_check() == []
    [(state, reason, sealed)] = plant.query("SELECT state, reason, sealed FROM quarantine")
    assert (state, reason) == ("fixed", "invalid_time")
    record = open_record(plant.keyring.sealer, Place.parse("1-p3-live-1-0"), sealed)
    assert json.loads(record.payload) == BAD


def test_an_entity_can_be_fixed(plant: Any, accounts_contract: Any) -> None:
    plant.deliver(plant.records(accounts_contract, [{"id": "A", "seats": "many"}], slot=1))
    plant.run()
    record = CorrectedRecord(
        source="crm", stream="accounts", op="upsert", payload=msgspec.Raw(b'{"id":"A","seats":4}'), received_at=NOW,
        observed_at=NOW, contract_version=1, key="A", partition_key="A",
    )  # fmt: skip
    _decide(plant, QuarantineFixed(place=_place(plant), record=record))
    plant.run()
    assert _line(plant, "crm") == (1, 1, 0, 0, 0)
    assert plant.query("SELECT attributes->>'seats' FROM entity") == [("4",)]
    assert plant.ledger().deep_check() == []


def test_other_decisions_are_counted_and_unreadable_ones_quarantined(plant: Any) -> None:
    activated = ContractActivated(source="app", stream="usage", version=1, fingerprint="", text="")
    _decide(plant, activated)
    _decide(plant, activated)
    rows = plant.batches(1)[0].records.to_pylist()
    plant.deliver(pa.RecordBatch.from_pylist([{**rows[0], "record_id": "x", "payload": b'{"decision":"?"}'}], ENVELOPE))
    plant.run()
    assert _line(plant, "mainstem") == (3, 1, 1, 1, 0)
    assert plant.ledger().deep_check() == []


def test_a_correction_of_a_number_names_the_decision_that_made_it(plant: Any, usage_contract: Any) -> None:
    """Decided together and committed together, and still each number knows whose doing it is."""
    known = [GOOD | {"id": f"known {name}", "customer": name} for name in ("a", "b")]
    bad = [BAD | {"id": str(number), "customer": name} for number, name in enumerate("aba")]
    plant.deliver(plant.records(usage_contract, [*known, *bad], slot=1))
    plant.run()
    plant.clock.advance(dt.timedelta(days=2))
    places = plant.query("SELECT epoch, partition, lane, position, index FROM quarantine ORDER BY index")
    _decide(
        plant,
        *(
            _fix(str(Place(epoch, partition, Lane(lane), *place)), one | {"at": GOOD["at"]})
            for (epoch, partition, lane, *place), one in zip(places, bad, strict=True)
        ),
    )
    plant.run()
    [(position,)] = plant.query("SELECT max(position) FROM sink_position")
    corrections = plant.query(
        """
        SELECT old_value, new_value, cause, place FROM correction JOIN series USING (series)
        WHERE metric = 'events' ORDER BY place
        """
    )
    assert corrections == [(1, 2, "decision", f"1-p1-live-{position}-1"), (1, 3, "decision", f"1-p1-live-{position}-2")]
