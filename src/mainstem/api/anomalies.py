"""Routes about anomalies: what is far from what was expected, and muting what is known."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission, Principal
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.instants import Instant
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.quality import QualityQuery
from mainstem.quality.anomalies import (
    Mute,
    Signal,
    add_mute,
    end_mute,
    read_anomalies,
    read_mutes,
)

__all__ = ["anomalies_router"]

_USUAL_DAYS = dt.timedelta(days=27)
_EARLIEST = dt.date(2000, 1, 1)

_Name = Annotated[str, Field(max_length=63, pattern=r"^[^\x00]*$")]


class _Asked(BaseModel):
    """Anomalies of days: four weeks when nothing is said."""

    model_config = ConfigDict(extra="forbid")
    source: _Name | None = None
    stream: _Name | None = None
    name: _Name | None = None
    first: Annotated[dt.date | None, Field(alias="from", ge=_EARLIEST)] = None
    last: Annotated[dt.date | None, Field(alias="to", ge=_EARLIEST, lt=dt.date(9999, 1, 1))] = None
    running: bool = False
    """Only those that have not ended."""

    def query(self, today: dt.date) -> QualityQuery:
        """Raises ProblemError for days the wrong way round."""
        last = self.last or today
        first = self.first or max(last - _USUAL_DAYS, _EARLIEST)
        if first > last:
            raise ProblemError(422, "invalid", f"{first} is after {last}.", hint="Give `from` and `to` as YYYY-MM-DD.")
        return QualityQuery(first, last, self.source, self.stream, self.name)


class _Muted(BaseModel):
    """What is not to be told, until when, and why; what is not given means any."""

    model_config = ConfigDict(extra="forbid")
    until: Instant
    why: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")]
    signal: Signal | None = None
    source: _Name | None = None
    stream: _Name | None = None
    name: _Name | None = None


_Muter = Annotated[Principal, requires(Permission.QUALITY_MUTE)]


def anomalies_router(conservation: Conservation) -> APIRouter:
    """Routes below `/api/v1/data/quality/anomalies`."""
    router = APIRouter(prefix="/api/v1/data/quality/anomalies", tags=["data"])
    database, clock = conservation.database, conservation.clock

    @router.get("", dependencies=[requires(Permission.DATA_READ)])
    def anomalies(asked: Annotated[_Asked, Query()]) -> Response:
        query = asked.query(clock.data().astimezone(dt.UTC).date())
        with database.snapshot() as conn:
            found = read_anomalies(conn, query, running=asked.running)
            mutes = read_mutes(conn, clock.wall())
        told = [{**dataclasses.asdict(one), "muted": any(mute.covers(one) for mute in mutes)} for one in found]
        data = {
            "from": query.first,
            "to": query.last,
            "anomalies": told,
            "mutes": [dataclasses.asdict(mute) for mute in mutes],
        }
        clocks = [one.clock for one in conservation.streams(asked.source) if one.clock is not None]
        return answer(data, graded(clock, clocks))

    @router.post("/mutes", status_code=201)
    def mute(wanted: _Muted, who: _Muter) -> Response:
        who.require_bound(wanted.source, Permission.QUALITY_MUTE)
        made = Mute(
            until=wanted.until.astimezone(dt.UTC),
            why=wanted.why,
            author=who.name,
            signal=wanted.signal,
            source=wanted.source,
            stream=wanted.stream,
            name=wanted.name,
        )
        add_mute(database, made, clock.wall())
        return answer(dataclasses.asdict(made), Meta.now(clock), status=201)

    @router.delete("/mutes/{mute_id}")
    def unmute(mute_id: uuid.UUID, who: _Muter) -> Response:
        with database.snapshot() as conn:
            known = {one.id: one for one in read_mutes(conn, clock.wall())}
        if mute_id not in known:
            raise ProblemError(404, "not-found", "There is no such mute in force.")
        who.require_bound(known[mute_id].source, Permission.QUALITY_MUTE)
        end_mute(database, mute_id, clock.wall())
        return answer({"id": mute_id}, Meta.now(clock))

    return router
