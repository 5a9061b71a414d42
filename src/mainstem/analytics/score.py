"""From inputs to scores: many customers at once, in whole numbers.

A score is the weighted mean of the components' points, rounded half up to hundredths. The contributions are the shares of
that mean: each rounded down, and what is then missing to the score goes to those that lost most, one hundredth each
(largest remainder; the first declared wins a tie). So they add up to the score exactly, always.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mainstem.analytics.model import CURVE_UNITS, SCORE_UNITS, Component, Missing

__all__ = ["Scores", "component_points", "scores"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_NEUTRAL = 50 * CURVE_UNITS
_SHARE = CURVE_UNITS // SCORE_UNITS


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n customers from k components, in hundredths. `known`: whether any component had something to say."""

    total: Ints
    parts: Ints
    """n x k; the rows add up to `total`."""
    most: Ints
    """n x k: what each component could have given; the rows add up to 10,000. 0 for one that was left out."""
    known: Flags


def component_points(
    components: Sequence[Component], values: Sequence[npt.NDArray[Any]], missing: Flags, unmeasured: Flags
) -> tuple[Ints, Flags]:
    """Points (n x k, ten-thousandths) from inputs (k arrays of n, millionths), and which components count.

    `missing` (n x k): there is no input; the component's rule decides. `unmeasured`: nothing feeds the metric at all, so
    there is nothing to conclude; the component is left out.
    """
    points = np.zeros(missing.shape, np.int64)
    counts = ~unmeasured
    for column, component in enumerate(components):
        absent = missing[:, column]
        points[:, column] = component.curve.points(values[column])
        if component.missing is Missing.EXCLUDE:
            counts[:, column] &= ~absent
        else:
            points[absent, column] = _NEUTRAL if component.missing is Missing.NEUTRAL else component.curve.lowest
    return np.where(counts, points, 0), counts


def scores(weights: Sequence[int], points: Ints, counts: Flags) -> Scores:
    """Scores from points (n x k, ten-thousandths) and which components count; weights are whole."""
    weighing = np.where(counts, np.array(weights, np.int64), 0)
    whole = weighing.sum(axis=1)
    known = whole > 0
    whole = np.maximum(whole, 1)
    shares = weighing * points
    unit = whole * _SHARE
    total = (2 * shares.sum(axis=1) + unit) // (2 * unit)
    return Scores(
        total,
        _apportioned(shares, unit, total),
        _apportioned(weighing * (100 * CURVE_UNITS), unit, np.where(known, 100 * SCORE_UNITS, 0)),
        known,
    )


def _apportioned(shares: Ints, unit: Ints, total: Ints) -> Ints:
    """The shares in whole units, adding up to the total, by largest remainder."""
    parts, rests = np.divmod(shares, unit[:, None])
    lacking = total - parts.sum(axis=1)
    # A stable order gives ties to the component declared first.
    order = np.argsort(-rests, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(shares.shape[1])[None, :], axis=1)
    result: Ints = parts + (rank < lacking[:, None])
    return result
