"""Routes about remedies: of how many values each changed or marked something, and how the values came."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission, Principal
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import answer, graded
from mainstem.api.problems import ProblemError
from mainstem.api.quality import Name, ReadIds, Selected
from mainstem.api.security import requires
from mainstem.contracts import RemedyEffect
from mainstem.model import EntityKind
from mainstem.privacy import Sealer
from mainstem.processing import Original, read_originals
from mainstem.quality import RemedyTotal, read_remedies
from mainstem.quality.breaches import Contracts

__all__ = ["remedies_router"]

_log = structlog.get_logger()

_Revealer = Annotated[Principal, requires(Permission.QUARANTINE_REVEAL)]


class _Asked(Selected):
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class _OfOne(BaseModel):
    """To what a remedy of a stream's field did something."""

    model_config = ConfigDict(extra="forbid")
    source: Name
    stream: Name
    field: Name
    remedy: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
    limit: Annotated[int, Field(ge=1, le=200)] = 50


def remedies_router(conservation: Conservation, sealer: Sealer, ids: ReadIds) -> APIRouter:
    """Routes below `/api/v1/data/quality/remedies`."""
    router = APIRouter(prefix="/api/v1/data/quality/remedies", tags=["data"])
    database, clock, contracts = conservation.database, conservation.clock, conservation.contracts

    @router.get("", dependencies=[requires(Permission.DATA_READ)])
    def remedies(asked: Annotated[_Asked, Query()]) -> Response:
        query = asked.query(clock.wall().astimezone(dt.UTC).date())
        with database.snapshot() as conn:
            found = read_remedies(conn, query)
        states = conservation.streams(asked.source)
        data = {
            "from": query.first,
            "to": query.last,
            "remedies": [_total(one, contracts) for one in found[: asked.limit]],
            "total": len(found),
        }
        return answer(data, graded(clock, [one.clock for one in states if one.clock is not None]))

    @router.get("/originals")
    def originals(asked: Annotated[_OfOne, Query()], who: _Revealer) -> Response:
        source, field = asked.source, asked.field
        contract = contracts.active(source, asked.stream)
        if contract is None:
            raise ProblemError(404, "not-found", "No contract of this stream is in force.")
        if contract.kind is EntityKind.EVENT:
            detail = "It is a stream of events, which keep no originals beside their values."
            raise ProblemError(422, "invalid", detail, hint="Their payloads lie in the lake as they came.")
        with database.snapshot() as conn:
            found = read_originals(conn, sealer, contract, source, (field, asked.remedy), limit=asked.limit)
            # Who customers are is for those to know who may ask for customers.
            refs = {one.customer for one in found if one.customer is not None}
            known = ids(conn, refs) if who.may(Permission.ANALYTICS_READ) else {}
        _log.info("originals_read", by=f"{who.kind}:{who.name}", source=source, stream=asked.stream, field=field)
        told = [{**_original(one), "id": None if one.customer is None else known.get(one.customer)} for one in found]
        return answer({"originals": told}, conservation.graded(source, asked.stream))

    return router


def _total(one: RemedyTotal, contracts: Contracts) -> dict[str, Any]:
    contract = contracts.active(one.source, one.stream)
    return {
        **{name: getattr(one, name) for name in ("source", "stream", "field", "remedy", "records", "of")},
        "effect": RemedyEffect.of(one.remedy),
        "share": one.records / one.of if one.of else None,
        "latest": one.latest,
        "kept": contract is not None
        and contract.kind is EntityKind.STATE
        and one.field in contract.mapping.attributes.values(),
    }


def _original(one: Original) -> dict[str, Any]:
    return {
        "ref": one.ref.hex,
        "attribute": one.attribute,
        "from": one.came,
        "value": one.value,
        "by": one.by,
        "at": one.at,
    }
