"""The route about drift: how streams depart from their contracts."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from mainstem.access import Permission
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import answer
from mainstem.api.instants import Instant
from mainstem.api.security import requires
from mainstem.contracts import DriftKind, Registry
from mainstem.processing import DriftSelection, read_drift, told_drift

__all__ = ["drift_router"]

_Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class _Asked(BaseModel):
    source: _Text | None = None
    stream: _Text | None = None
    kind: DriftKind | None = None
    since: Instant | None = None
    """When it was first seen, or later; with an offset."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


def drift_router(conservation: Conservation, registry: Registry) -> APIRouter:
    """`/api/v1/data/quality/drift`."""
    router = APIRouter(prefix="/api/v1/data/quality", tags=["data"])

    @router.get("/drift", dependencies=[requires(Permission.DATA_READ)])
    def drift(asked: Annotated[_Asked, Query()]) -> Response:
        since = None if asked.since is None else asked.since.astimezone(dt.UTC)
        selection = DriftSelection(asked.source, asked.stream, asked.kind, since)
        with conservation.database.autocommit() as connection:
            entries = read_drift(connection, selection, limit=asked.limit)
        findings = [told_drift(entry, registry) for entry in entries]
        return answer({"findings": findings}, conservation.graded(asked.source, asked.stream))

    return router
