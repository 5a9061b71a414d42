"""Is the process alive, can it do its work, and its figures."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from mainstem import __version__
from mainstem.access import Permission
from mainstem.api.envelope import Meta, answer
from mainstem.api.problems import problem
from mainstem.api.security import public, requires
from mainstem.clock import Clock
from mainstem.errors import MainstemError, StorageFullError
from mainstem.store import Database

__all__ = ["health_router"]


def _figures() -> CollectorRegistry:
    """Those of all processes of the tree where they share them, of this one otherwise."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def health_router(database: Database, clock: Clock, space: Callable[[], None]) -> APIRouter:
    """`/healthz`, `/readyz`, `/metrics`. `space` raises StorageFullError when a disk behind the door has no room left."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", dependencies=[public("balancers have no key; says only that the process answers")])
    async def healthz() -> Response:
        return answer({"status": "alive", "version": __version__}, Meta.now(clock))

    @router.get("/readyz", dependencies=[public("balancers have no key; says only whether work can be done")])
    def readyz() -> Response:
        try:
            # First: without room the database may not answer either, and that is not what has to be mended.
            space()
            with database.autocommit() as connection:
                connection.execute("SELECT FROM installation")
        except StorageFullError as error:
            return problem(503, "storage-full", error.message, hint=error.hint, retry_after=5)
        except MainstemError as error:
            return problem(503, "unavailable", error.message, retry_after=1)
        return answer({"status": "ready"}, Meta.now(clock))

    @router.get("/metrics", dependencies=[requires(Permission.SYSTEM_READ)])
    def metrics() -> Response:
        return Response(generate_latest(_figures()), media_type=CONTENT_TYPE_LATEST)

    return router
