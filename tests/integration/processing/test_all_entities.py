"""A vendor's payload of every entity, through its contract and the engine into the tables."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.integration.processing.conftest import NOW, Plant

from mainstem.contracts import Contract, DoorPlan, Trial, read_contract
from mainstem.contracts.duck import connect
from mainstem.model import ENTITIES, EntityKind
from mainstem.privacy import Sealer
from mainstem.processing import unpack_timeline
from mainstem.processing.tables.entities import entity_context

FOLDER = Path(__file__).parents[2] / "data" / "entities"

STATES: Mapping[str, list[tuple[str | None, dict[str, Any], dict[str, Any]]]] = {
    "customer": [
        (
            "0015g00000Acme",
            {
                "name": "Acme", "segment": "Software", "plan": "team", "region": "Portugal",
                "started_at": "2024-05-01T00:00:00.000000Z",
            },
            {"customer_id": "0015g00000Acme"},
        )
    ],
    "person": [
        (
            "acme",
            {"role": "user"},
            {
                "person_id": "5ba682d23d7cf92bef87bfd4", "customer_id": "acme", "name": "Ann Poe",
                "email": "ann@example.org",
            },
        )
    ],
    "opportunity": [
        (
            "0015g00000Acme",
            {
                "opportunity_id": "0065g00000Aa1", "name": "Acme renewal", "stage": "Negotiation/Review",
                "stage_category": "open", "amount": 12000.5, "currency": "EUR", "probability": 0.7, "kind": "Renewal",
                "owner_id": "0055g000001", "created_at": "2025-11-03T08:00:00.000000Z",
                "closes_at": "2026-03-31T00:00:00.000000Z",
            },
            {"customer_id": "0015g00000Acme"},
        )
    ],
    "activity": [
        (
            "0015g00000Acme",
            {
                "activity_id": "00T5g00000Bb2", "kind": "call", "status": "completed", "priority": "normal",
                "owner_id": "0055g000001", "duration": 900, "due_at": "2026-01-14T00:00:00.000000Z",
                "completed_at": "2026-01-14T10:15:00.000000Z",
            },
            {
                "customer_id": "0015g00000Acme", "person_id": "0035g00000Ann",
                "subject": "Talk to Ann about the invoice",
            },
        )
    ],
    "ticket": [
        (
            "509974",
            {
                "ticket_id": "35436", "status": "hold", "priority": "high", "kind": "incident", "channel": "web",
                "assignee_id": "235323", "group_id": "98738", "satisfaction": "offered", "reopens": 1, "replies": 3,
                "created_at": "2026-01-09T22:55:29.000000Z", "brand": "360001",
            },
            {"customer_id": "509974", "person_id": "20978392", "subject": "The export hangs for Ann"},
        ),
        (None, {}, {}),
    ],
    "conversation": [
        (
            "acme",
            {
                "conversation_id": "147", "status": "snoozed", "priority": "not_priority", "channel": "email",
                "assignee_id": "814860", "messages": 7, "reopens": 0, "rating": 4,
                "created_at": "2026-01-12T06:40:00.000000Z", "first_response_at": "2026-01-12T06:55:00.000000Z",
                "snoozed_until": "2026-01-13T07:40:00.000000Z",
            },
            {"customer_id": "acme", "subject": "Where is my invoice?"},
        )
    ],
    "subscription": [
        (
            "cus_acme",
            {
                "subscription_id": "sub_1", "status": "past_due", "plan": "team", "quantity": 12, "amount": 49,
                "currency": "EUR", "interval": "month", "interval_count": 1,
                "started_at": "2025-01-04T14:13:20.000000Z", "renews_at": "2026-01-21T12:53:20.000000Z",
            },
            {"customer_id": "cus_acme"},
        )
    ],
    "benchmark": [
        (
            None,
            {
                "benchmark_id": "nrr-software-emea-2025", "metric": "net_revenue_retention", "value": 1.04,
                "percentile": 50, "industry": "software", "region": "EMEA", "segment": "50-200", "sample_size": 412,
                "period_begins_at": "2025-01-01T00:00:00.000000Z", "period_ends_at": "2025-12-31T00:00:00.000000Z",
                "publisher": "Yearbook of subscriptions",
            },
            {},
        )
    ],
    "market_observation": [
        (
            None,
            {
                "symbol": "^STOXX", "occurred_at": f"2026-01-{day}T00:00:00.000000Z", "value": value, "kind": "index",
                "currency": "EUR", "exchange": "XETR", "publisher": "exchange",
            },
            {},
        )
        for day, value in ((12, 578.4), (13, 580.02))
    ],
}  # fmt: skip
"""Customer, attributes in clear, sealed ones; ordered by the attributes' text."""

