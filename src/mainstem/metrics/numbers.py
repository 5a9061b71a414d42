"""Decimals of nine places as whole numbers of billionths: exact, and summed at the speed of integers.

Where all values fit well into 64 bits (nine billions, less for many) they are an array of int64; otherwise of Python's
integers, slower and as large as need be.
"""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.metrics.grouping import Ints

__all__ = ["DECIMAL", "EXACT", "ONE", "SCALE", "Billionths", "billionths", "decimals", "halves"]

SCALE = 9
ONE = 10**SCALE
"""The number 1."""
DECIMAL = pa.decimal128(38, SCALE)

Billionths = npt.NDArray[Any]
"""Of int64, or of Python's integers."""

_WIDTH = 16
EXACT = decimal.Context(prec=50)
"""Wide enough for sums of decimals; the usual one rounds at 28 digits."""


def halves(column: pa.Array) -> tuple[npt.NDArray[np.uint64], Ints]:
    """The lower and the upper 64 bits of a decimal column's numbers; what stands for a null is anything."""
    data = np.frombuffer(column.buffers()[1], "<u8", count=2 * len(column), offset=_WIDTH * column.offset)
    return data[0::2], data[1::2].view("<i8")


def billionths(column: pa.Array) -> Billionths:
    """The numbers of a column of decimals of nine places without nulls, in a form that the sum of all fits into."""
    if not len(column):
        return np.zeros(0, np.int64)
    low, high = halves(column)
    small = low.view("<i8")
    if (high == small >> 63).all() and max(-int(small.min()), int(small.max())) < 2**62 // len(column):
        return small
    return np.array([int(value.scaleb(SCALE, EXACT)) for value in column.to_pylist()], object)


def decimals(numbers: Billionths) -> pa.Array:
    """The numbers as decimals. Raises pyarrow.ArrowInvalid for one of more than 38 digits."""
    if numbers.dtype == object:
        return pa.array([decimal.Decimal(number).scaleb(-SCALE, EXACT) for number in numbers], DECIMAL)
    words = np.empty((len(numbers), 2), "<i8")
    words[:, 0] = numbers
    words[:, 1] = numbers >> 63
    return pa.Array.from_buffers(DECIMAL, len(numbers), [None, pa.py_buffer(words)])
