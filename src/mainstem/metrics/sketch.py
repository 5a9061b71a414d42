"""Counting distinct values approximately: HyperLogLog with 4,096 registers, standard error 1.6 %.

What the sketch of a set is depends on the set alone: not on the order its values came in, nor on how it was merged. The
values are 64-bit hashes already. The estimator is Ertl's improved one (arXiv 1702.01284), which needs no table against
bias and is right from the first value on.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["REGISTERS", "Hashes", "Registers", "empty", "estimate", "merged", "with_hashes"]

Hashes = npt.NDArray[np.uint64]
Registers = npt.NDArray[np.uint8]

_INDEX_BITS = 12
_RANK_BITS = 64 - _INDEX_BITS
REGISTERS = 1 << _INDEX_BITS


def empty() -> Registers:
    """The sketch of no values: one byte a register."""
    return np.zeros(REGISTERS, np.uint8)


def with_hashes(registers: Registers, hashes: Hashes) -> Registers:
    """A new sketch with the hashes added."""
    index = (hashes >> np.uint64(_RANK_BITS)).astype(np.intp)
    rest = hashes & np.uint64((1 << _RANK_BITS) - 1)
    # Below 2**53 a float is exact, so its exponent is the position of the highest bit: 0 for 0.
    _, highest = np.frexp(rest.astype(np.float64))
    rank = (_RANK_BITS + 1 - highest).astype(np.uint8)
    result = registers.copy()
    np.maximum.at(result, index, rank)
    return result


def merged(one: Registers, other: Registers) -> Registers:
    """The sketch of both sets together."""
    return np.maximum(one, other)


def estimate(registers: Registers) -> int:
    """How many different values the sketch has seen."""
    counts = np.bincount(registers, minlength=_RANK_BITS + 2)
    size = float(REGISTERS)
    z = size * _tau(1.0 - counts[_RANK_BITS + 1] / size)
    for rank in range(_RANK_BITS, 0, -1):
        z = 0.5 * (z + float(counts[rank]))
    z += size * _sigma(float(counts[0]) / size)
    return 0 if math.isinf(z) else round(size * size / (2.0 * math.log(2.0) * z))


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, last = 1.0, x, -1.0
    while z != last:
        x *= x
        last = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in {0.0, 1.0}:
        return 0.0
    y, z, last = 1.0, 1.0 - x, -1.0
    while z != last:
        x = math.sqrt(x)
        last = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0
