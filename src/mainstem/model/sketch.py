"""Counting distinct values approximately: HyperLogLog, with 4,096 registers by default, a standard error of 1.6 %.

What the sketch of a set is depends on the set alone: not on the order its values came in, nor on how it was merged. The
values are 64-bit hashes already. The estimator is Ertl's improved one (arXiv 1702.01284), which needs no table against
bias and is right from the first value on. A sketch of m registers, a power of two, has a standard error of 1.04 / sqrt(m).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["REGISTERS", "Hashes", "Registers", "empty", "estimate", "estimates", "merged", "placed", "with_hashes"]

Hashes = npt.NDArray[np.uint64]
Registers = npt.NDArray[np.uint8]

# Below 2**53 a float is exact, so its exponent is the position of the highest bit. Of more bits the lowest say nothing.
_RANK_BITS = 52
REGISTERS = 1 << 12


def empty() -> Registers:
    """The sketch of no values: one byte a register."""
    return np.zeros(REGISTERS, np.uint8)


def placed(hashes: Hashes, registers: int) -> tuple[npt.NDArray[np.intp], Registers]:
    """Of each hash the register, of so many, that it belongs to, and its rank: a register holds the highest."""
    bits = registers.bit_length() - 1
    index = (hashes >> np.uint64(64 - bits)).astype(np.intp)
    rest = (hashes << np.uint64(bits)) >> np.uint64(64 - _RANK_BITS)
    _, highest = np.frexp(rest.astype(np.float64))
    return index, (_RANK_BITS + 1 - highest).astype(np.uint8)


def with_hashes(registers: Registers, hashes: Hashes) -> Registers:
    """A new sketch with the hashes added."""
    index, rank = placed(hashes, len(registers))
    result = registers.copy()
    np.maximum.at(result, index, rank)
    return result


def merged(one: Registers, other: Registers) -> Registers:
    """The sketch of both sets together."""
    return np.maximum(one, other)


def estimate(registers: Registers) -> int:
    """How many different values the sketch has seen."""
    [found] = estimates(registers[None])
    return 0 if np.isinf(found) else round(float(found))


def estimates(registers: Registers) -> npt.NDArray[np.float64]:
    """How many different values each of n sketches (n x m) has seen; infinity where every register is at its end."""
    many, size = registers.shape
    width = _RANK_BITS + 2
    places = registers.astype(np.intp) + np.arange(many)[:, None] * width
    counts = np.bincount(places.ravel(), minlength=many * width).reshape(many, width).astype(np.float64)
    z = size * _tau(1.0 - counts[:, _RANK_BITS + 1] / size)
    for rank in range(_RANK_BITS, 0, -1):
        z = 0.5 * (z + counts[:, rank])
    z += size * _sigma(counts[:, 0] / size)
    with np.errstate(divide="ignore"):
        found: npt.NDArray[np.float64] = np.where(np.isinf(z), 0.0, size * size / (2.0 * np.log(2.0) * z))
    return found


def _sigma(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    none, x = x == 1.0, np.where(x == 1.0, 0.0, x)
    y, z, last = 1.0, x, np.full_like(x, -1.0)
    while (z != last).any():
        x = x * x
        last = z
        z = z + x * y
        y += y
    return np.where(none, np.inf, z)


def _tau(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    nothing = (x == 0.0) | (x == 1.0)
    x = np.where(nothing, 0.5, x)
    y, z, last = 1.0, 1.0 - x, np.full_like(x, -1.0)
    while (z != last).any():
        x = np.sqrt(x)
        last = z
        y *= 0.5
        z = z - (1.0 - x) ** 2 * y
    return np.where(nothing, 0.0, z / 3.0)
