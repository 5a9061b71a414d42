"""Retention: of those that began in one period, how many came back so and so long after.

A subject belongs to the period of the first day on which it ever began, and its brackets of time are counted in whole UTC
days from that day: bracket n of a weekly journey holds its days 7n to 7n + 6. It is retained in a bracket when it came back
on a day of it (`within`: bounded, or N-day retention), or on a day of it or any later one (`from`: unbounded retention).
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np

from mainstem.metrics.definition import Granularity
from mainstem.metrics.grouping import Ints, different
from mainstem.metrics.journey import Every, Journey, Resolution
from mainstem.metrics.tracks import Asked, Occurrences, moment_of, read_tracks
from mainstem.store import Database

__all__ = ["Began", "Bracket", "Retained", "Retention", "began_in", "read_retention"]


@dataclasses.dataclass(frozen=True, slots=True)
class Bracket:
    """Who came back in one bracket. A bracket is complete when it has passed for everybody who began in the period."""

    count: int
    share: float | None
    complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Retained:
    """Those that began in one period; None stands for a bracket that has begun for none of them."""

    begins: dt.datetime
    size: int
    brackets: tuple[Bracket | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Retention:
    """What a retention journey comes to, oldest period first."""

    cohorts: tuple[Retained, ...]
    overall: tuple[Bracket | None, ...]
    """Over the periods for which a bracket is complete."""
    streams: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Began:
    """Subjects by the period in which they first began. Days are counted from 1970."""

    subjects: Ints
    days: Ints
    """Each one's first."""
    cohorts: Ints
    """The number of each one's period."""
    periods: tuple[dt.datetime, ...]
    """When each begins: every one of the span, also those in which nobody began."""
    ends: Ints
    """The day after each period's last."""

    def sizes(self) -> Ints:
        """How many began in each period."""
        return np.bincount(self.cohorts, minlength=len(self.periods)).astype(np.int64)

    def reach(self, every: Every, bracket: int, as_of: dt.datetime) -> tuple[list[bool], list[bool]]:
        """For each period whether the bracket has begun for anybody, and whether it has passed for everybody."""
        today = moment_of(as_of, Resolution.DAY)
        firsts = [moment_of(period, Resolution.DAY) for period in self.periods]
        begun = [first + bracket * every.days <= today for first in firsts]
        over = [int(end) - 1 + (bracket + 1) * every.days <= today for end in self.ends]
        return begun, over


def began_in(starts: Occurrences, period: Granularity, span: tuple[dt.datetime, dt.datetime]) -> Began:
    """Who began in the span for the first time ever, by period. `starts` are all starts there are.

    The span begins with the period that its first day lies in.
    """
    firsts = starts.firsts()
    periods = [period.floor(span[0])]
    low, high = moment_of(periods[0], Resolution.DAY), moment_of(span[1], Resolution.DAY)
    firsts = firsts.chosen((firsts.moments >= low) & (firsts.moments < high))
    while period.after(periods[-1]) < span[1]:
        periods.append(period.after(periods[-1]))
    edges = np.array([moment_of(one, Resolution.DAY) for one in periods], np.int64)
    ends = np.minimum(np.append(edges[1:], moment_of(period.after(periods[-1]), Resolution.DAY)), high)
    cohorts = np.searchsorted(edges, firsts.moments, side="right") - 1
    return Began(firsts.subjects, firsts.moments, cohorts, tuple(periods), ends)


def read_retention(
    database: Database, journey: Journey, span: tuple[dt.datetime, dt.datetime], as_of: dt.datetime, segment: str | None
) -> Retention:
    """The retention of those that began in the span, from what happened before `as_of`; both ends of it are midnights.

    Raises UnavailableError.
    """
    start, back = journey.steps
    since = Granularity(journey.every).floor(span[0])
    parts: list[tuple[Ints, Ints]] = []
    with database.snapshot() as conn:
        for read in read_tracks(conn, [Asked(start, None, as_of), Asked(back, since, as_of)], segment):
            began = began_in(read.tracks[0], Granularity(journey.every), span)
            parts.append((began.sizes(), retained(began, read.tracks[1], journey)))
    sizes, counts = (np.sum(each, axis=0) for each in zip(*parts, strict=True))
    table: list[list[Bracket | None]] = [[] for _ in began.periods]
    overall: list[Bracket | None] = []
    for bracket in range(journey.brackets + 1):
        begun, over = began.reach(journey.every, bracket, as_of)
        for place, row in enumerate(table):
            count = int(counts[place, bracket])
            row.append(Bracket(count, _share(count, sizes[place]), over[place]) if begun[place] else None)
        whole = np.array(over)
        size, count = int(sizes[whole].sum()), int(counts[whole, bracket].sum())
        overall.append(Bracket(count, _share(count, size), complete=True) if size else None)
    cohorts = tuple(
        Retained(period, int(size), tuple(row)) for period, size, row in zip(began.periods, sizes, table, strict=True)
    )
    return Retention(cohorts, tuple(overall), read.streams)


def retained(began: Began, back: Occurrences, journey: Journey) -> Ints:
    """How many of each period came back in each bracket: (periods, brackets + 1)."""
    place = np.full(max(int(back.subjects.max(initial=-1)), int(began.subjects.max(initial=-1))) + 1, -1, np.int64)
    place[began.subjects] = np.arange(len(began.subjects))
    who = place[back.subjects]
    known = who >= 0
    who = who[known]
    brackets = (back.moments[known] - began.days[who]) // journey.every.days
    after = back.moments[known] >= began.days[who]
    who, brackets = who[after], brackets[after]
    width = journey.brackets + 1
    if journey.unbounded:
        # Who came back in a bracket came back from each one before it on.
        latest = np.full(len(began.subjects), -1, np.int64)
        np.maximum.at(latest, who, np.minimum(brackets, width - 1))
        some = latest >= 0
        ends = np.bincount(began.cohorts[some] * width + latest[some], minlength=len(began.periods) * width)
        return np.cumsum(ends.reshape(-1, width)[:, ::-1], axis=1)[:, ::-1].astype(np.int64)
    inside = brackets < width
    pairs = different(who[inside] * width + brackets[inside])
    cells = began.cohorts[pairs // width] * width + pairs % width
    return np.bincount(cells, minlength=len(began.periods) * width).reshape(-1, width).astype(np.int64)


def _share(count: int, size: int) -> float | None:
    return count / int(size) if size else None
