"""Routes about the quality of data: scores with their history, and what rests on what is bad."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission, Principal
from mainstem.analytics.impact import Impact, StreamImpact, read_impact
from mainstem.analytics.model import HealthModel
from mainstem.api.conservation import Conservation, StreamState, Totals
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.contracts import RemedyEffect
from mainstem.errors import NotFoundError
from mainstem.hints import near_miss
from mainstem.metrics import Gauge, Journey, Metric
from mainstem.quality import (
    Breach,
    DayScores,
    Dimension,
    Measurement,
    QualityQuery,
    QualityReport,
    QualityScorer,
    QualitySettings,
    Score,
    Scored,
    by_worst,
    read_report,
    replayed_days,
)
from mainstem.quality.breaches import Contracts
from mainstem.quality.uniqueness import SharedValue, read_shared
from mainstem.store import Connection

__all__ = ["Declared", "Name", "ReadIds", "Selected", "quality_router"]

# Defects of a record in which something required is not there at all.
_INCOMPLETE = ("missing", "no_partition_key", "no_identity")
_OPEN = "state IN ('quarantined', 'held')"
_USUAL_DAYS = dt.timedelta(days=27)
_EARLIEST = dt.date(2000, 1, 1)
_MOST_DAYS = dt.timedelta(days=400)

Name = Annotated[str, Field(max_length=63, pattern=r"^[^\x00]*$")]
"""Of a source, a stream or a field."""

ReadIds = Callable[[Connection, Iterable[uuid.UUID]], Mapping[uuid.UUID, str]]
"""Reads what references of customers stand for."""

Declared = Callable[[], tuple[Sequence[Metric | Gauge | Journey], Sequence[HealthModel]]]
"""The metrics and health models in force."""


class Selected(BaseModel):
    """Which data, of which received days: four weeks when nothing is said."""

    model_config = ConfigDict(extra="forbid")
    source: Name | None = None
    stream: Name | None = None
    first: Annotated[dt.date | None, Field(alias="from", ge=_EARLIEST)] = None
    last: Annotated[dt.date | None, Field(alias="to", ge=_EARLIEST)] = None

    def query(self, today: dt.date) -> QualityQuery:
        """Raises ProblemError for days that are none or too many."""
        last = self.last or today
        first = self.first or last - _USUAL_DAYS
        if not dt.timedelta(0) <= last - first < _MOST_DAYS:
            detail = f"From {first} to {last} are not 1 to {_MOST_DAYS.days} days."
            raise ProblemError(422, "invalid", detail, hint="Give `from` and `to` as YYYY-MM-DD.")
        return QualityQuery(first, last, self.source, self.stream)


class _Measured(Selected):
    field: Name | None = None
    dimension: Dimension | None = None
    order: Literal["name", "worst"] = "name"
    limit: Annotated[int, Field(ge=1, le=1000)] = 200

    def query(self, today: dt.date) -> QualityQuery:
        return dataclasses.replace(super().query(today), field=self.field)


class _Shared(BaseModel):
    """Whose shared values: of everything, or of a source, a stream, a field."""

    model_config = ConfigDict(extra="forbid")
    source: Name | None = None
    stream: Name | None = None
    field: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


def quality_router(
    conservation: Conservation, settings: QualitySettings, declared: Declared, ids: ReadIds
) -> APIRouter:
    """Routes below `/api/v1/data/quality`."""
    router = APIRouter(prefix="/api/v1/data/quality", tags=["data"])
    database, clock, contracts = conservation.database, conservation.clock, conservation.contracts
    reads = [requires(Permission.DATA_READ)]

    def selected(asked: Selected) -> tuple[QualityQuery, list[StreamState], Meta]:
        query = asked.query(clock.wall().astimezone(dt.UTC).date())
        conservation.check_known(asked.source, asked.stream)
        states = conservation.streams(asked.source)
        states = [one for one in states if asked.stream is None or one.stream == asked.stream]
        return query, states, graded(clock, [one.clock for one in states if one.clock is not None])

    @router.get("/metrics", dependencies=reads)
    def metrics(asked: Annotated[_Measured, Query()]) -> Response:
        query, states, meta = selected(asked)
        dimensions = tuple(Dimension) if asked.dimension is None else (asked.dimension,)
        scorer = QualityScorer(settings, dimensions, replayed_days(clock))
        with database.snapshot() as connection:
            report = read_report(connection, query, contracts, scorer)
            if asked.field is not None and not report.fields:
                _check_field(
                    asked.field, read_report(connection, dataclasses.replace(query, field=None), contracts, scorer)
                )
            incomplete = {
                (source, stream): count
                for source, stream, count in connection.execute(
                    f"SELECT source, stream, count(*) FROM quarantine WHERE {_OPEN} AND reason = ANY(%s) GROUP BY 1, 2",
                    (list(_INCOMPLETE),),
                ).fetchall()
            }
        streams = []
        for state in states:
            name = state.source, state.stream
            streams.append(_stream(conservation, state, incomplete.get(name, 0)) | _scored(report.streams.get(name)))
        return answer({**_told(query, settings), "streams": streams, **_fields(report, asked)}, meta)

    @router.get("/impact", dependencies=reads)
    def impact(asked: Annotated[Selected, Query()]) -> Response:
        query, _, meta = selected(asked)
        with database.snapshot() as connection:
            found = read_impact(connection, query, contracts, declared())
        return answer({"from": query.first, "to": query.last, **_impact(found)}, meta)

    @router.get("/uniqueness")
    def uniqueness(
        asked: Annotated[_Shared, Query()], who: Annotated[Principal, requires(Permission.DATA_READ)]
    ) -> Response:
        conservation.check_known(asked.source, asked.stream)
        with database.snapshot() as connection:
            total, found = read_shared(connection, asked.source, asked.stream, asked.field, limit=asked.limit)
            # Who customers are is for those to know who may ask for customers.
            refs = _customers(found, contracts) if who.may(Permission.ANALYTICS_READ) else []
            known = ids(connection, refs)
        states = conservation.streams(asked.source)
        data = {"shared": [_shared(one, known) for one in found], "total": total}
        return answer(data, graded(clock, [one.clock for one in states if one.clock is not None]))

    return router


def _check_field(name: str, report: QualityReport) -> None:
    """Raise NotFoundError for a field that none of the streams has that were checked on these days."""
    fields = {one.field for one in report.fields}
    if fields:
        raise NotFoundError(
            f"No stream that was checked on these days has a field {name!r}.", hint=near_miss(name, fields)
        )


def _customers(found: Sequence[SharedValue], contracts: Contracts) -> list[uuid.UUID]:
    refs = []
    for one in found:
        contract = contracts.active(one.source, one.stream)
        if contract is not None and contract.mapping.entity == "customer":
            refs += [uuid.UUID(bytes=ref) for ref in one.refs]
    return refs


def _shared(one: SharedValue, ids: Mapping[uuid.UUID, str]) -> dict[str, Any]:
    """Entities that share a value; the value is theirs, and not told."""
    refs = [uuid.UUID(bytes=ref) for ref in one.refs]
    return {
        **{name: getattr(one, name) for name in ("source", "stream", "field", "n", "at")},
        "refs": [ref.hex for ref in refs],
        "ids": [ids.get(ref) for ref in refs],
    }


def _told(query: QualityQuery, settings: QualitySettings) -> dict[str, Any]:
    return {
        "from": query.first,
        "to": query.last,
        "objectives": {
            "completeness": settings.completeness,
            "accuracy": settings.accuracy,
            "least_records": settings.least_records,
        },
    }


def _fields(report: QualityReport, asked: _Measured) -> dict[str, Any]:
    fields = sorted(report.fields, key=by_worst) if asked.order == "worst" else report.fields
    return {
        "overall": _scored(report.overall),
        "fields": [
            {
                **{name: getattr(one, name) for name in ("source", "stream", "field", "required", "checked")},
                **_scored(one),
                "remedied": _remedied(report.remedied.get((one.source, one.stream, one.field), {})),
            }
            for one in fields[: asked.limit]
        ],
        "fields_total": len(fields),
        "breaches": [_breach(one) for one in report.breaches],
    }


def _remedied(counts: Mapping[str, int]) -> dict[str, Any]:
    """Of how many copies a field's value was changed or marked: by what became of it, and by remedy."""
    effects = {effect.value: 0 for effect in RemedyEffect}
    for remedy, n in counts.items():
        effects[RemedyEffect.of(remedy)] += n
    return {**effects, "remedies": [{"remedy": remedy, "records": n} for remedy, n in counts.items()]}


