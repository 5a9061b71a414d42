"""What a day's value is expected to be, from the days before it: robust against outliers, and aware of weekdays.

Values are compared on a scale on which equal surprises are about equally far apart: counts and amounts by their logarithm,
shares by the arcsine of their root, whose spread by chance does not depend on the share. There, a day is expected at the
level of the last two weeks, moved by what its weekday usually departs from it; both are medians. How far days usually lie
from what was expected of them is the upper quartile of these distances (made comparable with a standard deviation), joined
by what chance alone makes of so few records, and by a floor: a departure too small to matter is none, however regular the
days before.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["HISTORY", "LEAST_DAYS", "Expected", "Scale", "Tier", "expect"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

HISTORY = 56
"""Days before a day that are looked at."""
LEAST_DAYS = 21
"""Days with a value that it takes: a newer stream is quiet."""
_WEEK = 7
_LEVEL = 14
# The upper quartile of the distances of a normal distribution, in standard deviations.
_QUARTILE = 1.1503
# A weekday on which now and then nothing comes says nothing of the next one.
_IRREGULAR = (0.2, 0.8)


class Tier(enum.StrEnum):
    """How far beyond what is expected."""

    WARN = "warn"
    """Beyond four times the usual distance."""
    ERROR = "error"
    """Beyond six times."""

    @property
    def distance(self) -> float:
        """In usual distances."""
        return 4.0 if self is Tier.WARN else 6.0

    @classmethod
    def of(cls, deviation: float) -> Tier | None:
        """The tier that a deviation reaches; None of one that is no anomaly."""
        return next((tier for tier in (cls.ERROR, cls.WARN) if abs(deviation) > tier.distance), None)


class Scale(enum.StrEnum):
    """What kind of number a value is."""

    COUNT = "count"
    SHARE = "share"
    AMOUNT = "amount"

    @property
    def floor(self) -> float:
        """The least usual distance: a tenth of a count or amount; of a share that is 0, four in ten thousand."""
        return 0.02 if self is Scale.SHARE else 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class Expected:
    """Of n values, in their own units: what was expected, and how far (in usual distances) a value lies above it.

    All NaN where nothing can be expected: too few days, or a weekday without a rule.
    """

    centre: Floats
    low: Floats
    high: Floats
    """Where a warning begins."""
    deviation: Floats


def expect(history: Floats, value: Floats, scale: Scale, weight: Floats | None = None) -> Expected:
    """Of n series, what their next day was expected to be.

    `history` (n x HISTORY): the days before, oldest first, NaN where nothing is known. `value` (n): that day's.
    `weight` (n): of a share, the records that it is a share of.
    """
    unit = _unit(history, scale)
    past, now = _onto(history, scale, unit), _onto(value[:, None], scale, unit)[:, 0]
    centre, spread = _centre(past)
    quiet = (np.count_nonzero(~np.isnan(past), axis=1) < LEAST_DAYS) | _irregular(history, scale)
    centre = np.where(quiet, np.nan, centre)
    expected = _back(centre, scale, unit[:, 0])
    usual = np.sqrt(spread**2 + _chance(expected, scale, weight) ** 2 + scale.floor**2)
    reach = Tier.WARN.distance * usual
    return Expected(
        expected,
        _back(centre - reach, scale, unit[:, 0]),
        _back(centre + reach, scale, unit[:, 0]),
        (now - centre) / usual,
    )


def _centre(past: Floats) -> tuple[Floats, Floats]:
    """What comes next (n), and how far values usually lie from what was expected of them (n)."""
    days = past.shape[1]
    phase = (np.arange(days) - days) % _WEEK
    rest = past - _around(past)
    season = np.stack([_middle(rest[:, phase == one]) for one in range(_WEEK)], axis=1)
    season = np.nan_to_num(season)
    flat = past - season[:, phase]
    windows = np.lib.stride_tricks.sliding_window_view(flat, _LEVEL, axis=1)
    distances = np.abs(flat[:, _LEVEL:] - _middle(windows)[:, :-1])
    spread = np.nan_to_num(_middle(distances, 0.75)) / _QUARTILE
    centre: Floats = _middle(flat[:, -_LEVEL:]) + season[:, 0]
    return centre, spread


def _around(past: Floats) -> Floats:
    """The median of the week around each day; at either end that of the first or last week."""
    inner = _middle(np.lib.stride_tricks.sliding_window_view(past, _WEEK, axis=1))
    return np.pad(inner, ((0, 0), (_WEEK // 2, _WEEK // 2)), mode="edge")


def _irregular(history: Floats, scale: Scale) -> Flags:
    """Whether records come on some of these weekdays and on others not."""
    if scale is not Scale.COUNT:
        return np.zeros(len(history), np.bool_)
    same = history[:, ::-1][:, _WEEK - 1 :: _WEEK]
    known = np.maximum(np.count_nonzero(~np.isnan(same), axis=1), 1)
    empty = np.count_nonzero(same == 0, axis=1) / known
    result: Flags = (empty > _IRREGULAR[0]) & (empty < _IRREGULAR[1])
    return result


def _chance(expected: Floats, scale: Scale, weight: Floats | None) -> Floats:
    """The standard deviation that chance alone gives a value, on its scale."""
    chance: Floats = np.zeros(len(expected))
    if scale is Scale.COUNT:
        chance = 1 / np.sqrt(np.maximum(expected, 0) + 1)
    elif scale is Scale.SHARE and weight is not None:
        chance = 0.5 / np.sqrt(np.maximum(weight, 1))
    return chance


def _unit(history: Floats, scale: Scale) -> Floats:
    """By what an amount is divided (n x 1): far above it its scale is that of its logarithm, around 0 it is straight."""
    if scale is not Scale.AMOUNT:
        return np.ones((len(history), 1))
    usual = np.nan_to_num(_middle(np.abs(history)))[:, None]
    return np.where(usual > 0, usual / 10, 1.0)


def _onto(values: Floats, scale: Scale, unit: Floats) -> Floats:
    match scale:
        case Scale.COUNT:
            return np.log1p(values)
        case Scale.SHARE:
            return np.arcsin(np.sqrt(np.clip(values, 0, 1)))
        case Scale.AMOUNT:
            return np.arcsinh(values / unit)


def _back(values: Floats, scale: Scale, unit: Floats) -> Floats:
    match scale:
        case Scale.COUNT:
            return np.maximum(np.expm1(values), 0)
        case Scale.SHARE:
            return np.sin(np.clip(values, 0, np.pi / 2)) ** 2
        case Scale.AMOUNT:
            return np.sinh(values) * unit


def _middle(values: Floats, share: float = 0.5) -> Floats:
    """The quantile over the last axis of what is known there, the median when nothing is said; NaN of nothing."""
    ordered = np.sort(values, axis=-1)  # NaN last
    known = np.count_nonzero(~np.isnan(values), axis=-1)[..., None]
    place = np.maximum(share * (known - 1), 0)
    low, high = (_at(ordered, rounded(place)) for rounded in (np.floor, np.ceil))
    between: Floats = low + (high - low) * (place - np.floor(place))[..., 0]
    return between


def _at(ordered: Floats, place: npt.NDArray[Any]) -> Floats:
    result: Floats = np.take_along_axis(ordered, place.astype(np.int64), axis=-1)[..., 0]
    return result