EVENTS: Mapping[str, list[dict[str, Any]]] = {
    "usage_event": [
        {
            "customer": "acme", "person": "u-17", "event": "Report exported", "object": "churn", "quantity": "3",
            "properties": {"region": "EMEA"},
        }
    ],
    "milestone": [
        {
            "customer": "acme", "person": None, "event": "first_report", "object": "team", "quantity": None,
            "properties": {},
        }
    ],
    "session": [
        {
            "customer": "acme", "person": "u-17", "event": "session", "object": "/inbox", "quantity": "1840.5",
            "properties": {
                "experiment": "blue", "session_id": "1768210200000", "events": 42, "platform": "Web",
                "country": "Portugal",
            },
        }
    ],
    "engagement": [
        {
            "customer": "9001", "person": "ann@example.org", "event": "clicked", "object": "News of January",
            "quantity": None,
            "properties": {"engagement_id": "17d3fcc4-bc34", "campaign": "12345", "channel": "email"},
        }
    ],
    "satisfaction_response": [
        {
            "customer": "20978392", "person": None, "event": "csat", "object": None, "quantity": "1",
            "properties": {"best_score": 1, "response_id": "62", "ticket_id": "35436", "reason": "Speed"},
        }
    ],
    "revenue_transaction": [
        {
            "customer": "cus_acme", "person": None, "event": "charge", "object": "team", "quantity": "588",
            "properties": {"currency": "EUR", "transaction_id": "txn_1", "invoice_id": "in_1", "method": "card"},
        },
        {
            "customer": "cus_acme", "person": None, "event": "refund", "object": None, "quantity": "-49",
            "properties": {"currency": "EUR", "transaction_id": "txn_2"},
        },
    ],
}  # fmt: skip


def _contract(name: str) -> Contract:
    path = FOLDER / f"{name}.yaml"
    return dataclasses.replace(read_contract(path.read_text(), path.name), version=1)


def _payloads(name: str) -> list[bytes]:
    return (FOLDER / f"{name}.ndjson").read_bytes().splitlines()


def _deliver(plant: Plant, contract: Contract, payloads: list[bytes]) -> None:
    """As the door stamps them: it reads keys where the contract says that they lie."""
    plant.contracts.add(contract)
    picked = DoorPlan.compile(contract).pick(payloads)
    nothing: list[str | None] = [None] * len(payloads)
    usual = "event" if contract.kind is EntityKind.EVENT else "upsert"
    references = plant.keyring.references
    envelope = {
        "partition_key": picked.partition_key,
        "record_id": picked.record_id or nothing,
        "key": picked.key or nothing,
        "op": [op or usual for op in picked.op or nothing],
        "slot": [
            references.slot(contract.source, contract.stream, key or "") for key in picked.partition_key or nothing
        ],
    }
    plant.deliver(plant.records(contract, payloads, **envelope))
    plant.run()


def _opened(sealer: Sealer, ref: uuid.UUID, sealed: bytes | None) -> dict[str, Any]:
    return {} if sealed is None else json.loads(sealer.open(bytes(sealed), entity_context(ref.bytes)))


