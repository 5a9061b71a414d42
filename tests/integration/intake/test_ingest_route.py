from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from mainstem.api.ingest import add_ingest
from mainstem.api.problems import install_problems
from mainstem.errors import BackPressureError, MainstemError, PermissionDeniedError, StorageFullError, UnavailableError
from mainstem.intake import Door, DoorParts, DoorSettings
from mainstem.model import Lane
from mainstem.store import Database

EVENT = {"id": "e1", "customer_id": "acme", "event": "opened", "occurred_at": "2026-01-14T09:30:00Z"}
ENVELOPE = {"stream": "usage_events", "payload": EVENT}


def application(door: Door, authorise: Any = None) -> FastAPI:
    def only_shop(request: Request, source: str) -> None:
        if source != "shop":
            raise PermissionDeniedError("This key may not write the source.", permission="data:ingest")

    app = FastAPI()
    install_problems(app)
    add_ingest(app, door, authorise or only_shop)
    return app


@pytest.fixture
def small_door(parts: DoorParts) -> Iterator[Door]:
    with Door(parts, DoorSettings(max_body=4096, inline=1024)) as door:
        yield door


@pytest.fixture
async def client(small_door: Door) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(small_door))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


PATH = "/api/v1/data/ingest/shop"


def check_problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{kind}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def test_accepted(client: httpx.AsyncClient, logged: Any) -> None:
    response = await client.post(PATH, json=[ENVELOPE, 7])
    assert response.status_code == 202
    body = response.json()
    assert set(body) == {"data", "meta"}
    assert body["data"] == {
        "accepted": 1,
        "refused": [
            {
                "index": 1,
                "field": None,
                "reason": "not_an_object",
                "hint": "A record is a JSON object with `stream` and `payload`.",
            }
        ],
        "warnings": [],
        "delivery": logged.column("delivery")[0],
        "received_at": "2026-01-15T12:00:00Z",
    }
    assert body["meta"]["generated_at"] == "2026-01-15T12:00:00Z"
    (row,) = logged.records()
    assert row["record_id"] == "e1"
    assert row["origin"] == "api"


async def test_headers_and_parameters_reach_the_door(client: httpx.AsyncClient, logged: Any) -> None:
    lines = b"\n".join(json.dumps({**EVENT, "id": None, "n": n}).encode() for n in range(2))
    headers = {
        "Content-Type": "application/x-ndjson",
        "Content-Encoding": "gzip",
        "Idempotency-Key": "k-1",
        "Mainstem-Stream": "usage_events",
    }
    response = await client.post(f"{PATH}?lane=bulk", content=gzip.compress(lines), headers=headers)
    assert response.status_code == 202
    assert [row["record_id"] for row in logged.records(Lane.BULK)] == ["ik:k-1:0", "ik:k-1:1"]


async def test_a_large_body_is_decoded_in_a_thread(client: httpx.AsyncClient, logged: Any) -> None:
    response = await client.post(f"{PATH}?stream=usage_events", json=[{**EVENT, "id": str(n)} for n in range(20)])
    assert response.json()["data"]["accepted"] == 20
    assert len(logged.records()) == 20


async def test_heartbeat(client: httpx.AsyncClient, database: Database) -> None:
    response = await client.post(f"{PATH}?stream=usage_events", content=b"[]")
    assert response.status_code == 202
    assert response.json()["data"]["accepted"] == 0
    with database.autocommit() as connection:
        assert connection.execute("SELECT source, stream FROM heartbeat").fetchall() == [("shop", "usage_events")]


async def test_an_empty_array_without_stream(client: httpx.AsyncClient) -> None:
    body = check_problem(await client.post(PATH, content=b"[]"), 400, "invalid")
    assert "?stream=" in body["hint"]


async def test_every_record_refused(client: httpx.AsyncClient, logged: Any) -> None:
    response = await client.post(PATH, json=[7, {"steam": "x", "payload": {}}])
    body = check_problem(response, 422, "invalid")
    assert [(one["index"], one["field"], one["reason"]) for one in body["errors"]] == [
        (0, None, "not_an_object"),
        (1, "stream", "missing_stream"),
    ]
    assert all(one["hint"] for one in body["errors"])
    assert logged.records() == []


@pytest.mark.parametrize("content", [b'{"stream":', b"[1", b"\xff", b"[1}"])
async def test_an_unreadable_body(client: httpx.AsyncClient, content: bytes) -> None:
    body = check_problem(await client.post(PATH, content=content), 400, "invalid")
    assert body["errors"][0]["reason"] == "unreadable"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [({"Content-Type": "text/csv"}, "unsupported_media_type"), ({"Content-Encoding": "br"}, "unsupported_encoding")],
)
async def test_other_kinds_of_bodies(client: httpx.AsyncClient, headers: dict[str, str], reason: str) -> None:
    body = check_problem(await client.post(PATH, content=b"{}", headers=headers), 415, "unsupported-media-type")
    assert body["errors"][0]["reason"] == reason


