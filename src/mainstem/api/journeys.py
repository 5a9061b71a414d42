"""Routes about journeys: funnels, retention, cohorts and adoption."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.instants import zoned
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.errors import NotFoundError, UnavailableError
from mainstem.hints import near_miss
from mainstem.metrics import (
    Adoption,
    Cohorts,
    Funnel,
    Granularity,
    Journey,
    JourneyKind,
    Metrics,
    MetricSet,
    Retention,
    Track,
    read_adoption,
    read_cohorts,
    read_funnel,
    read_retention,
)

__all__ = ["Shared", "journeys_router"]

_DAY: Final = dt.timedelta(days=1)
_MOST_PERIODS: Final = 400
_LONGEST: Final = 3_660 * _DAY
_SPANS: Final = {Granularity.DAY: 14 * _DAY, Granularity.WEEK: 84 * _DAY, Granularity.MONTH: 365 * _DAY}
"""What is looked at where nothing else is asked for, by what is put together; a funnel looks at 90 days."""
_FUNNEL_SPAN: Final = 90 * _DAY
_LENGTHS: Final = {Granularity.DAY: _DAY, Granularity.WEEK: 7 * _DAY, Granularity.MONTH: 28 * _DAY}
"""The least of each."""

_Day = Annotated[dt.date, Field(ge=dt.date(1970, 1, 1), lt=dt.date(2200, 1, 1))]

Told = Funnel | Retention | Cohorts | Adoption


class _Question(BaseModel):
    """What may be asked of a journey: days are UTC days, both included."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[_Day | None, Field(alias="from")] = None
    until: Annotated[_Day | None, Field(alias="to")] = None
    days: Annotated[
        int | None, Field(ge=1, le=_LONGEST.days, description="So many days up to `to`, instead of `from`.")
    ] = None
    segment: Annotated[str | None, Field(description="Only subjects that belong to this segment today.")] = None
    as_of: Annotated[
        dt.datetime | None, Field(description="Only what occurred before this instant, or in the moment of it.")
    ] = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """One question. `start` and `end` are midnights; what happens on the day before `end` still counts."""

    journey: Journey
    start: dt.datetime
    end: dt.datetime
    as_of: dt.datetime
    segment: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Computed:
    answer: Told
    as_of: dt.datetime
    at: dt.datetime


@dataclasses.dataclass(slots=True)
class _Entry:
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    value: Any = None
    until: float = float("-inf")


