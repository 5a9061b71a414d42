"""Funnels: how many subjects take the steps in order, within the window.

A subject *enters* whenever it takes the first step in the span asked for. From an entry it takes each further step the first
time it does so after the step before it (strictly later, or in the same moment, as declared), and no later than the window
after the entry. Of all its entries the one that leads furthest counts, the earliest of those that lead equally far. (That is
what Mixpanel and Amplitude call an ordered funnel counted by uniques, and what ClickHouse's windowFunnel computes.)

A subject is counted under the value of the breakdown that it entered with first; who entered with several is told.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Sequence

import numpy as np

from mainstem.metrics.grouping import Ints
from mainstem.metrics.journey import Journey
from mainstem.metrics.tracks import Asked, Occurrences, moment_of, read_tracks
from mainstem.store import Database

__all__ = ["Difference", "Funnel", "Step", "Variant", "read_funnel", "walk"]

_NOT_TAKEN = -1
# Of the normal distribution: 95 % lie within.
_Z = 1.959963984540054


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """How far a step was reached. Rates are None where nobody could reach it, seconds where nobody did."""

    name: str
    label: str
    count: int
    of_previous: float | None
    of_first: float | None
    seconds_from_previous: float | None
    """The median."""
    seconds_from_first: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """Conversion beyond that of the first value, and the 95 % interval it lies in."""

    value: float
    low: float
    high: float
    clear: bool
    """Whether the interval leaves out that there is no difference."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """The subjects that entered with one value of the breakdown; None: with another than those declared."""

    value: str | None
    steps: tuple[Step, ...]
    conversion: float | None
    difference: Difference | None
    """None for the first value, and where somebody is missing to compare."""


@dataclasses.dataclass(frozen=True, slots=True)
class Funnel:
    """What a funnel comes to."""

    steps: tuple[Step, ...]
    conversion: float | None
    """From the first step to the last."""
    open: int
    """Who has not come to the end and still may: the window of the latest entry has not passed."""
    variants: tuple[Variant, ...]
    crossed: int
    """Who entered with several values of the breakdown."""
    streams: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Walks:
    """Of each subject that entered the way that counts: the moments of its steps, `-1` for those not taken."""

    subjects: Ints
    taken: Ints
    """How many steps."""
    moments: Ints
    """(subjects, steps)."""
    latest_entry: Ints
    variant: Ints
    """The place of the breakdown's value that it entered with first; their number for another value."""
    values: Ints
    """With how many of them it entered."""

    @classmethod
    def joined(cls, parts: Sequence[Walks]) -> Walks:
        """The ways of all parts, at least one; subjects' numbers are those of their parts."""
        fields = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def read_funnel(
    database: Database, journey: Journey, span: tuple[dt.datetime, dt.datetime], as_of: dt.datetime, segment: str | None
) -> Funnel:
    """The funnel of those that entered in the span, from what happened before `as_of`. Raises UnavailableError."""
    start, end = span[0], min(span[1], as_of)
    last = min(end + journey.window, as_of)
    asked = [Asked(track, start, end if place == 0 else last) for place, track in enumerate(journey.steps)]
    asked += [Asked(track, start, end) for track in journey.variants]
    count, window = len(journey.steps), journey.window // journey.resolution.length
    parts: list[Walks] = []
    streams: tuple[tuple[str, str], ...] = ()
    with database.snapshot() as conn:
        for read in read_tracks(conn, asked, segment):
            ways = walk(read.tracks[:count], window, strict=journey.strict)
            parts.append(_told_apart(ways, read.tracks[count:]))
            streams = read.streams
    walks = Walks.joined(parts)
    unfinished = walks.taken < count
    now = moment_of(as_of, journey.resolution)
    return Funnel(
        steps=_steps(journey, walks, np.ones(len(walks.taken), np.bool_)),
        conversion=_share(int((walks.taken == count).sum()), len(walks.taken)),
        open=int((unfinished & (walks.latest_entry + window >= now)).sum()),
        variants=_variants(journey, walks),
        crossed=int((walks.values > 1).sum()),
        streams=streams,
    )


def walk(steps: Sequence[Occurrences], window: int, *, strict: bool) -> Walks:
    """The ways that count; `window` in moments. `steps[0]` are the entries."""
    entries = steps[0]
    subjects = entries.subjects
    moments = np.full((len(entries), len(steps)), _NOT_TAKEN, np.int64)
    moments[:, 0] = entries.moments
    alive = np.arange(len(entries))
    for place, step in enumerate(steps[1:], start=1):
        earliest = moments[alive, place - 1] + (1 if strict else 0)
        found = _first_from(step, subjects[alive], earliest)
        within = (found != _NOT_TAKEN) & (found <= entries.moments[alive] + window)
        alive = alive[within]
        moments[alive, place] = found[within]
    taken = (moments != _NOT_TAKEN).sum(axis=1)
    order = np.lexsort((entries.moments, -taken, subjects))
    begins = np.flatnonzero(np.diff(subjects[order], prepend=-1))
    best = order[begins]
    # Entries are ordered by subject and moment: a subject's last one comes before the next subject's first.
    lasts = np.append(np.flatnonzero(np.diff(subjects)), len(subjects) - 1)[: len(best)]
    nobody = np.zeros(len(best), np.int64)
    return Walks(subjects[best], taken[best], moments[best], entries.moments[lasts], nobody, nobody)


