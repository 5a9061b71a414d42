"""How far a share that was measured of n may lie from the one that holds."""

from __future__ import annotations

import dataclasses
import math

__all__ = ["Interval", "wilson"]

# Of the standard normal distribution: 95 % lie within so many deviations.
_DEVIATIONS = 1.959963984540054


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both from 0 to 1."""

    low: float
    high: float


def wilson(good: int, n: int) -> Interval | None:
    """The 95 % score interval of the share `good` of `n`; None of nothing.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
    Statistical Association 22 (1927), 209-212. Unlike the textbook interval it holds for few and for shares near 0 and 1,
    never leaves 0 to 1, and of n that all agree it does not say that all others do (L. D. Brown, T. T. Cai, A. DasGupta,
    "Interval Estimation for a Binomial Proportion", Statistical Science 16 (2001), 101-133).
    """
    if not n:
        return None
    share, square = good / n, _DEVIATIONS**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = _DEVIATIONS / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At the ends the two halves cancel out but for rounding.
    return Interval(0.0 if good == 0 else max(centre - half, 0.0), 1.0 if good == n else min(centre + half, 1.0))
