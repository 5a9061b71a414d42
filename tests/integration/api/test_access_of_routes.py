"""Every route states who may call it, and nobody else may."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from mainstem.access import ROLES, Permission, Role
from mainstem.api.app import Services, create_app

PUBLIC = {"/healthz", "/readyz", "/api/v1/auth/sign-in", "/api/v1/auth/sign-out", "/api/v1/auth/me"}


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            yield method.upper(), path


def needed(path: str) -> Permission:
    """What each address needs, written down once more: a change has to be made in two places on purpose."""
    rules = {
        r"/metrics": Permission.SYSTEM_READ,
        r"/api/v1/data/ingest/.*": Permission.DATA_INGEST,
        r"/api/v1/data/quarantine/(preview|replay|release|dismiss|records/[^/]*/(fix|preview)|orders.*)": Permission.QUARANTINE_DECIDE,
        r"/api/v1/data/quarantine(/records(/[^/]*)?)?": Permission.QUARANTINE_READ,
        r"/api/v1/data/quality/anomalies/mutes.*": Permission.QUALITY_MUTE,
        r"/api/v1/data/quality/remedies/originals": Permission.QUARANTINE_REVEAL,
        r"/api/v1/data/.*": Permission.DATA_READ,
        r"/api/v1/contracts.*": Permission.CONTRACTS_READ,
        r"/api/v1/analytics/.*": Permission.ANALYTICS_READ,
    }
    return next(permission for pattern, permission in rules.items() if re.fullmatch(pattern, path))


async def test_every_route_and_role(
    app: FastAPI, client: httpx.AsyncClient, bearer: dict[Role, dict[str, str]]
) -> None:
    checked = 0
    for method, path in operations(app):
        if path in PUBLIC:
            continue
        address = re.sub(r"\{[^}]+\}", "7d" if "timeframe" in path else "x", path)
        assert (await client.request(method, address)).status_code == 401, path
        wrong = {"Authorization": "Bearer msk_wrong"}
        assert (await client.request(method, address, headers=wrong)).status_code == 401, path
        for role in Role:
            answer = await client.request(method, address, headers=bearer[role])
            allowed = needed(path) in ROLES[role]
            assert (answer.status_code != 403) == allowed, (path, role, answer.text)
            checked += 1
    assert checked >= 25


def test_a_route_without_permission_does_not_start(services: Services) -> None:
    router = APIRouter()

    @router.get("/open")
    def route() -> Response:
        return Response()

    careless = dataclasses.replace(services, routers=lambda _gate, _hub: (router,))
    with pytest.raises(RuntimeError, match="/open"):
        create_app(careless)
