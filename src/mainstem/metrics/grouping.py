"""Rows in groups that a number names, and what comes together in each: by sorting whole arrays, never row by row."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Groups", "Ints", "different"]

Ints = npt.NDArray[np.int64]


class Groups:
    """Rows of equal keys, the groups in rising order of their keys."""

    def __init__(self, keys: Ints, order: Ints, starts: Ints) -> None:
        self.keys = keys
        """Of each group."""
        self._order = order
        self._starts = starts

    @classmethod
    def by(cls, keys: Ints) -> Self:
        """Group rows by their keys."""
        order = np.argsort(keys)
        ordered = keys[order]
        starts = np.flatnonzero(_fresh(ordered))
        return cls(ordered[starts], order, starts)

    def __len__(self) -> int:
        return len(self.keys)

    def sizes(self) -> Ints:
        """How many rows each group has."""
        return np.diff(self._starts, append=len(self._order))

    def of_rows(self) -> Ints:
        """The number of the group that each row is in."""
        numbers = np.empty(len(self._order), np.int64)
        numbers[self._order] = np.repeat(np.arange(len(self)), self.sizes())
        return numbers

    def least(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The least of the rows' values in each group."""
        return np.minimum.reduceat(values[self._order], self._starts) if len(self) else values[:0]

    def greatest(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The greatest of the rows' values in each group."""
        return np.maximum.reduceat(values[self._order], self._starts) if len(self) else values[:0]

    def total(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The sum of the rows' values in each group."""
        return np.add.reduceat(values[self._order], self._starts) if len(self) else values[:0]


def different(keys: Ints) -> Ints:
    """The different keys, rising; by sorting, which is several times as fast as NumPy's `unique`, which hashes."""
    ordered = np.sort(keys)
    return ordered[_fresh(ordered)]


def _fresh(ordered: Ints) -> npt.NDArray[np.bool_]:
    """Whether an ordered key is the first of its kind."""
    fresh = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return fresh
