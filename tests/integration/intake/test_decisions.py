from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from mainstem.intake import (
    CANONICAL_JSON,
    ContractActivated,
    CorrectedRecord,
    Decision,
    Decisions,
    DeclarationActivated,
    Door,
    DoorParts,
    QuarantineDismissed,
    QuarantineFixed,
    decode_decision,
    encode_decision,
)
from mainstem.model import Lane
from mainstem.privacy import Keyring

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
RECORD = CorrectedRecord(
    source="shop",
    stream="usage_events",
    op="event",
    payload=msgspec.Raw(b'{"customer_id":"acme","event":"opened"}'),
    received_at=NOW - dt.timedelta(days=3),
    observed_at=NOW - dt.timedelta(days=3),
    record_id="e1",
    partition_key=" acme ",
)
FIXED = QuarantineFixed(place="1-p2-live-17-3", record=RECORD, by="ann")
DISMISSED = QuarantineDismissed(
    place="1-p2-live-17-4", slot=77, source="shop", stream="usage_events", received_at=NOW, reason="test data"
)
CONTRACT = ContractActivated(source="shop", stream="accounts", version=2, fingerprint="f", text="a: 1\n")
METRIC = DeclarationActivated(kind="metric", name="events", version=1, text="m: 1\n")


@pytest.fixture
def decisions(door: Door, parts: DoorParts) -> Decisions:
    return Decisions(door, parts.references, parts.clock)


@pytest.mark.parametrize("decision", [FIXED, DISMISSED, CONTRACT, METRIC])
def test_a_decision_is_read_as_it_was_written(decision: Decision) -> None:
    payload = encode_decision(decision)
    again = decode_decision(payload)
    assert type(again) is type(decision)
    assert encode_decision(again) == payload
    members = json.loads(payload)
    assert list(members) == sorted(members)


def test_what_is_no_decision() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_decision(b'{"decision":"something_else"}')


def test_a_decision_is_a_record_in_the_live_lane(decisions: Decisions, logged: Any) -> None:
    positions = decisions.decide(CONTRACT)
    (row,) = logged.records(Lane.LIVE)
    assert (row["source"], row["stream"], row["origin"], row["slot"]) == ("mainstem", "decisions", "decision", 0)
    assert (row["contract_version"], row["op"], row["content_type"]) == (0, "event", CANONICAL_JSON)
    assert row["occurred_at"] == row["observed_at"] == NOW
    assert decode_decision(row["payload"]) == CONTRACT
    assert [(head.partition, head.position) for head in positions] == [(0, 1)]


def test_where_decisions_go(decisions: Decisions, logged: Any, keyring: Keyring) -> None:
    for decision in (FIXED, DISMISSED, METRIC):
        decisions.decide(decision)
    slots = {json.loads(row["payload"])["decision"]: (row["slot"], row["partition"]) for row in logged.records()}
    corrected = keyring.references.slot("shop", "usage_events", "acme")
    assert slots == {
        "quarantine_fixed": (corrected, corrected % 4),
        "quarantine_dismissed": (77, 1),
        "declaration_activated": (0, 0),
    }


def test_a_decision_made_twice_has_one_identity(decisions: Decisions, logged: Any) -> None:
    for decision in (FIXED, FIXED, DISMISSED):
        decisions.decide(decision)
    identities = logged.column("record_id")
    assert len(identities) == 3
    assert len(set(identities)) == 2


@pytest.mark.parametrize(
    "decision",
    [
        QuarantineFixed(place="nowhere", record=RECORD),
        QuarantineFixed(place="1-p2-live-17-3", record=msgspec.structs.replace(RECORD, partition_key=None)),
        QuarantineFixed(place="1-p2-live-17-3", record=msgspec.structs.replace(RECORD, partition_key=" ")),
        msgspec.structs.replace(DISMISSED, place="1-2-3"),
    ],
)
def test_a_decision_about_nothing(decisions: Decisions, logged: Any, decision: Decision) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - two messages, told by the parameters
        decisions.decide(decision)
    assert logged.records() == []
