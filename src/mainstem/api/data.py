"""Routes about data itself: sources and conservation."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from mainstem.access import Permission
from mainstem.api.conservation import Conservation, StreamState
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.security import requires

__all__ = ["data_router"]


def data_router(conservation: Conservation) -> APIRouter:
    """Routes below `/api/v1/data` but for ingest, quality and quarantine."""
    router = APIRouter(prefix="/api/v1/data", tags=["data"])
    clock = conservation.clock
    reads = [requires(Permission.DATA_READ)]

    def meta(streams: list[StreamState]) -> Meta:
        return graded(clock, [stream.clock for stream in streams if stream.clock is not None])

    @router.get("/sources", dependencies=reads)
    def sources() -> Response:
        return answer(conservation.summaries(), meta(conservation.streams()))

    @router.get("/status/{source_system}", dependencies=reads)
    def status(source_system: str) -> Response:
        return answer(conservation.status(source_system), meta(conservation.streams(source_system)))

    return router