def _first_from(step: Occurrences, subjects: Ints, moments: Ints) -> Ints:
    """For each pair the subject's first moment of the step that is not before the given one; -1 where there is none."""
    if not len(step) or not len(subjects):
        return np.full(len(subjects), _NOT_TAKEN, np.int64)
    low = min(int(step.moments.min()), int(moments.min()))
    span = max(int(step.moments.max()), int(moments.max())) - low + 1
    places = np.searchsorted(step.subjects * span + (step.moments - low), subjects * span + (moments - low))
    known = np.minimum(places, len(step) - 1)
    own = (places < len(step)) & (step.subjects[known] == subjects)
    return np.where(own, step.moments[known], _NOT_TAKEN)


def _steps(journey: Journey, walks: Walks, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Step, ...]:
    """The steps of the chosen subjects."""
    seconds = journey.resolution.length.total_seconds()
    taken, moments = walks.taken[mask], walks.moments[mask]
    steps = []
    for place, track in enumerate(journey.steps):
        reached = moments[taken > place]
        count, entered = len(reached), len(taken)
        before = int((taken >= place).sum())
        later = count and place
        steps.append(
            Step(
                name=track.name,
                label=track.label,
                count=count,
                of_previous=_share(count, before),
                of_first=_share(count, entered),
                seconds_from_previous=_median(reached[:, place] - reached[:, place - 1]) * seconds if later else None,
                seconds_from_first=_median(reached[:, place] - reached[:, 0]) * seconds if later else None,
            )
        )
    return tuple(steps)


def _told_apart(walks: Walks, entered: Sequence[Occurrences]) -> Walks:
    """The ways with the value of the breakdown that each belongs to. `entered`: the entries with each value."""
    if not entered:
        return walks
    first = np.full((len(walks.subjects), len(entered)), np.iinfo(np.int64).max, np.int64)
    for place, one in enumerate(entered):
        earliest = one.firsts()
        first[np.searchsorted(walks.subjects, earliest.subjects), place] = earliest.moments
    known = first != np.iinfo(np.int64).max
    # Of two values in one moment the one declared first.
    variant = np.where(known.any(axis=1), first.argmin(axis=1), len(entered))
    return dataclasses.replace(walks, variant=variant, values=known.sum(axis=1))


def _variants(journey: Journey, walks: Walks) -> tuple[Variant, ...]:
    """The subjects by the value they entered with first."""
    if journey.breakdown is None:
        return ()
    values: list[str | None] = [*journey.breakdown.values, None]
    variants: list[Variant] = []
    for place, value in enumerate(values):
        mask = walks.variant == place
        if value is None and not mask.any():
            continue
        steps = _steps(journey, walks, mask)
        converted, size = steps[-1].count, steps[0].count
        compared = place and value is not None
        base = variants[0].steps if compared else ()
        variants.append(
            Variant(
                value,
                steps,
                _share(converted, size),
                difference(converted, size, base[-1].count, base[0].count) if base else None,
            )
        )
    return tuple(variants)


def difference(converted: int, size: int, base_converted: int, base_size: int) -> Difference | None:
    """Of two shares, with the 95 % interval of Newcombe's hybrid score method; None where one has nobody.

    (Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17, 1998,
    method 10: it holds what it says also for few subjects and for shares near 0 and 1.)
    """
    if not size or not base_size:
        return None
    share, base = converted / size, base_converted / base_size
    low, high = _wilson(converted, size)
    base_low, base_high = _wilson(base_converted, base_size)
    value = share - base
    least = value - math.hypot(share - low, base_high - base)
    most = value + math.hypot(high - share, base - base_low)
    return Difference(value, least, most, clear=least > 0 or most < 0)


def _wilson(count: int, size: int) -> tuple[float, float]:
    """The 95 % score interval of a share."""
    share, square = count / size, _Z * _Z
    middle = (share + square / (2 * size)) / (1 + square / size)
    half = _Z / (1 + square / size) * math.sqrt(share * (1 - share) / size + square / (4 * size * size))
    return middle - half, middle + half


def _share(count: int, size: int) -> float | None:
    return count / size if size else None


def _median(values: Ints) -> float:
    return float(np.median(values))