async def test_a_truncated_gzip(client: httpx.AsyncClient) -> None:
    content = gzip.compress(json.dumps(ENVELOPE).encode())[:-2]
    response = await client.post(PATH, content=content, headers={"Content-Encoding": "gzip"})
    assert check_problem(response, 400, "invalid")["errors"][0]["reason"] == "bad_compression"


async def test_ten_gigabytes_declared_are_refused_unread(client: httpx.AsyncClient) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b""

    headers = {"Content-Length": str(10 * 2**30), "Content-Type": "application/json"}
    response = await client.post(PATH, content=body(), headers=headers)
    check_problem(response, 413, "too-large")
    assert response.headers["connection"] == "close"
    assert not read


async def test_a_body_refused_before_it_is_whole_is_counted(parts: DoorParts) -> None:
    with Door(parts) as door:
        transport = httpx.ASGITransport(application(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.post(PATH, content=b"{}", headers={"Content-Length": str(10 * 2**30)})
            check_problem(response, 413, "too-large")
    with parts.database.snapshot() as connection:
        rows = connection.execute("SELECT source, reason, n FROM log_refused").fetchall()
    assert rows == [("shop", "too_large", 1)]


async def test_a_body_without_declared_length_is_bounded_while_it_is_read(client: httpx.AsyncClient) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield b" " * 1000

    check_problem(await client.post(PATH, content=body()), 413, "too-large")
    assert read <= 6000


async def test_a_bomb(parts: DoorParts) -> None:
    with Door(parts) as door:
        transport = httpx.ASGITransport(application(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            content = gzip.compress(bytes(80 << 20))
            response = await client.post(PATH, content=content, headers={"Content-Encoding": "gzip"})
    check_problem(response, 413, "too-large")


async def test_a_source_that_may_not_be_written(client: httpx.AsyncClient, logged: Any) -> None:
    response = await client.post("/api/v1/data/ingest/crm", json=ENVELOPE)
    check_problem(response, 403, "forbidden")
    assert logged.records() == []


async def test_mainstems_own_source_is_nobodys(parts: DoorParts) -> None:
    with Door(parts) as door:
        transport = httpx.ASGITransport(application(door, lambda _request, _source: None))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.post("/api/v1/data/ingest/mainstem", json=ENVELOPE)
    check_problem(response, 403, "forbidden")


@pytest.mark.parametrize("source", ["a%2Fb", "a/b", "", "Shop", "a%00b"])
async def test_a_source_that_is_no_name_is_refused_by_its_field(parts: DoorParts, source: str) -> None:
    with Door(parts) as door:
        transport = httpx.ASGITransport(application(door, lambda _request, _source: None))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.post(f"/api/v1/data/ingest/{source}", json=ENVELOPE)
    body = check_problem(response, 400, "invalid")
    assert [(one["field"], one["reason"]) for one in body["errors"]] == [("source", "bad_source")]


async def test_authorise_comes_before_the_body_and_may_be_async(parts: DoorParts) -> None:
    async def nobody(request: Request, source: str) -> None:
        raise PermissionDeniedError("Nobody.")

    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b""

    with Door(parts) as door:
        transport = httpx.ASGITransport(application(door, nobody))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            check_problem(await client.post(PATH, content=body()), 403, "forbidden")
    assert not read


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"),
    [
        (BackPressureError("9 records wait.", retry_after=2.5, queue_age=25.04), 429, "back-pressure", "3"),
        (StorageFullError("The disk of the database is full.", retry_after=5), 503, "storage-full", "5"),
        (UnavailableError("The database cannot serve now."), 503, "unavailable", "1"),
    ],
)
async def test_what_the_door_cannot_take(
    client: httpx.AsyncClient,
    small_door: Door,
    monkeypatch: pytest.MonkeyPatch,
    error: MainstemError,
    status: int,
    kind: str,
    retry_after: str,
) -> None:
    async def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(small_door, "submit_async", fail)
    response = await client.post(PATH, json=ENVELOPE)
    body = check_problem(response, status, kind)
    assert response.headers["retry-after"] == retry_after
    assert error.message in body["detail"]
    if status == 429:
        assert body["errors"] == [{"reason": "queue_full", "queue_age_seconds": 25.0}]


async def test_a_wrong_lane(client: httpx.AsyncClient) -> None:
    check_problem(await client.post(f"{PATH}?lane=fast", json=ENVELOPE), 422, "invalid")


def test_the_route_is_documented(small_door: Door) -> None:
    operation = application(small_door).openapi()["paths"]["/api/v1/data/ingest/{source_system}"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    assert {"202", "400", "413", "415", "422", "429", "503"} <= set(operation["responses"])
    assert {one["name"] for one in operation["parameters"]} >= {"stream", "lane", "idempotency-key", "source_system"}
