"""What is answered about contracts, and that the JSON Schema takes good payloads and refuses bad ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import jsonschema
import pytest

from mainstem.access import Role
from mainstem.api.app import Services

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: shop-orders
version: 1.0.0
customProperties: [{property: source, value: shop}]
slaProperties: [{property: freshness, value: 2, unit: h}]
schema:
  - name: orders
    customProperties:
      - {property: partitionKey, value: account}
      - {property: occurredAt, value: at}
      - {property: mapping, value: {entity: usage_event, attributes: {customer_id: account, event: {constant: e}, occurred_at: at, quantity: amount}}}
    quality:
      - {name: whole, type: custom, engine: mainstem, implementation: amount % 1 = 0, severity: warn}
    properties:
      - name: account
        logicalType: string
        required: true
        logicalTypeOptions: {minLength: 2}
        customProperties: [{property: path, value: who.account.id}]
      - {name: at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number, logicalTypeOptions: {minimum: 0}}
      - {name: plan, logicalType: string, enum: [{value: free}, {value: paid}]}
      - {name: mail, logicalType: string, logicalTypeOptions: {pattern: '^[\\w-\\.]+@\\w+$'}}
"""
GOOD = {
    "who": {"account": {"id": "acme"}},
    "at": "2026-01-15T11:00:00Z",
    "amount": 2.5,
    "plan": None,
    "mail": "a-b.c@d",
}


@pytest.fixture
def ask(services: Services, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]) -> Any:
    services.door.parts.registry.activate(CONTRACT, dt.datetime(2026, 1, 15, tzinfo=dt.UTC))

    async def get(path: str) -> Any:
        return (await client.get(path, headers=bearer[Role.ANALYST])).raise_for_status().json()["data"]

    return get


async def test_contracts_are_listed(ask: Any) -> None:
    listed = (await ask("/api/v1/contracts"))["contracts"]
    assert [(one["source"], one["stream"], one["rules"]) for one in listed] == [
        ("*", "usage_events", 0),
        ("shop", "orders", 1),
    ]


async def test_one_contract_and_its_warnings(ask: Any, services: Services) -> None:
    with services.database.transaction() as connection:
        connection.execute(
            "INSERT INTO rule_warning (epoch, partition, source, stream, rule, day, n)"
            " VALUES (1, 0, 'shop', 'orders', 'whole', '2026-01-15', 2), (1, 1, 'shop', 'orders', 'whole', '2026-01-15', 3)"
        )
    said = await ask("/api/v1/contracts/shop/orders")
    assert (said["version"], said["entity"], said["freshness_seconds"]) == (1, "usage_event", 7200)
    assert {field["name"]: field["pii"] for field in said["fields"]} == {
        "account": "identifier", "at": "none", "amount": "none", "plan": "none", "mail": "none",
    }  # fmt: skip
    [rule] = said["rules"]
    assert (rule["condition"], rule["severity"]) == ("amount % 1 = 0", "warn")
    assert said["warnings"] == [{"rule": "whole", "day": "2026-01-15", "count": 5}]
    assert (await ask("/api/v1/contracts/anybody/usage_events"))["source"] == "*"


async def test_the_contract_of_any_source_tells_what_those_without_their_own_were_warned_of(
    ask: Any, services: Services
) -> None:
    anybody = CONTRACT.replace("value: shop", "value: '*'").replace("shop-orders", "any-orders")
    services.door.parts.registry.activate(anybody, dt.datetime(2026, 1, 15, tzinfo=dt.UTC))
    with services.database.transaction() as connection:
        connection.execute(
            "INSERT INTO rule_warning (epoch, partition, source, stream, rule, day, n) VALUES"
            " (1, 0, 'shop', 'orders', 'whole', '2026-01-15', 2), (1, 0, 'till', 'orders', 'whole', '2026-01-15', 3),"
            " (1, 1, 'web', 'orders', 'whole', '2026-01-15', 4), (1, 0, 'till', 'visits', 'whole', '2026-01-15', 9)"
        )
    assert (await ask("/api/v1/contracts/*/orders"))["warnings"] == [{"rule": "whole", "day": "2026-01-15", "count": 7}]
    assert (await ask("/api/v1/contracts/till/orders"))["warnings"][0]["count"] == 3
    assert (await ask("/api/v1/contracts/shop/orders"))["warnings"][0]["count"] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"who": {}},
        {"at": None},
        {"amount": -1},
        {"amount": "x"},
        {"plan": "gold"},
        {"mail": "a b@c"},
        {"who": {"account": {"id": "a"}}},
    ],
)
async def test_the_json_schema_judges_payloads(ask: Any, change: dict[str, Any]) -> None:
    schema = await ask("/api/v1/contracts/shop/orders/json-schema")
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(GOOD)) == []
    assert list(validator.iter_errors(GOOD | change))
