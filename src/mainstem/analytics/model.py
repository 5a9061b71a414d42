"""What a health model is: components with curves and weights, and bands for their weighted mean.

Everything is counted in whole numbers of small units, so that sums are exact and the same on every machine: inputs in
millionths, curve values in ten-thousandths of a point, scores and contributions in hundredths.
"""

from __future__ import annotations

import bisect
import dataclasses
import decimal
import enum
import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from mainstem.metrics import left_out_name

__all__ = ["CHURNED", "Band", "Component", "Curve", "HealthModel", "Kind", "Missing"]

INPUT_UNITS = 10**6
CURVE_UNITS = 10**4
SCORE_UNITS = 10**2

# Days, and more than anything is old.
_FOR_GOOD = 10**6

CHURNED = "churned"
"""The band of customers that have left; no model declares it."""

Numbers = npt.NDArray[Any]


class Kind(enum.StrEnum):
    """What a component looks at."""

    RECENCY = "recency"
    """Days since the customer's last event."""
    FREQUENCY = "frequency"
    """A count or sum in a window."""
    BREADTH = "breadth"
    """How many different values in a window."""
    TREND = "trend"
    """A window against the one before it, as a ratio."""
    MILESTONES = "milestones"
    """A count in a window, of things that are reached and not used."""
    LEVEL = "level"
    """What a gauge comes to."""
    CHANGE = "change"
    """By how much a gauge moved in a window."""

    @property
    def of_gauges(self) -> bool:
        """Whether it looks at metrics over states; all others look at metrics over events."""
        return self in {Kind.LEVEL, Kind.CHANGE}


class Missing(enum.StrEnum):
    """What a component is worth when the customer's input for it is missing."""

    EXCLUDE = "exclude"
    """Nothing: the other components share its weight."""
    NEUTRAL = "neutral"
    """50 points."""
    WORST = "worst"
    """The lowest value of its curve."""


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """A piecewise linear curve from an input to 0..100 points, level beyond its ends.

    `xs` are inputs in millionths, never falling; `ys` points in ten-thousandths. Two points with one x are a step: at it
    the second holds.
    """

    xs: tuple[int, ...]
    ys: tuple[int, ...]

    def at(self, value: int) -> int:
        """The points, in ten-thousandths, for an input in millionths; rounded half up."""
        place = bisect.bisect_right(self.xs, value) - 1
        if place < 0:
            return self.ys[0]
        if place >= len(self.xs) - 1:
            return self.ys[-1]
        return _between(value, self.xs[place : place + 2], self.ys[place : place + 2])

    def points(self, values: Numbers) -> Numbers:
        """`at` for an array of inputs."""
        if not self._small:
            return np.array([self.at(int(value)) for value in values], np.int64)
        xs, ys = np.array(self.xs, np.int64), np.array(self.ys, np.int64)
        clipped = np.clip(values, xs[0], xs[-1]).astype(np.int64)
        place = np.searchsorted(xs, clipped, side="right") - 1
        left = np.minimum(place, len(xs) - 1)
        right = np.minimum(place + 1, len(xs) - 1)
        width = np.maximum(xs[right] - xs[left], 1)
        step = 2 * (clipped - xs[left]) * (ys[right] - ys[left])
        result: Numbers = ys[left] + (step + width) // (2 * width)
        return np.where(values < xs[0], ys[0], result)

    @property
    def _small(self) -> bool:
        """Whether products of its spans fit in 64 bits."""
        return abs(self.xs[-1]) < 2**61 and abs(self.xs[0]) < 2**61 and self.xs[-1] - self.xs[0] < 2**40

    @property
    def lowest(self) -> int:
        """The least it gives, in ten-thousandths of a point."""
        return min(self.ys)


def _between(value: int, xs: Sequence[int], ys: Sequence[int]) -> int:
    width = xs[1] - xs[0]
    return ys[0] + (2 * (value - xs[0]) * (ys[1] - ys[0]) + width) // (2 * width)


@dataclasses.dataclass(frozen=True, slots=True)
class Component:
    """One declared part of a model. `window` is in whole days of UTC; recency and level have none."""

    name: str
    kind: Kind
    metric: str
    curve: Curve
    weight: decimal.Decimal
    missing: Missing
    window: int = 0
    label: str = ""
    ignores_imputed: bool = False
    """Whether events that its metric leaves out, because they rest on imputed values, are told of."""

    @property
    def looks_back(self) -> int:
        """Of how many days the events that its metric leaves out are told of, up to today: those it looks at."""
        if self.kind is Kind.RECENCY:
            return max(1, -(-self.curve.xs[-1] // INPUT_UNITS))
        return self.window * (2 if self.kind is Kind.TREND else 1)

    @property
    def lookback(self) -> int:
        """Days that an input is made of one by one; what was before them may count as a whole."""
        if self.kind is Kind.RECENCY:
            return self.curve.xs[-1] // (INPUT_UNITS) + 2
        return self.window * (2 if self.kind is Kind.TREND else 1) + 1

    @property
    def reach(self) -> int:
        """For how many days what happened on one of them may move an input; a gauge has moved for good."""
        return _FOR_GOOD if self.kind is Kind.LEVEL else self.lookback


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """Scores from `low` up to the next band's."""

    name: str
    label: str
    low: decimal.Decimal


@dataclasses.dataclass(frozen=True)
class HealthModel:
    """A declared health model; `version` is 0 for a text not activated. `bands` are worst first, the first from 0."""

    name: str
    label: str
    components: tuple[Component, ...]
    bands: tuple[Band, ...]
    segments: Mapping[str, tuple[Component, ...]] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """The components of segments that have curves, weights or the like of their own."""
    text: str = ""
    version: int = 0

    def for_segment(self, segment: str | None) -> tuple[Component, ...]:
        """The components that hold for a segment's customers; names and order are the model's."""
        return self.segments.get(segment or "", self.components)

    def band(self, score: int) -> str:
        """The band of a score in hundredths."""
        return self.bands[bisect.bisect_right(self.limits, score) - 1].name

    @functools.cached_property
    def limits(self) -> tuple[int, ...]:
        """Where the bands begin, in hundredths."""
        return tuple(int(band.low * SCORE_UNITS) for band in self.bands)

    @functools.cached_property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """Whole weights in the proportions declared, by segment; '' is for every other segment."""
        return {
            segment: _whole([one.weight for one in components])
            for segment, components in {"": self.components, **self.segments}.items()
        }

    @functools.cached_property
    def lookback(self) -> int:
        """Days that any input is made of one by one."""
        return max(one.lookback for components in (self.components, *self.segments.values()) for one in components)

    @functools.cached_property
    def reach(self) -> int:
        """For how many days what happened on one of them may move the score."""
        return max(one.reach for components in (self.components, *self.segments.values()) for one in components)

    @functools.cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics it looks at, with the counts of what some of them leave out."""
        left_out = {left_out_name(one.metric) for one in self.components if one.ignores_imputed}
        return tuple(sorted({one.metric for one in self.components} | left_out))


def _whole(weights: Sequence[decimal.Decimal]) -> tuple[int, ...]:
    places = max(max(0, -int(weight.normalize().as_tuple().exponent)) for weight in weights)
    return tuple(int(weight.scaleb(places)) for weight in weights)
