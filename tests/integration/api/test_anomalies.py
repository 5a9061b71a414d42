"""What is answered about anomalies, and who may mute what."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.store import Database

PATH = "/api/v1/data/quality/anomalies"
MUTE = {"until": "2026-01-20T12:00:00+01:00", "why": "closed for a week", "signal": "volume", "source": "shop"}


@pytest.fixture
def anomalies(database: Database, services: Services) -> None:
    with database.transaction() as conn:
        conn.execute(
            """
            INSERT INTO anomaly VALUES
                ('volume', 'shop', 'orders', '', '2026-01-14', 'error', 0, 1000, 700, 1400, -9.5, '2026-01-15T00:20Z', NULL),
                ('missing', 'shop', 'orders', 'amount', '2026-01-13', 'warn', 0.2, 0.1, 0.05, 0.15, 4.5, '2026-01-14T00:20Z',
                 '2026-01-14T08:00Z'),
                ('metric', '', '', 'events', '2026-01-10', 'warn', 9, 100, 60, 160, -5, '2026-01-11T02:00Z', NULL),
                ('volume', 'shop', 'orders', '', '2025-11-14', 'warn', 0, 1000, 700, 1400, -5, '2025-11-15T00:20Z', NULL)
            """
        )


@pytest.fixture
def ask(anomalies: None, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]) -> Any:
    async def get(query: str = "", role: Role = Role.ANALYST) -> Any:
        return (await client.get(f"{PATH}{query}", headers=bearer[role])).raise_for_status().json()["data"]

    return get


async def test_the_last_four_weeks_are_told(ask: Any) -> None:
    data = await ask()
    assert (data["from"], data["to"]) == ("2025-12-19", "2026-01-15")
    assert [(one["signal"], one["name"]) for one in data["anomalies"]] == [
        ("volume", ""), ("missing", "amount"), ("metric", "events")
    ]  # fmt: skip
    assert data["anomalies"][0] == {
        "signal": "volume", "source": "shop", "stream": "orders", "name": "", "at": "2026-01-14T00:00:00Z", "tier": "error",
        "value": 0.0, "expected": 1000.0, "low": 700.0, "high": 1400.0, "deviation": -9.5,
        "seen_at": "2026-01-15T00:20:00Z", "ended_at": None, "muted": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "signals"),
    [
        ("?running=true", ["volume", "metric"]),
        ("?name=events", ["metric"]),
        ("?source=shop&stream=orders", ["volume", "missing"]),
        ("?from=2025-11-01&to=2026-01-10", ["metric", "volume"]),
        ("?source=crm", []),
    ],
)
async def test_anomalies_are_filtered(ask: Any, query: str, signals: list[str]) -> None:
    assert [one["signal"] for one in (await ask(query))["anomalies"]] == signals


@pytest.mark.parametrize("query", ["?from=2026-01-10&to=2026-01-09", "?days=3", "?from=0001-01-01", "?to=9999-12-31"])
async def test_what_cannot_be_asked_is_refused(
    anomalies: None, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], query: str
) -> None:
    assert (await client.get(f"{PATH}{query}", headers=bearer[Role.ANALYST])).status_code == 422


async def test_a_mute_is_made_told_and_ended(
    ask: Any, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]
) -> None:
    made = (
        (await client.post(f"{PATH}/mutes", json=MUTE, headers=bearer[Role.ENGINEER])).raise_for_status().json()["data"]
    )
    assert (made["until"], made["author"], made["stream"]) == ("2026-01-20T11:00:00Z", "engineer", None)
    data = await ask()
    assert data["mutes"] == [made]
    assert [one["muted"] for one in data["anomalies"]] == [True, False, False]
    ended = await client.delete(f"{PATH}/mutes/{made['id']}", headers=bearer[Role.ENGINEER])
    assert ended.status_code == 200
    assert (await ask())["mutes"] == []
    assert (await client.delete(f"{PATH}/mutes/{made['id']}", headers=bearer[Role.ENGINEER])).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": "2026-01-15T11:59:59Z"},
        {"until": "2028-01-15T12:00:00Z"},
        {"until": "2026-01-20"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"why": " "},
        {"signal": "noise"},
        {"forever": True},
    ],
)
async def test_a_mute_ends_says_why_and_names_what_there_is(
    client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], wrong: dict[str, Any]
) -> None:
    answered = await client.post(f"{PATH}/mutes", json={**MUTE, **wrong}, headers=bearer[Role.ENGINEER])
    assert answered.status_code == 422
    assert answered.headers["content-type"] == "application/problem+json"


async def test_a_key_bound_to_a_source_mutes_that_source_alone(
    services: Services, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]
) -> None:
    bound = {"Authorization": f"Bearer {services.keys.create('crm', Role.ENGINEER, sources=['crm'])}"}
    assert (await client.post(f"{PATH}/mutes", json=MUTE, headers=bound)).status_code == 403
    everything = {name: value for name, value in MUTE.items() if name != "source"}
    assert (await client.post(f"{PATH}/mutes", json=everything, headers=bound)).status_code == 403
    own = await client.post(f"{PATH}/mutes", json={**MUTE, "source": "crm"}, headers=bound)
    assert own.status_code == 201
    others = (await client.post(f"{PATH}/mutes", json=MUTE, headers=bearer[Role.ENGINEER])).json()["data"]["id"]
    assert (await client.delete(f"{PATH}/mutes/{others}", headers=bound)).status_code == 403
    assert (await client.delete(f"{PATH}/mutes/{own.json()['data']['id']}", headers=bound)).status_code == 200
