"""Routes about the contracts in force: what each says, what its rules warned of, and its JSON Schema."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mainstem.access import Permission
from mainstem.api.envelope import Meta, answer
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.clock import Clock
from mainstem.contracts import ANY_SOURCE, Contract, Registry, described, json_schema
from mainstem.store import Database

__all__ = ["contracts_router"]


def contracts_router(database: Database, registry: Registry, clock: Clock) -> APIRouter:
    """Routes below `/api/v1/contracts`."""
    router = APIRouter(prefix="/api/v1/contracts", tags=["contracts"])
    reads = [requires(Permission.CONTRACTS_READ)]

    def active(source: str, stream: str) -> Contract:
        contract = registry.active(source, stream)
        if contract is None:
            raise ProblemError(404, "not-found", f"No contract is active for {source}.{stream}.")
        return contract

    @router.get("", dependencies=reads)
    def contracts() -> Response:
        found = [registry.active(source, stream) for source, stream in registry.streams()]
        said = [_brief(one) for one in found if one is not None]
        return answer({"contracts": said}, Meta.now(clock))

    @router.get("/{source}/{stream}", dependencies=reads)
    def contract(source: str, stream: str) -> Response:
        found = active(source, stream)
        # The contract for any source is that of the sources without one of their own.
        others = [one for one, of in registry.streams() if of == stream]
        which = "source <> ALL(%s)" if source == ANY_SOURCE else "source = ANY(%s)"
        with database.autocommit() as connection:
            rows = connection.execute(
                f"SELECT rule, day, sum(n)::bigint FROM rule_warning WHERE {which} AND stream = %s"
                " GROUP BY 1, 2 ORDER BY 2 DESC, 1 LIMIT 1000",
                (others if source == ANY_SOURCE else [source], stream),
            ).fetchall()
        warnings = [{"rule": rule, "day": day.isoformat(), "count": int(count)} for rule, day, count in rows]
        return answer({**described(found), "warnings": warnings}, Meta.now(clock))

    @router.get("/{source}/{stream}/json-schema", dependencies=reads)
    def schema(source: str, stream: str) -> Response:
        return answer(json_schema(active(source, stream)), Meta.now(clock))

    return router


def _brief(contract: Contract) -> dict[str, Any]:
    said = described(contract)
    names = ("source", "stream", "version", "kind", "entity", "freshness_seconds")
    return {**{name: said[name] for name in names}, "fields": len(contract.fields), "rules": len(contract.rules)}
