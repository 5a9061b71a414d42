"""An installation with a past, whose parts run in the test's own process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainstem.model import Lane
from mainstem.testing.samples import SAMPLE_AT, accounts_contract, usage
from mainstem.testing.site import Site

CONTRACT = accounts_contract("crm")
JOURNEY = (
    "kind: funnel\nname: opening\nsteps: [{name: opened, event: opened}, {name: again, event: opened}]\nwindow: 1d\n"
)

GAUGE = "name: on_d\nentity: customer\nmeasure: count\nwhere: plan = 'D'\n"


def account(plan: str, minute: int, op: str = "upsert", **payload: Any) -> dict[str, Any]:
    at = f"2026-01-10T09:{minute:02}:00Z"
    return {"stream": "accounts", "op": op, "payload": {"id": "c1", "plan": plan, "updated_at": at, **payload}}


@pytest.fixture
def site(migrated_dsn: str, tmp_path: Path) -> Site:
    """An installation with mixed records in effect, two decisions and a contract that changed."""
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/crm/accounts.yaml", CONTRACT)
    site.declare("metrics/opening.yaml", JOURNEY)
    site.declare("metrics/on_d.yaml", GAUGE)
    site.send("app", [usage(n) for n in range(100)] + [usage(n) for n in range(10)])
    site.send("app", [usage(n, occurred_at="never") for n in range(200, 204)])
    site.send("app", [usage(n) for n in range(90, 150)], lane=Lane.BULK)
    site.send("crm", [account("A", 1), account("B", 2), account("A", 3)])
    site.work()
    site.declare(
        "contracts/crm/accounts.yaml",
        accounts_contract("crm", plan_required=True),
    )
    site.send("crm", [account("C", 4), account("D", 5, id="c2"), account("C", 6, op="delete")])
    site.decide({"id": "fixed", "customer_id": "c1", "event": "opened", "occurred_at": SAMPLE_AT})
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
