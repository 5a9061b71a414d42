"""What an entity says of the fields that are mapped to it: values, currencies, personal data, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mainstem.contracts import Policy, draft_contract, read_contract
from mainstem.contracts._canonical import near_attributes
from mainstem.errors import ConfigurationError
from mainstem.model import ENTITIES, EntityKind, FieldType, PiiClass

FOLDER = Path(__file__).parents[2] / "data" / "entities"


def _changed(name: str, **fields: Mapping[str, Any]) -> dict[str, Any]:
    """A fixture's contract with more said of some fields."""
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    for field in data["schema"][0]["properties"]:
        field.update(fields.get(field["name"], {}))
    return data


def _mapping(data: dict[str, Any]) -> dict[str, Any]:
    custom = data["schema"][0]["customProperties"]
    found: dict[str, Any] = next(one for one in custom if one["property"] == "mapping")["value"]["attributes"]
    return found


def _error(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_contract(yaml.safe_dump(data, sort_keys=False), "c.yaml")
    return str(refused.value)


def _custom(**values: Any) -> dict[str, Any]:
    return {"customProperties": [{"property": name, "value": value} for name, value in values.items()]}


def test_a_field_has_the_values_of_what_it_is_mapped_to() -> None:
    contract = read_contract(yaml.safe_dump(_changed("ticket")), "c.yaml")
    assert contract.fields["status"].allowed == ("new", "open", "pending", "hold", "solved", "closed")
    assert contract.fields["type"].allowed == ()
    narrower = _changed("ticket", status={"enum": [{"value": "open"}, {"value": "closed"}]})
    assert read_contract(yaml.safe_dump(narrower), "c.yaml").fields["status"].allowed == ("open", "closed")


def test_values_that_are_none_of_the_entitys_are_refused() -> None:
    assert "field 'status' may be 'waiting', which is no status of the entity ticket" in _error(
        _changed("ticket", status={"enum": [{"value": "waiting"}]})
    )
    assert "`codes` of 'status' is 'waiting', which is none of the allowed values" in _error(
        _changed("ticket", status=_custom(codes={"w": "waiting"}))
    )
    told = _error(_changed("ticket", status={"logicalType": "integer"}))
    assert "'status' is one of new, open, pending, hold, solved, closed, and field 'status' is of type integer" in told
    assert "say with `codes` what its values mean" in told
    data = _changed("satisfaction_response")
    _mapping(data)["survey"] = {"constant": "csta"}
    assert "'csta' is no survey of the entity satisfaction_response. Did you mean 'csat'?" in _error(data)


def test_values_of_an_entity_do_not_grow_with_a_source() -> None:
    told = _error(_changed("ticket", status=_custom(schemaChange="evolve")))
    assert "lets values grow that are the entity's own. Say with `codes` what a new one means." in told
    data = _changed("ticket")
    data["schema"][0]["customProperties"].append({"property": "schemaChange", "value": "evolve"})
    fields = read_contract(yaml.safe_dump(data), "c.yaml").fields
    assert (fields["status"].policies.enum_growth, fields["type"].policies.enum_growth) == (
        Policy.QUARANTINE,
        Policy.EVOLVE,
    )


def test_money_has_a_currency() -> None:
    data = _changed("opportunity")
    del _mapping(data)["currency"]
    assert "'amount' is an amount of money, and 'currency' is not mapped" in _error(data)
    _mapping(data)["currency"] = {"constant": "euro"}
    assert "'euro' is no currency. Write three letters of ISO 4217" in _error(data)
    _mapping(data)["currency"] = {"constant": "EUR"}
    read_contract(yaml.safe_dump(data), "c.yaml")
    data = _changed("opportunity", currency={"customProperties": []})
    assert "'currency' is optional, and 'amount' is worth nothing without its currency" in _error(data)
    del _mapping(data)["amount"]
    read_contract(yaml.safe_dump(data), "c.yaml")


def test_what_is_personal_has_no_place_beside_an_event() -> None:
    data = _changed("satisfaction_response", reason=_custom(pii="free_text"))
    assert "'reason' is mapped to 'reason', which is personal (free_text), and an event keeps it in clear" in _error(
        data
    )


def test_who_somebody_is_is_personal_and_which_ticket_it_is_is_not() -> None:
    fields = read_contract(yaml.safe_dump(_changed("ticket")), "c.yaml").fields
    assert (fields["id"].pii, fields["organization"].pii) == (PiiClass.NONE, PiiClass.IDENTIFIER)


def test_a_part_of_the_primary_key_keeps_an_entity_together() -> None:
    assert read_contract(yaml.safe_dump(_changed("market_observation")), "c.yaml").key == ("symbol", "day")
    data = _changed("market_observation", exchange={"required": True})
    data["schema"][0]["customProperties"][0]["value"] = "exchange"
    told = _error(data)
    assert "'exchange' is neither mapped to a customer or person nor of the primary key" in told
    assert "all of a market_observation's records" in told


def test_an_attribute_of_ones_own_that_looks_like_a_slip_is_told() -> None:
    data = _changed("ticket")
    _mapping(data)["prioritty"] = _mapping(data).pop("priority")
    assert list(near_attributes(read_contract(yaml.safe_dump(data), "c.yaml"))) == [("prioritty", "priority")]
    assert list(near_attributes(read_contract(yaml.safe_dump(_changed("ticket")), "c.yaml"))) == []


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda one: one.name)
def test_entities_are_coherent(entity: Any) -> None:
    columns = [one.column for one in entity.attributes.values() if one.column is not None]
    assert len(set(columns)) == len(columns)
    assert entity.description.endswith(".")
    for one in entity.attributes.values():
        assert not (one.allowed or one.name == "currency") or one.type is FieldType.STRING
        assert not one.money or (one.type is FieldType.NUMBER and "currency" in entity.attributes)
    if entity.kind is EntityKind.EVENT:
        assert {"customer", "event", "occurred_at"} <= set(columns)
        assert all(entity.in_column(name).required for name in ("customer", "occurred_at"))


