"""What is answered about drift: findings with their counts, filtered, for whoever may read data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.store import Database

PATH = "/api/v1/data/quality/drift"


@pytest.fixture
def ask(services: Services, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], database: Database) -> Any:
    with database.transaction() as conn:
        conn.execute(
            """
            INSERT INTO drift_finding VALUES
                ('shop', 'orders', 1, 'new_field', 'utm', '', '2026-01-14T10:00Z', '2026-01-14T10:00:01Z', '{string}', '{"type": "string"}'),
                ('shop', 'orders', 1, 'rename', 'utm', 'campaign', '2026-01-14T10:00Z', '2026-01-14T10:00:01Z', '{string}', '{"overlap": 1.0}'),
                ('shop', 'views', 1, 'missing_field', 'page', '', '2026-01-15T10:00Z', '2026-01-15T10:00:01Z', '{}', '{"run": 120}'),
                ('*', 'usage_events', 1, 'type_change', 'quantity', 'string', '2026-01-13T10:00Z', '2026-01-13T10:00:01Z', '{string}', '{"read": true}')
            """
        )
        conn.execute(
            """
            INSERT INTO drift_count VALUES
                (1, 0, 'shop', 'orders', 1, 'new_field', 'utm', '2026-01-14', 5, 2, '2026-01-14T10:00Z', '2026-01-14T11:00Z'),
                (1, 1, 'shop', 'orders', 1, 'new_field', 'utm', '2026-01-15', 7, 0, '2026-01-15T10:00Z', '2026-01-15T11:00Z')
            """
        )
        conn.execute("INSERT INTO field_presence VALUES (1, 0, 'shop', 'views', 1, 'page', 200, 150, 0, 150)")

    async def get(query: str = "") -> list[dict[str, Any]]:
        answered = await client.get(f"{PATH}{query}", headers=bearer[Role.ANALYST])
        found: list[dict[str, Any]] = answered.raise_for_status().json()["data"]["findings"]
        return found

    return get


async def test_findings_are_told_with_their_counts(ask: Callable[..., Any]) -> None:
    missing, new, rename, kind = await ask()
    assert new == {
        "source": "shop", "stream": "orders", "contract_version": 1, "kind": "new_field", "path": "utm", "observed": "",
        "types": ["string"], "first_at": "2026-01-14T10:00:00Z", "last_at": "2026-01-15T11:00:00Z",
        "known_at": "2026-01-14T10:00:01Z", "records": 12, "discarded": 2, "policy": None, "in_force": False,
        "evidence": {"type": "string"},
    }  # fmt: skip
    assert (missing["kind"], missing["records"]) == ("missing_field", 150)
    assert (rename["observed"], rename["records"]) == ("campaign", None)
    assert (kind["stream"], kind["policy"]) == ("usage_events", "quarantine")


async def test_findings_are_filtered(ask: Callable[..., Any]) -> None:
    assert len(await ask("?source=shop")) == 3
    assert len(await ask("?source=shop&stream=orders&kind=rename")) == 1
    assert [one["stream"] for one in await ask("?since=2026-01-14T12:00:00Z")] == ["views"]
    assert len(await ask("?limit=2")) == 2


@pytest.mark.parametrize(
    "query",
    [
        "?kind=renames",
        "?since=yesterday",
        "?since=2026-01-14T12:00:00",
        "?since=0001-01-01T00:00:00%2B12:00",
        "?limit=0",
    ],
)
async def test_questions_that_make_no_sense_are_refused(
    ask: Callable[..., Any], client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], query: str
) -> None:
    assert (await client.get(f"{PATH}{query}", headers=bearer[Role.ANALYST])).status_code == 422


async def test_nobody_else_is_told(client: httpx.AsyncClient) -> None:
    assert (await client.get(PATH)).status_code == 401