def _stream(conservation: Conservation, state: StreamState, incomplete: int) -> dict[str, Any]:
    """What the ledger says of all that was ever received, and how fresh it is."""
    totals = Totals.of(state.lines)
    judged = totals.accepted + totals.duplicate + totals.quarantined + totals.held + totals.discarded
    clock = state.clock
    [freshness] = conservation.freshness([state])
    seconds, objective = freshness["seconds"], freshness["objective_seconds"]
    return {
        "source": state.source,
        "stream": state.stream,
        "records": judged,
        "completeness": _ratio(judged - incomplete, judged),
        "validity": _ratio(totals.accepted + totals.duplicate, judged),
        "freshness": {
            "seconds": seconds,
            "objective_seconds": objective,
            "met": None if clock is None or seconds is None else seconds <= objective,
        },
    }


def _ratio(good: int, of: int) -> dict[str, Any]:
    return {"value": good / of if of else None, "good": good, "of": of}


def _scored(scored: Scored | None) -> dict[str, Any]:
    """The scores of days asked for; of a stream that was never checked there are none."""
    if scored is None:
        return {"grade": "none", "worst": None, "scores": {}, "unmeasured": {}, "days": []}
    return {
        "grade": scored.grade,
        "worst": scored.worst,
        "scores": {name: _score(score) for name, score in scored.scores.items()},
        "unmeasured": dict(scored.unmeasured),
        "days": [_day(day) for day in scored.days],
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        **_ratio(score.share.good, score.share.of),
        "recent": score.recent.value,
        "before": score.before.value,
        "change": score.change,
        "objective": score.objective,
        "breached": score.breached,
        "interval": score.interval,
        "measured": [_measurement(one) for one in score.by],
    }