SAMPLES: Mapping[str, tuple[str, Sequence[Mapping[str, Any]], Mapping[str, Any]]] = {
    "ticket": (
        "tickets",
        [
            {"id": n, "organization_id": 7, "status": status, "priority": "High", "subject": "Nothing works for me", "created_at": "2026-01-09T22:55:29Z", "updated_at": "2026-01-12T10:38:52Z"}
            for n, status in enumerate(("new", "In progress", "Waiting on customer", "Resolved"))
        ],
        {"ticket_id": "id", "customer_id": "organization_id", "status": "status", "priority": "priority", "created_at": "created_at", "subject": "subject"},
    ),
    "opportunity": (
        "deals",
        [
            {"Id": f"006{n}", "AccountId": "001", "StageName": stage, "Amount": 10.5, "CurrencyIsoCode": "EUR", "CloseDate": "2026-03-31", "SystemModstamp": "2026-01-10T20:49:32Z", "IsDeleted": False}
            for n, stage in enumerate(("Prospecting", "Closed Won", "Closed Lost"))
        ],
        {"opportunity_id": "id", "customer_id": "account_id", "stage": "stage_name", "stage_category": "stage_category", "amount": "amount", "currency": "currency_iso_code", "closes_at": "close_date"},
    ),
    "subscription": (
        "subscriptions",
        [{"id": "sub_1", "customer": "cus_1", "status": "trialing", "quantity": 3}, {"id": "sub_2", "customer": "cus_2", "status": "past due", "quantity": 1}],
        {"subscription_id": "id", "customer_id": "customer", "status": "status", "quantity": "quantity"},
    ),
    "activity": (
        "calls",
        [{"id": "1", "account_id": "a", "status": "Held", "due_date": "2026-01-09"}, {"id": "2", "account_id": "a", "status": "Planned", "due_date": "2026-01-10"}],
        {"activity_id": "id", "customer_id": "account_id", "kind": {"constant": "call"}, "status": "status", "due_at": "due_date"},
    ),
    "revenue_transaction": (
        "refunds",
        [{"id": "re_1", "customer": "cus_1", "amount": 490, "currency": "eur", "created": "2026-01-09T00:00:00Z"}],
        {"customer_id": "customer", "occurred_at": "created", "kind": {"constant": "refund"}, "amount": "amount", "currency": "currency", "transaction_id": "id"},
    ),
    "satisfaction_response": (
        "nps_answers",
        [{"id": "1", "account": "acme", "score": 9, "answered_at": "2026-01-09T00:00:00Z", "comment": "It is fine."}],
        {"customer_id": "account", "survey": {"constant": "nps"}, "occurred_at": "answered_at", "score": "score", "response_id": "id"},
    ),
    "conversation": (
        "conversations",
        [{"id": "147", "state": "open", "company_id": "acme"}, {"id": "148", "state": "snoozed", "company_id": None}],
        {"conversation_id": "id", "customer_id": "company_id", "status": "state"},
    ),
    "session": (
        "sessions",
        [{"session_id": "s1", "account_id": "acme", "user_id": "u1", "started_at": "2026-01-09T00:00:00Z", "duration_seconds": 12.5, "platform": "Web"}],
        {"customer_id": "account_id", "person_id": "user_id", "occurred_at": "started_at", "duration": "duration_seconds", "session_id": "session_id", "platform": "platform"},
    ),
    "engagement": (
        "email_events",
        [{"id": "1", "company_id": "acme", "type": "OPEN", "created": "2026-01-09T00:00:00Z"}, {"id": "2", "company_id": "acme", "type": "CLICK", "created": "2026-01-09T00:00:01Z"}],
        {"customer_id": "company_id", "event": "type", "occurred_at": "created", "engagement_id": "id"},
    ),
    "benchmark": (
        "benchmarks",
        [{"id": "b1", "metric": "nrr", "median": 1.04, "industry": "software"}],
        {"benchmark_id": "id", "metric": "metric", "value": "median", "industry": "industry"},
    ),
    "market_observation": (
        "quotes",
        [{"id": "q1", "symbol": "^STOXX", "observed_at": "2026-01-09T00:00:00Z", "close": 578.3, "currency": "EUR"}],
        {"market_observation_id": "id", "symbol": "symbol", "occurred_at": "observed_at", "value": "close", "currency": "currency"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("entity", SAMPLES)
def test_a_draft_is_of_the_entity_that_the_stream_is_called_after(entity: str) -> None:
    stream, payloads, attributes = SAMPLES[entity]
    contract = read_contract(draft_contract(payloads, "crm", stream), "the draft")
    assert contract.mapping.entity == entity
    mapped = {
        name: to if isinstance(to, str) else {"constant": to.value} for name, to in contract.mapping.attributes.items()
    }
    assert mapped == attributes


def test_a_draft_guesses_what_words_mean_and_says_so() -> None:
    stream, payloads, _ = SAMPLES["ticket"]
    data = yaml.safe_load(draft_contract(payloads, "crm", stream))
    status = next(one for one in data["schema"][0]["properties"] if one["name"] == "status")
    assert status["description"] == "What its words mean is a guess: correct it."
    assert status["customProperties"] == [
        {"property": "codes", "value": {"In progress": "open", "Resolved": "solved", "Waiting on customer": "pending"}}
    ]
    said = {one["property"]: one["value"] for one in data["schema"][0]["customProperties"]}
    assert (said["partitionKey"], said["entityVersion"]) == ("id", "updated_at")


def test_a_draft_that_could_not_be_whole_is_what_it_would_be_under_another_name() -> None:
    """Without a currency there are no transactions; without words that mean one of the values there is no engagement."""
    for stream, payload in (
        ("payments", {"id": "1", "customer": "c", "amount": 5, "created": "2026-01-09T00:00:00Z"}),
        ("email_events", {"id": "1", "customer": "c", "type": "hm", "created": "2026-01-09T00:00:00Z"}),
    ):
        assert read_contract(draft_contract([payload], "crm", stream), "d").mapping.entity == "usage_event"


@pytest.mark.parametrize(
    ("stream", "word"),
    [
        ("subscriptions", "inactive"),
        ("subscriptions", "deactivated"),
        ("tickets", "unresolved"),
        ("tickets", "Not done"),
    ],
)
def test_a_draft_does_not_take_a_word_for_its_opposite(stream: str, word: str) -> None:
    payloads = [
        {"id": str(n), "customer_id": "c", "status": word, "updated_at": "2026-01-09T00:00:00Z"} for n in range(9)
    ]
    data = yaml.safe_load(draft_contract(payloads, "crm", stream))
    status = next(one for one in data["schema"][0]["properties"] if one["name"] == "status")
    assert "codes" not in str(status)


def test_a_draft_maps_no_object_that_may_say_anything() -> None:
    stream, payloads, _ = SAMPLES["session"]
    payloads = [{**one, "properties": {"email": "ann@example.com"}} for one in payloads]
    assert "properties" not in read_contract(draft_contract(payloads, "crm", stream), "d").mapping.attributes
