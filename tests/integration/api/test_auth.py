"""Signing in, staying in, signing out."""

from __future__ import annotations

import httpx
import pytest

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.api.security import COOKIE


@pytest.fixture
def ann(services: Services) -> dict[str, str]:
    services.users.create("ann", "correct horse", Role.ADMIN)
    return {"name": "ann", "password": "correct horse"}


async def test_sign_in_gives_a_guarded_cookie(client: httpx.AsyncClient, ann: dict[str, str]) -> None:
    answer = await client.post("/api/v1/auth/sign-in", json=ann)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    me = (await client.get("/api/v1/auth/me")).json()["data"]
    assert me["name"] == "ann"
    assert "data:read" in me["permissions"]
    assert me["csrf"] == answer.json()["data"]["csrf"]


async def test_cookie_reads_without_and_writes_only_with_the_csrf_token(
    client: httpx.AsyncClient, ann: dict[str, str]
) -> None:
    me = (await client.post("/api/v1/auth/sign-in", json=ann)).json()["data"]
    assert (await client.get("/api/v1/data/sources")).status_code == 200
    event = {"stream": "usage_events", "payload": {"customer_id": "a", "event": "e"}}
    refused = await client.post("/api/v1/data/ingest/shop", json=event)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/csrf")
    taken = await client.post("/api/v1/data/ingest/shop", json=event, headers={"X-CSRF-Token": me["csrf"]})
    assert taken.status_code == 202


async def test_sign_out_ends_the_session_for_good(client: httpx.AsyncClient, ann: dict[str, str]) -> None:
    me = (await client.post("/api/v1/auth/sign-in", json=ann)).json()["data"]
    cookie = client.cookies[COOKIE]
    assert (await client.post("/api/v1/auth/sign-out")).status_code == 403
    assert (await client.post("/api/v1/auth/sign-out", headers={"X-CSRF-Token": me["csrf"]})).status_code == 204
    client.cookies.set(COOKIE, cookie)
    assert (await client.get("/api/v1/auth/me")).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "ann", "password": "wrong"}, 401),
        ({"name": "nobody", "password": "wrong"}, 401),
        ({"name": "ann"}, 422),
        ({"name": "ann", "password": "x", "role": "admin"}, 422),
        ({"name": "ann", "password": "x" * 2000}, 422),
        (["ann"], 422),
    ],
)
async def test_wrong_sign_in(client: httpx.AsyncClient, ann: dict[str, str], body: object, status: int) -> None:
    answer = await client.post("/api/v1/auth/sign-in", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "correct horse" not in answer.text


async def test_another_site_cannot_sign_a_browser_in(client: httpx.AsyncClient, ann: dict[str, str]) -> None:
    foreign = await client.post("/api/v1/auth/sign-in", json=ann, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    own = await client.post("/api/v1/auth/sign-in", json=ann, headers={"Origin": "http://mainstem.test"})
    assert own.status_code == 200
