"""An installation with a past, whose parts run in the test's own process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainstem.model import Lane
from mainstem.testing.site import Site

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: crm-accounts
name: Accounts
version: 1.0.0
status: active
customProperties:
  - {property: source, value: crm}
schema:
  - name: accounts
    logicalType: object
    customProperties:
      - {property: kind, value: state}
      - {property: partitionKey, value: id}
      - {property: entityVersion, value: updated_at}
      - property: mapping
        value: {entity: customer, attributes: {customer_id: id, plan: plan}}
    properties:
      - name: id
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        customProperties: [{property: pii, value: identifier}]
      - {name: plan, logicalType: string}
      - {name: updated_at, logicalType: timestamp, required: true}
"""
AT = "2026-01-10T09:00:00Z"


def usage(number: int, **payload: Any) -> dict[str, Any]:
    return {
        "stream": "usage_events",
        "payload": {
            "id": f"e{number}",
            "customer_id": f"c{number % 7}",
            "event": "opened",
            "occurred_at": AT,
            **payload,
        },
    }


def account(plan: str, minute: int, op: str = "upsert", **payload: Any) -> dict[str, Any]:
    at = f"2026-01-10T09:{minute:02}:00Z"
    return {"stream": "accounts", "op": op, "payload": {"id": "c1", "plan": plan, "updated_at": at, **payload}}


@pytest.fixture
def site(empty_dsn: str, tmp_path: Path) -> Site:
    """An installation with mixed records in effect, two decisions and a contract that changed."""
    site = Site.begin(tmp_path / "data", empty_dsn)
    site.declare("contracts/crm/accounts.yaml", CONTRACT)
    site.send("app", [usage(n) for n in range(100)] + [usage(n) for n in range(10)])
    site.send("app", [usage(n, occurred_at="never") for n in range(200, 204)])
    site.send("app", [usage(n) for n in range(90, 150)], lane=Lane.BULK)
    site.send("crm", [account("A", 1), account("B", 2), account("A", 3)])
    site.work()
    site.declare(
        "contracts/crm/accounts.yaml",
        CONTRACT.replace("{name: plan, logicalType: string}", "{name: plan, logicalType: string, required: true}"),
    )
    site.send("crm", [account("C", 4), account("D", 5, id="c2"), account("C", 6, op="delete")])
    site.decide({"id": "fixed", "customer_id": "c1", "event": "opened", "occurred_at": AT})
    site.work()
    return site


@pytest.fixture(name="usage")
def usage_fixture() -> Callable[..., dict[str, Any]]:
    return usage


@pytest.fixture
def second_dsn(postgres: str) -> Iterator[str]:
    """Another new database."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{postgres} dbname={name}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def contract() -> str:
    return CONTRACT
