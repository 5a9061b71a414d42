"""Routes about orders: decisions about many records in quarantine, how far they have come, and leaving off."""

from __future__ import annotations

import uuid
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission, Principal
from mainstem.api.envelope import Meta, answer
from mainstem.api.security import requires
from mainstem.clock import Clock
from mainstem.processing import Order, Orders

__all__ = ["add_orders"]

_log = structlog.get_logger()

_Decider = Annotated[Principal, requires(Permission.QUARANTINE_DECIDE)]


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: Annotated[str | None, Field(max_length=1000, pattern=r"^[^\x00]*$")] = None
    running: bool = False
    """Only those that have not ended."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


def add_orders(router: APIRouter, orders: Orders, clock: Clock) -> None:
    """Add the routes below `/orders`. Who may decide about a source's records may see and end the orders about them."""

    @router.get("/orders")
    def latest(asked: Annotated[_Listed, Query()], who: _Decider) -> Response:
        sources = who.sources
        if asked.source is not None:
            who.require_bound(asked.source, Permission.QUARANTINE_DECIDE)
            sources = frozenset({asked.source})
        found = orders.latest(sources=sources, any_source=who.sources is None, running=asked.running, limit=asked.limit)
        return answer([order.told() for order in found if _readable(order, who)], Meta.now(clock))

    @router.get("/orders/{order}")
    def one(order: uuid.UUID, who: _Decider) -> Response:
        found = _read(orders, order, who)
        return answer(found.told(), Meta.now(clock))

    @router.post("/orders/{order}/cancel")
    def cancel(order: uuid.UUID, who: _Decider) -> Response:
        _read(orders, order, who)
        ended = orders.cancel(order)
        _log.info("quarantine_order_cancelled", order=str(order), by=f"{who.kind}:{who.name}", state=ended.state)
        return answer(ended.told(), Meta.now(clock))


def _read(orders: Orders, id_: uuid.UUID, who: Principal) -> Order:
    """Raises NotFoundError, and PermissionDeniedError where it is not for them."""
    order = orders.read(id_)
    who.require_bound(order.source, Permission.QUARANTINE_DECIDE)
    if not _readable(order, who):
        who.require(Permission.QUARANTINE_REVEAL)
    return order


def _readable(order: Order, who: Principal) -> bool:
    """What a contract makes of records is for those who may read them: enough contracts would read one out."""
    return order.contract is None or who.may(Permission.QUARANTINE_REVEAL)
