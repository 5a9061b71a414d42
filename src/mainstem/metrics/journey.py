"""What a journey is: a declared question about what subjects do one after another.

A journey keeps *tracks*: of each subject, in which moments it did one kind of thing. Tracks are sets, so late, repeated and
corrected records leave what an orderly stream would have left; everything else about a journey is computed when it is asked
for, and may therefore be changed at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Sequence

from mainstem.metrics.definition import HOUR, Granularity

__all__ = [
    "MOST_MOMENTS",
    "Breakdown",
    "Every",
    "Journey",
    "JourneyKind",
    "Resolution",
    "Subject",
    "Track",
    "series_name",
]

_DAY = dt.timedelta(days=1)

MOST_MOMENTS = 21_600
"""Moments that one row of a track can hold: 260 kB, of somebody who does one thing every second."""


class JourneyKind(enum.StrEnum):
    """What a journey asks."""

    FUNNEL = "funnel"
    """How many subjects take steps in order, within a window."""
    RETENTION = "retention"
    """How many come back, so and so long after they first came."""
    COHORT = "cohort"
    """What a metric comes to for those who began in one period, by the time since."""
    ADOPTION = "adoption"
    """How many of the active ones use a feature, and how long it takes them to begin."""


class Subject(enum.StrEnum):
    """Who goes on a journey; also the column of events that says it."""

    CUSTOMER = "customer"
    PERSON = "person"


class Resolution(enum.StrEnum):
    """How finely a track tells moments apart."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> dt.timedelta:
        """Of one moment."""
        return {"second": dt.timedelta(seconds=1), "minute": dt.timedelta(minutes=1), "hour": HOUR, "day": _DAY}[self]

    @property
    def bucket(self) -> dt.timedelta:
        """Of one row of a track; counted from 1970, and none has more than `MOST_MOMENTS` moments.

        Long enough that few subjects fill many rows, short enough that a commit writes little of a busy one anew.
        """
        return {"second": 6 * HOUR, "minute": _DAY, "hour": 28 * _DAY, "day": 28 * _DAY}[self]


class Every(enum.StrEnum):
    """The length of a bracket of time after a subject's first day."""

    DAY = "day"
    WEEK = "week"

    @property
    def days(self) -> int:
        """Its days."""
        return 1 if self is Every.DAY else 7


@dataclasses.dataclass(frozen=True, slots=True)
class Track:
    """One kind of thing that subjects do. `condition` is SQL for DuckDB over the entity's columns, already checked."""

    name: str
    """Within its journey; no other has it."""
    series: str
    """What its series are registered under; see `series_name`."""
    entity: str
    subject: Subject
    resolution: Resolution
    where: str | None = None
    """The condition as declared."""
    condition: str | None = None
    label: str = ""
    value: None = None
    """Nothing is measured but when."""
    since: dt.datetime | None = None
    """Records received before this do not count; None: all do."""

    def meaning(self) -> tuple[str, ...]:
        """What decides what is kept: two tracks with equal meanings are filled alike."""
        return (self.name, self.entity, self.subject, self.resolution, self.condition or "")


@dataclasses.dataclass(frozen=True, slots=True)
class Breakdown:
    """Values of a property of the event that begins a funnel; the first is what the others are compared with."""

    property: str
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Journey:
    """A declared journey. What is of another kind than `kind` has its default."""

    name: str
    kind: JourneyKind
    subject: Subject
    resolution: Resolution
    tracks: tuple[Track, ...]
    """A funnel's steps, behind them one track for each value of its breakdown; the events of the others, in order."""
    label: str = ""
    description: str = ""
    text: str = ""
    """The declaration this was read from."""
    since: dt.datetime | None = None
    window: dt.timedelta = _DAY
    """From a funnel's first step to its last, at most."""
    strict: bool = True
    """Whether a step has to come in a later moment than the one before."""
    breakdown: Breakdown | None = None
    every: Every = Every.WEEK
    brackets: int = 8
    unbounded: bool = False
    """Whether who comes back later still counts."""
    period: Granularity = Granularity.WEEK
    """What subjects of a cohort, or days of adoption, are put together by."""
    metric: str | None = None
    """What a cohort is measured by."""

    def meaning(self) -> tuple[str, ...]:
        """What decides what is kept; see `Track.meaning`."""
        return (
            self.kind,
            *(part for track in sorted(self.tracks, key=lambda one: one.name) for part in track.meaning()),
        )

    def starting(self, since: dt.datetime | None) -> Journey:
        """The same, of records received from `since` on."""
        tracks = tuple(dataclasses.replace(track, since=since) for track in self.tracks)
        return dataclasses.replace(self, tracks=tracks, since=since)

    @property
    def steps(self) -> Sequence[Track]:
        """The tracks that are no values of a breakdown."""
        return self.tracks[: len(self.tracks) - (len(self.breakdown.values) if self.breakdown else 0)]

    @property
    def variants(self) -> Sequence[Track]:
        """The tracks that are values of the breakdown, in their order."""
        return self.tracks[len(self.steps) :]


def series_name(journey: str, track: str) -> str:
    """What the series of a track are registered under: no metric can have that name."""
    return f"{journey}/{track}"
