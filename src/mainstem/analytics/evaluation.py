"""Scores of many customers at many instants: inputs, points, contributions, bands and grades, still in arrays."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import numpy as np

from mainstem.analytics.inputs import NEVER, Feed, Flags, History, Inputs, Ints, Rows, inputs_of, microseconds
from mainstem.analytics.model import HealthModel
from mainstem.analytics.score import component_points, scores
from mainstem.metrics import Grade

__all__ = ["GRADES", "Evaluation", "FeedGrades", "evaluate", "feed_grades"]

GRADES = tuple(Grade)
"""Best first; a grade in an array is its place here."""

_LATER_THAN_ANY = dt.datetime.max.replace(tzinfo=dt.UTC)
_FRESH, _PARTIAL, _NONE = (GRADES.index(grade) for grade in (Grade.FRESH, Grade.PARTIAL, Grade.NONE))


@dataclasses.dataclass(frozen=True, slots=True)
class FeedGrades:
    """When each feed becomes stale (microseconds), and the grade it has from then on."""

    stale_at: Ints
    later: Ints
    newest: Ints


def feed_grades(feeds: Sequence[Feed], wall_ahead: dt.timedelta) -> FeedGrades:
    """The grades of feeds; `wall_ahead` is how far the wall clock is before the data clock."""
    stale_at, later, newest = [], [], []
    for feed in feeds:
        at = None if feed.clock is None else feed.clock.stale_at()
        if feed.clock is None or at is None or feed.clock.newest_at is None:
            stale_at.append(NEVER)
            later.append(_NONE)
            newest.append(NEVER)
            continue
        stale_at.append(microseconds(at))
        later.append(GRADES.index(feed.clock.grade(_LATER_THAN_ANY, wall_ahead)))
        newest.append(microseconds(feed.clock.newest_at))
    return FeedGrades(np.array(stale_at, np.int64), np.array(later, np.int64), np.array(newest, np.int64))


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """n rows scored by k components. Scores are in hundredths, inputs in millionths, instants in microseconds."""

    rows: Rows
    inputs: Inputs
    points: Ints
    counts: Flags
    total: Ints
    parts: Ints
    most: Ints
    known: Flags
    """Whether there is a score at all."""
    grades: Ints
    """n: places in `GRADES`."""
    input_grades: Ints
    """n x k."""
    newest: Ints
    """n x k: the latest the oldest of a component's streams said, at most the row's instant; NEVER for nothing."""


def evaluate(
    model: HealthModel, history: History, rows: Rows, segments: Sequence[str | None], graded: FeedGrades
) -> Evaluation:
    """Score the rows. `segments` are the customers', by their position in the batch."""
    inputs = inputs_of(history, model.components, rows)
    shape = inputs.missing.shape
    points, counts = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    total = np.zeros(shape[0], np.int64)
    parts, most = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    known = np.zeros(shape[0], np.bool_)
    for segment, some in _by_segment(model, rows, segments):
        components = model.for_segment(segment)
        points[some], counts[some] = component_points(
            components, [value[some] for value in inputs.values], inputs.missing[some], inputs.unmeasured[some]
        )
        scored = scores(model.weights[segment], points[some], counts[some])
        total[some], parts[some], most[some], known[some] = scored.total, scored.parts, scored.most, scored.known
    input_grades, newest = _graded(rows, inputs, graded)
    input_grades = np.where(inputs.left_out > 0, np.maximum(input_grades, _PARTIAL), input_grades)
    # What a source does not measure at all makes the model narrower there, and no customer's score worse known.
    codes = np.where(inputs.missing, np.maximum(input_grades, _PARTIAL), input_grades)
    worst = np.where(inputs.unmeasured, _FRESH, codes).max(axis=1, initial=_FRESH)
    return Evaluation(
        rows=rows,
        inputs=inputs,
        points=points,
        counts=counts,
        total=total,
        parts=parts,
        most=most,
        known=known,
        grades=np.where(known, worst, _NONE),
        input_grades=input_grades,
        newest=newest,
    )


def _by_segment(model: HealthModel, rows: Rows, segments: Sequence[str | None]) -> list[tuple[str, Ints]]:
    """The rows of each segment that has components of its own, and under '' all others."""
    own = [segment if segment is not None and segment in model.segments else "" for segment in segments]
    if not any(own):
        return [("", np.arange(len(rows.customers)))]
    names = np.array(own, object)[rows.customers]
    return [(name, np.flatnonzero(names == name)) for name in sorted(set(names))]


def _graded(rows: Rows, inputs: Inputs, graded: FeedGrades) -> tuple[Ints, Ints]:
    """The grade of each input, the worst of its streams', and how new the oldest of them is."""
    as_of = rows.as_of[:, None]
    codes = np.where(as_of <= graded.stale_at[None, :], _FRESH, graded.later[None, :])
    newest = np.minimum(as_of, graded.newest[None, :])
    most = np.iinfo(np.int64).max
    grades = [np.where(used, codes, _FRESH).max(axis=1, initial=_FRESH) for used in inputs.uses]
    oldest = [np.where(used, newest, most).min(axis=1, initial=most) for used in inputs.uses]
    ages = np.stack(oldest, axis=1)
    return (
        np.where(inputs.unmeasured, _NONE, np.stack(grades, axis=1)),
        np.where(inputs.unmeasured | (ages == most), NEVER, ages),
    )