def _measurement(one: Measurement) -> dict[str, Any]:
    """By what a share was measured that no check of records says."""
    return {
        **{name: getattr(one, name) for name in ("source", "stream", "method", "name", "measured_at")},
        **_ratio(one.good, one.n),
        "interval": one.interval,
    }


def _day(day: DayScores) -> dict[str, Any]:
    values: Mapping[str, Any] = {name: share.value for name, share in day.shares.items()}
    return {"day": day.day, "records": day.records, **values, "breached": day.breached}


def _breach(breach: Breach) -> dict[str, Any]:
    return dataclasses.asdict(breach)


def _impact(found: Impact) -> dict[str, Any]:
    streams = [_stream_impact(one) for one in found.streams]
    names = {
        key: sorted({name for one in streams for name in one[key]}) for key in ("metrics", "components", "attributes")
    }
    return {"customers": found.customers, "scored": found.scored, "known": found.known, **names, "streams": streams}


def _stream_impact(one: StreamImpact) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("source", "stream", "quarantined", "customers", "unattributed")},
        "metrics": one.named("metric"),
        "components": one.named("health component"),
        "attributes": one.named("entity"),
        "fields": [
            {
                "field": field.field,
                "missing": field.missing,
                "checked": field.checked,
                "uses": [{"kind": use.kind, "name": use.name} for use in field.uses],
            }
            for field in one.fields
        ],
    }
