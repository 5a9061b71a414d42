"""Routes about agreement: what systems say alike, since when, and which entities differ."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission, Principal
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import answer, graded
from mainstem.api.problems import ProblemError
from mainstem.api.quality import ReadIds
from mainstem.api.security import requires
from mainstem.hints import near_miss
from mainstem.quality.agreements import (
    Agreement,
    Contracts,
    InForce,
    Kind,
    read_differences,
    read_runs,
    told_agreement,
    told_differences,
)

__all__ = ["agreements_router"]

_EARLIEST = dt.date(2000, 1, 1)
_USUAL_DAYS = dt.timedelta(days=27)

_Reader = Annotated[Principal, requires(Permission.DATA_READ)]
_Name = Annotated[str, Field(max_length=63, pattern=r"^[^\x00]*$")]


class _Asked(BaseModel):
    """Evaluations of days: four weeks when nothing is said; of all agreements, or those of a source."""

    model_config = ConfigDict(extra="forbid")
    source: _Name | None = None
    first: Annotated[dt.date | None, Field(alias="from", ge=_EARLIEST)] = None
    last: Annotated[dt.date | None, Field(alias="to", ge=_EARLIEST, lt=dt.date(9999, 1, 1))] = None

    def days(self, today: dt.date) -> tuple[dt.date, dt.date]:
        """Raises ProblemError for days the wrong way round."""
        last = self.last or today
        first = self.first or max(last - _USUAL_DAYS, _EARLIEST)
        if first > last:
            raise ProblemError(422, "invalid", f"{first} is after {last}.", hint="Give `from` and `to` as YYYY-MM-DD.")
        return first, last


class _AskedOne(_Asked):
    kind: Kind | None = None
    """Only differences of this kind."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


def agreements_router(
    conservation: Conservation, in_force: Callable[[], Sequence[InForce]], contracts: Contracts, ids: ReadIds
) -> APIRouter:
    """Routes below `/api/v1/data/quality/agreements`; `in_force` reads the agreements in force."""
    router = APIRouter(prefix="/api/v1/data/quality/agreements", tags=["data"])
    database, clock = conservation.database, conservation.clock
    reads = [requires(Permission.DATA_READ)]

    def respond(data: dict[str, Any], found: Sequence[InForce]) -> Response:
        asked = {side.source for one in found for side in (one.agreement.left, one.agreement.right)}
        states = [one for one in conservation.streams(None) if one.source in asked]
        return answer(data, graded(clock, [one.clock for one in states if one.clock is not None]))

    @router.get("", dependencies=reads)
    def agreements(asked: Annotated[_Asked, Query()]) -> Response:
        first, last = asked.days(clock.wall().astimezone(dt.UTC).date())
        found = [one for one in in_force() if asked.source in {None, *_sources(one.agreement)}]
        with database.snapshot() as conn:
            runs = read_runs(conn, first, last)
        told = [told_agreement(one, runs.get(one.agreement.name, ()), contracts) for one in found]
        return respond({"from": first, "to": last, "agreements": told}, found)

    @router.get("/{name}")
    def agreement(name: str, asked: Annotated[_AskedOne, Query()], who: _Reader) -> Response:
        first, last = asked.days(clock.wall().astimezone(dt.UTC).date())
        known = {one.agreement.name: one for one in in_force()}
        if name not in known:
            raise ProblemError(404, "not-found", "There is no such agreement in force.", hint=near_miss(name, known))
        with database.snapshot() as conn:
            runs = read_runs(conn, first, last)
            total, differences = read_differences(conn, name, known[name].version, kind=asked.kind, limit=asked.limit)

            def names(refs: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
                # Who customers are is for those to know who may ask for customers.
                return ids(conn, refs) if who.may(Permission.ANALYTICS_READ) else {}

            told = told_differences(differences, known[name].agreement, contracts, names)
        data = {
            "from": first,
            "to": last,
            **told_agreement(known[name], runs.get(name, ()), contracts),
            "differences": told,
            "differences_total": total,
        }
        return respond(data, [known[name]])

    return router


def _sources(agreement: Agreement) -> set[str]:
    return {agreement.left.source, agreement.right.source}
