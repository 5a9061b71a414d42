"""When time alone moves a score: as a stream vouches on, the last event grows older.

Windows change at midnights only, so between two of them a score is a sum of curves over the age of last events: straight
lines between the ages where a curve bends. On a straight line the score moves one way, so the first second at which it has
moved far enough is found by halving, after the bends have told between which two of them it lies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mainstem.analytics.evaluation import Evaluation
from mainstem.analytics.inputs import DAY, Flags, Ints
from mainstem.analytics.model import INPUT_UNITS, Component, HealthModel, Kind
from mainstem.analytics.score import scores

__all__ = ["MOVES", "seconds_to_move"]

MOVES = 10
"""Hundredths: a score that moved less is shown as it was."""

_SECOND = 1_000_000
_UNIT = DAY // INPUT_UNITS


def seconds_to_move(
    model: HealthModel, evaluation: Evaluation, segments: Sequence[str | None], shown: Ints, limit: Ints
) -> Ints:
    """For each row, after how many seconds the score differs by 0.1 from the one shown, or is in another band.

    `shown` is in hundredths, `limit` the most seconds to look ahead (at least 1), which is the answer where nothing
    moves. It is assumed that the streams vouch on as time passes.
    """
    result = limit.copy()
    own = [segment if segment is not None and segment in model.segments else "" for segment in segments]
    names = np.array(own, object)[evaluation.rows.customers]
    for name in sorted(set(own)):
        some = np.flatnonzero(names == name)
        if len(some):
            course = _Course(model, name, evaluation, some, shown[some])
            result[some] = course.first_move(limit[some])
    return result


class _Course:
    """The scores of some rows as functions of the seconds that pass."""

    def __init__(self, model: HealthModel, segment: str, evaluation: Evaluation, some: Ints, shown: Ints) -> None:
        self._components = model.for_segment(segment)
        self._weights = model.weights[segment]
        self._limits = np.array(model.limits, np.int64)
        self._points = evaluation.points[some]
        self._counts = evaluation.counts[some]
        self._moving: list[tuple[int, Component, Ints, Flags]] = [
            (column, component, evaluation.inputs.ages[column][some], ~evaluation.inputs.missing[some, column])
            for column, component in enumerate(self._components)
            if component.kind is Kind.RECENCY
        ]
        self._shown = shown
        self._band = self._bands(shown)

    def first_move(self, limit: Ints) -> Ints:
        bends = self._bends(limit)
        low, high = np.zeros_like(limit), limit.copy()
        found = np.zeros(len(limit), np.bool_)
        for bend in bends.T:
            moved = self._moved(bend)
            high = np.where(moved & ~found, bend, high)
            found |= moved
            low = np.where(found, low, bend)
        while (gap := found & (high - low > 1)).any():
            middle = (low + high) // 2
            moved = self._moved(middle)
            high = np.where(gap & moved, middle, high)
            low = np.where(gap & ~moved, middle, low)
        return np.where(found, high, limit)

    def _bends(self, limit: Ints) -> Ints:
        """Rows x seconds, rising: where some curve bends or steps within the limit, and the limit itself."""
        columns = [limit]
        for _, component, ages, _ in self._moving:
            for x in sorted({0, *component.curve.xs}):
                seconds = -((ages - x * _UNIT) // _SECOND)
                columns.append(np.clip(seconds, 1, limit))
        return np.sort(np.stack(columns, axis=1), axis=1)

    def _moved(self, seconds: Ints) -> Flags:
        total = self._total(seconds)
        moved: Flags = (np.abs(total - self._shown) >= MOVES) | (self._bands(total) != self._band)
        return moved

    def _total(self, seconds: Ints) -> Ints:
        points = self._points.copy()
        for column, component, ages, present in self._moving:
            values = np.maximum(ages + seconds * _SECOND, 0) // _UNIT
            points[:, column] = np.where(present, component.curve.points(values), points[:, column])
        return scores(self._weights, points, self._counts).total

    def _bands(self, total: Ints) -> Ints:
        return np.searchsorted(self._limits, total, side="right")