class Shared:
    """Answers that whoever asks the same meanwhile is given too; each is computed by one thread at a time.

    An answer is given again for 20 times as long as it took to compute, two seconds at least and a minute at most: so a
    question takes a twentieth of a processor at most, however many ask it. Of all questions two are computed at a time, and
    as many may wait as leave half of the server's threads, and of the database's connections, to everything else.
    """

    _COMPUTED, _ADMITTED = 2, 20
    _TIMES = 20.0
    _LEAST, _MOST = 2.0, 60.0
    _KEPT = 200

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}
        self._turns = threading.BoundedSemaphore(self._COMPUTED)
        self._room = threading.BoundedSemaphore(self._ADMITTED)

    def get(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The answer to a question that is asked by `key`. Raises UnavailableError when too many wait for theirs."""
        with self._lock:
            if key not in self._entries and len(self._entries) >= self._KEPT:
                now = self._now()
                self._entries = {one: entry for one, entry in self._entries.items() if entry.until > now}
                if len(self._entries) >= self._KEPT:
                    self._entries.clear()
            entry = self._entries.setdefault(key, _Entry())
        if entry.until > self._now():
            return entry.value
        if not self._room.acquire(blocking=False):
            raise UnavailableError("Too many questions about journeys wait for their answers.", retry_after=self._LEAST)
        try:
            with entry.lock:
                if entry.until <= self._now():
                    self._answer(entry, compute)
                return entry.value
        finally:
            self._room.release()

    def _answer(self, entry: _Entry, compute: Callable[[], Any]) -> None:
        with self._turns:
            begun = self._now()
            entry.value = compute()
            done = self._now()
        entry.until = done + min(max(self._TIMES * (done - begun), self._LEAST), self._MOST)


def journeys_router(conservation: Conservation, metrics: Metrics) -> APIRouter:
    """Routes below `/api/v1/analytics` that speak of journeys."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    clock = conservation.clock
    reads = [requires(Permission.ANALYTICS_READ)]
    shared = Shared()

    def told(kind: JourneyKind, name: str, question: _Question) -> Response:
        current = metrics.current()
        journey = _found(current, kind, name)
        asked = _asked(journey, question, clock.data())
        key = (journey.name, journey.text, asked.start, asked.end, question.as_of, question.segment)

        def compute() -> _Computed:
            return _Computed(_computed(conservation, current, asked), asked.as_of, clock.wall())

        computed: _Computed = shared.get(key, compute)
        body = {field.name: getattr(computed.answer, field.name) for field in dataclasses.fields(computed.answer)}
        streams = body.pop("streams")
        data = {
            "journey": _described(journey),
            "from": asked.start.date(),
            "to": (asked.end - _DAY).date(),
            "segment": question.segment,
            "as_of": computed.as_of,
            "computed_at": computed.at,
            **body,
        }
        clocks = conservation.clocks()
        return answer(data, graded(clock, [clocks[stream] for stream in streams if stream in clocks]))

    @router.get("/journeys", dependencies=reads)
    def journeys() -> Response:
        current = metrics.current()
        data = {
            "journeys": [_described(current.journeys[name]) for name in sorted(current.journeys)],
            "unreadable": [{"metric": name, "reason": why} for name, why in sorted(current.unreadable.items())],
        }
        return answer(data, Meta.now(clock))

    @router.get("/funnels/{name}", dependencies=reads)
    def funnel(name: str, question: Annotated[_Question, Query()]) -> Response:
        return told(JourneyKind.FUNNEL, name, question)

    @router.get("/retention/{name}", dependencies=reads)
    def retention(name: str, question: Annotated[_Question, Query()]) -> Response:
        return told(JourneyKind.RETENTION, name, question)

    @router.get("/cohorts/{name}", dependencies=reads)
    def cohorts(name: str, question: Annotated[_Question, Query()]) -> Response:
        return told(JourneyKind.COHORT, name, question)

    @router.get("/adoption/{name}", dependencies=reads)
    def adoption(name: str, question: Annotated[_Question, Query()]) -> Response:
        return told(JourneyKind.ADOPTION, name, question)

    return router


def _found(current: MetricSet, kind: JourneyKind, name: str) -> Journey:
    if name in current.unreadable:
        raise NotFoundError(
            f"The journey {name!r} is not kept, because it cannot be read. {current.unreadable[name]}",
            hint="Declare it anew: mainstem activate FOLDER.",
        )
    known = [one.name for one in current.journeys.values() if one.kind is kind]
    if name not in known:
        raise NotFoundError(f"There is no {kind.value} {name!r}.", hint=near_miss(name, known) if known else None)
    return current.journeys[name]


def _asked(journey: Journey, question: _Question, now: dt.datetime) -> _Asked:
    """The question, with what was left open. Raises ProblemError 400 for what cannot be asked."""
    as_of = zoned("as_of", question.as_of) or now
    if as_of > now:
        raise ProblemError(400, "invalid", "The instant `as_of` lies ahead of the data.")
    grain = {
        JourneyKind.RETENTION: Granularity(journey.every),
        JourneyKind.COHORT: journey.period,
        JourneyKind.ADOPTION: journey.period,
    }.get(journey.kind)
    end = (Granularity.DAY.floor(as_of) if question.until is None else _midnight(question.until)) + _DAY
    span = _FUNNEL_SPAN if grain is None else _SPANS[grain]
    if question.days is not None:
        if question.since is not None:
            raise ProblemError(400, "invalid", "Ask for `from` or for `days`.")
        span = question.days * _DAY
    start = end - span if question.since is None else _midnight(question.since)
    if start >= end:
        raise ProblemError(400, "invalid", "The day `from` lies after the day `to`.")
    if end - start > (_LONGEST if grain is None else min(_LONGEST, _MOST_PERIODS * _LENGTHS[grain])):
        raise ProblemError(400, "invalid", f"Ask for ten years and {_MOST_PERIODS} periods at most.")
    return _Asked(journey, start if grain is None else grain.floor(start), end, as_of, question.segment)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _computed(conservation: Conservation, current: MetricSet, asked: _Asked) -> Told:
    database, journey = conservation.database, asked.journey
    span, rest = (asked.start, asked.end), (asked.as_of, asked.segment)
    match journey.kind:
        case JourneyKind.FUNNEL:
            return read_funnel(database, journey, span, *rest)
        case JourneyKind.RETENTION:
            return read_retention(database, journey, span, *rest)
        case JourneyKind.ADOPTION:
            return read_adoption(database, journey, span, *rest)
        case JourneyKind.COHORT:
            metric = current.metrics.get(journey.metric or "")
            if metric is None:
                raise NotFoundError(
                    f"The cohort {journey.name!r} is measured by {journey.metric!r}, and there is no such metric.",
                    hint="Declare the metric, or name another one: mainstem activate FOLDER.",
                )
            return read_cohorts(database, journey, metric, span, *rest)


def _described(journey: Journey) -> dict[str, Any]:
    """A journey as it is declared; what is of another kind is left out."""
    told: dict[str, Any] = {
        "name": journey.name,
        "kind": journey.kind,
        "label": journey.label,
        "description": journey.description,
        "subject": journey.subject,
        "events": [_event(track) for track in journey.steps],
        "since": journey.since,
    }
    match journey.kind:
        case JourneyKind.FUNNEL:
            breakdown = journey.breakdown
            told |= {
                "resolution": journey.resolution,
                "window_seconds": journey.window.total_seconds(),
                "order": "strict" if journey.strict else "loose",
                "breakdown": None
                if breakdown is None
                else {"property": breakdown.property, "values": breakdown.values},
            }
        case JourneyKind.RETENTION:
            counts = "from" if journey.unbounded else "within"
            told |= {"every": journey.every, "brackets": journey.brackets, "counts": counts}
        case JourneyKind.COHORT:
            told |= {
                "every": journey.every,
                "brackets": journey.brackets,
                "period": journey.period,
                "metric": journey.metric,
            }
        case JourneyKind.ADOPTION:
            told |= {"period": journey.period}
    return told


def _event(track: Track) -> dict[str, Any]:
    return {"name": track.name, "label": track.label, "entity": track.entity, "where": track.where}
