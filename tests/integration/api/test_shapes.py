"""One envelope, one error shape, and the dashboard's files."""

from __future__ import annotations

import httpx
import pytest

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.api.problems import PROBLEMS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/data/sources", 401),
        ("DELETE", "/api/v1/data/sources", 405),
        ("GET", "/assets/unknown.js", 404),
        ("GET", "/assets/..%2f..%2fapp.py", 404),
        ("GET", "/api/v1/data/status/never", 404),
        ("GET", "/api/v1/contracts/never/was", 404),
        ("GET", "/api/v1/contracts/never/was/json-schema", 404),
        ("GET", "/api/v1/data/quarantine/records?limit=0", 422),
        ("GET", "/api/v1/data/quarantine/records?cursor=forged", 400),
    ],
)
async def test_errors_are_problem_documents(
    client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], method: str, path: str, status: int
) -> None:
    headers = {} if status == 401 else bearer[Role.ADMIN]
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"].removeprefix("/problems/") in PROBLEMS
    assert body["title"]
    assert body["detail"]


async def test_answers_have_the_envelope(client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]) -> None:
    for path in ("/healthz", "/readyz", "/api/v1/data/sources", "/api/v1/data/quality/metrics", "/api/v1/contracts"):
        body = (await client.get(path, headers=bearer[Role.ADMIN])).json()
        assert body.keys() == {"data", "meta"}, path
        assert body["meta"].keys() == {
            "generated_at",
            "as_of",
            "freshness_seconds",
            "freshness_of",
            "freshness_objective_seconds",
            "grade",
            "missing",
            "replay",
            "next_cursor",
        }, path
        assert body["meta"]["generated_at"] == "2026-01-15T12:00:00Z"


async def test_received_records_wait_and_are_counted(
    client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]], services: Services
) -> None:
    events = [{"stream": "usage_events", "payload": {"id": str(n), "customer_id": "a", "event": "e"}} for n in range(3)]
    taken = await client.post("/api/v1/data/ingest/shop", json=[*events, {"stream": "No"}], headers=bearer[Role.INGEST])
    assert taken.status_code == 202
    assert taken.json()["data"]["accepted"] == 3
    assert [refusal["index"] for refusal in taken.json()["data"]["refused"]] == [3]
    status = (await client.get("/api/v1/data/status/shop", headers=bearer[Role.ADMIN])).json()["data"]
    assert (status["received"], status["pending"], status["accepted"], status["balanced"]) == (3, 3, 0, True)
    assert [day["day"] for day in status["days"]] == ["2026-01-15"]
    assert [stream["stream"] for stream in status["streams"]] == ["usage_events"]


async def test_dashboard_files(client: httpx.AsyncClient) -> None:
    page = await client.get("/customers/oulad%3Ax")
    assert page.status_code == 200
    assert "Mainstem" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-cache"
    asset = await client.get("/assets/app-1.js", headers={"Accept-Encoding": "identity"})
    assert asset.text == "1"
    assert "immutable" in asset.headers["cache-control"]
    packed = await client.get("/assets/app-1.js.gz")
    assert packed.status_code == 404


async def test_metrics_are_for_those_who_may(client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]) -> None:
    text = (await client.get("/metrics", headers=bearer[Role.ENGINEER])).text
    assert "mainstem_records_received_total" in text


async def test_usage_trends_may_be_asked_for_as_they_were_known(
    client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]
) -> None:
    path = "/api/v1/analytics/usage-trends/7d"
    now = (await client.get(path, headers=bearer[Role.VIEWER])).json()["data"]
    assert now["known_at"] == "2026-01-15T12:00:00Z"
    then = await client.get(path, params={"known_at": "2026-01-10T00:00:00"}, headers=bearer[Role.VIEWER])
    assert then.json()["data"]["known_at"] == "2026-01-10T00:00:00Z"
    assert len(then.json()["data"]["points"]) == len(now["points"])


async def test_a_metric_that_cannot_be_read_is_listed_with_the_reason(
    services: Services, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]
) -> None:
    text = "name: logins\nentity: usage_event\nmeasure: count\nbucket: day\nwhere: soundex(event) = 'x'\n"
    with services.database.transaction() as connection:
        connection.execute(
            "INSERT INTO declaration (kind, name, version, fingerprint, text, activated_at)"
            " VALUES ('metric', 'logins', 1, '', %s, now())",
            [text],
        )
    path = "/api/v1/analytics/usage-trends/7d"
    answer = (await client.get(path, headers=bearer[Role.VIEWER])).json()["data"]
    [told] = answer["unreadable"]
    assert told["metric"] == "logins"
    assert "the function 'soundex' is not allowed" in told["reason"]
    assert "logins" not in {one["metric"] for one in answer["available"]}
    refused = await client.get(path, params={"metric": "logins"}, headers=bearer[Role.VIEWER])
    assert refused.status_code == 404
    assert "cannot be read" in refused.json()["detail"]
    assert "mainstem activate" in refused.json()["hint"]
