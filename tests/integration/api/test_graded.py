"""Every answer that rests on data says how fresh that is and what is missing; those that rest on none are named here."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.store import Database

# What rests on no stream: who asks, what is declared, what was ordered and decided.
DECLARED = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/auth/me",
    "/api/v1/contracts",
    "/api/v1/contracts/{source}/{stream}",
    "/api/v1/contracts/{source}/{stream}/json-schema",
    "/api/v1/analytics/journeys",
    "/api/v1/data/quarantine/orders",
    "/api/v1/data/quarantine/orders/{order}",
}
# These rest on the streams that are compared, or that a metric is made of: on none here.
MADE_OF_NONE = {"/api/v1/data/quality/agreements", "/api/v1/analytics/usage-trends/{timeframe}"}
# What there is none of here is not found; of these each has its own tests.
ABSENT = {
    "/api/v1/data/quality/agreements/{name}",
    "/api/v1/data/quality/remedies/originals",
    "/api/v1/data/quarantine/records/{record}",
    "/api/v1/analytics/funnels/{name}",
    "/api/v1/analytics/cohorts/{name}",
    "/api/v1/analytics/adoption/{name}",
    "/api/v1/analytics/retention/{name}",
    "/api/v1/analytics/customer-health/{customer_id}",
}
VALUES = {"source_system": "shop", "timeframe": "7d"}
ASKED = {
    "/api/v1/data/quality/remedies/originals": {
        "source": "no",
        "stream": "no",
        "field": "no",
        "remedy": "standardise.trim",
    }
}


@pytest.fixture
def silent(database: Database, services: Services) -> None:
    """A stream of which nothing was heard for longer than it may be silent, and one that is fresh."""
    with database.transaction() as conn:
        conn.execute(
            "INSERT INTO heartbeat (source, stream, at) VALUES ('shop', 'orders', '2026-01-01T09:30Z'), ('app', 'views', '2026-01-15T11:59Z')"
        )


def _reading(app: FastAPI) -> list[str]:
    return [path for path, methods in app.openapi()["paths"].items() if "get" in methods]


@pytest.mark.usefixtures("silent")
async def test_every_answer_has_a_grade_or_rests_on_no_data(
    app: FastAPI, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]
) -> None:
    graded = []
    for path in _reading(app):
        if path in DECLARED:
            continue
        address = re.sub(
            r"\{([^}]+)\}", lambda found: VALUES.get(found[1], "00000000-0000-0000-0000-000000000000"), path
        )
        answer = await client.get(address, headers=bearer[Role.ADMIN], params=ASKED.get(path))
        if path in ABSENT:
            assert answer.status_code == 404, (path, answer.text)
            continue
        meta: Mapping[str, object] = answer.raise_for_status().json()["meta"]
        if path in MADE_OF_NONE:
            assert meta["grade"] == "none"
            continue
        assert meta["grade"] == "stale", path
        assert meta["missing"] == ["shop.orders: no data since 2026-01-01T09:30Z"], path
        graded.append(path)
    assert len(graded) >= 10
    assert set(_reading(app)) >= DECLARED | ABSENT


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    "path",
    ["quality/metrics", "quality/impact", "quality/uniqueness", "quality/drift", "quarantine", "quarantine/records"],
)
async def test_an_answer_about_a_source_is_graded_by_its_streams_alone(
    client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], path: str
) -> None:
    for source, grade in (("app", "fresh"), ("shop", "stale")):
        answer = await client.get(f"/api/v1/data/{path}?source={source}", headers=bearer[Role.ADMIN])
        assert answer.raise_for_status().json()["meta"]["grade"] == grade


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("path", ["metrics", "impact", "uniqueness"])
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("source=shpo", "shop"),
        ("stream=order", "orders"),
        ("source=shop&stream=views", "orders"),
    ],
)
async def test_a_name_that_nobody_ever_heard_is_said(
    client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], path: str, asked: str, says: str
) -> None:
    answer = await client.get(f"/api/v1/data/quality/{path}?{asked}", headers=bearer[Role.ADMIN])
    assert answer.status_code == 404
    problem = answer.json()
    assert "Nothing was ever received" in problem["detail"]
    assert says in problem["hint"]