def test_there_is_a_payload_of_every_entity() -> None:
    assert STATES.keys() | EVENTS.keys() == ENTITIES.keys()
    assert {path.stem for path in FOLDER.glob("*.yaml")} == STATES.keys() | EVENTS.keys()


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_every_kind(plant: Plant, name: str) -> None:
    contract = _contract(name)
    _deliver(plant, contract, _payloads(name))
    assert plant.query("SELECT source, stream, reason, field, message FROM quarantine") == []
    rows = plant.query(
        "SELECT ref, customer, attributes, sealed FROM entity WHERE entity = %s ORDER BY attributes ->> 'occurred_at', deleted",
        name,
    )
    references = plant.keyring.references
    expected = [
        (None if customer is None else uuid.UUID(bytes=references.ref(contract.source, "customer", customer)), clear, sealed)
        for customer, clear, sealed in STATES[name]
    ]  # fmt: skip
    found = [(customer, clear, _opened(plant.keyring.sealer, ref, sealed)) for ref, customer, clear, sealed in rows]
    assert found == expected
    assert plant.totals()["pending"] == 0


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_of_every_kind(plant: Plant, name: str) -> None:
    contract = _contract(name)
    payloads = _payloads(name)
    picked = DoorPlan.compile(contract).pick(payloads)
    records = plant.records(contract, payloads, partition_key=picked.partition_key, record_id=picked.record_id,
        slot=[0] * len(payloads))  # fmt: skip
    plant.contracts.add(contract)
    plant.deliver(records)
    effects = plant.engine().process(plant.batches(0))
    assert effects.quarantined.num_rows == 0
    references = plant.keyring.references
    [rows] = [group.rows.to_pylist() for group in effects.events]

    def ref(kind: str, value: str | None) -> bytes | None:
        return None if value is None else references.ref(contract.source, kind, value)

    assert [
        {
            **{kind: row[kind] for kind in ("customer", "person", "event", "object")},
            "quantity": row["quantity"] and f"{row['quantity'].normalize():f}",
            "properties": json.loads(row["properties"] or "{}"),
        }
        for row in rows
    ] == [
        {**one, "customer": ref("customer", one["customer"]), "person": ref("person", one["person"])}
        for one in EVENTS[name]
    ]
    plant.run()
    assert plant.totals()["accepted"] == len(EVENTS[name])
    [(owner, body)] = plant.query("SELECT ref, body FROM timeline")
    shown = [
        json.loads(event.properties or b"{}") for event in unpack_timeline(body, owner.bytes, plant.keyring.sealer)
    ]
    assert sorted(shown, key=str) == sorted((one["properties"] for one in EVENTS[name]), key=str)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ticket", {"status": "wating"}, "Field 'status' has a value the contract does not allow."),
        ("conversation", {"state": "resolved"}, "Field 'state' has a value the contract does not allow."),
        ("opportunity", {"StageName": "Closed Maybe"}, "Field 'category' has a value the contract does not allow."),
        ("subscription", {"currency": "euro"}, "Field 'currency' is outside its limits: pattern"),
        ("revenue_transaction", {"amount": None}, "Field 'amount' is required and missing or null."),
        ("market_observation", {"close": "high"}, "Field 'close' is not of the type"),
    ],
)
def test_a_value_that_is_none_of_the_entitys_is_told_by_name(name: str, change: dict[str, Any], message: str) -> None:
    payload = json.loads(_payloads(name)[0]) | change
    with connect() as connection:
        trial = Trial(_contract(name), connection, NOW, 5)
        trial.add([json.dumps(payload).encode()], [1])
    [failed] = trial.failed
    assert failed.message.startswith(message)


def test_a_figure_that_is_revised_is_another_version(plant: Plant) -> None:
    _deliver(plant, _contract("market_observation"), _payloads("market_observation"))
    assert plant.query("SELECT count(*) FROM entity_version") == [(3,)]
    assert plant.query("SELECT count(*) FROM touched") == [(0,)]
    assert plant.query("SELECT count(*) FROM reference") == [(0,)]


@pytest.mark.parametrize(
    ("written", "amount"), [("05", 5), ("+5", 5), (".5", 0.5), ("5.", 5), ("1_000", 1000), ("0.10", 0.1)]
)
def test_a_constant_number_is_a_number_however_it_is_written(plant: Plant, written: str, amount: float) -> None:
    text = (FOLDER / "subscription.yaml").read_text().replace("amount: amount", f'amount: {{constant: "{written}"}}')
    contract = dataclasses.replace(read_contract(text, "subscription.yaml"), version=1)
    _deliver(plant, contract, _payloads("subscription"))
    assert plant.query("SELECT DISTINCT (attributes -> 'amount')::float FROM entity") == [(amount,)]
