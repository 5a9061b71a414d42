from __future__ import annotations

import collections
import random
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.intake._numbering import Numbering


def encoded(values: list[int]) -> pa.Array:
    return pa.array([str(value).encode() for value in values], pa.binary())


def expected(values: list[int]) -> list[int]:
    seen: collections.Counter[int] = collections.Counter()
    numbers = []
    for value in values:
        seen[value] += 1
        numbers.append(seen[value])
    return numbers


def numbered(values: list[int], folder: Path, chunk: int) -> list[int]:
    with closing(Numbering(folder, "256MB")) as numbering:
        for start in range(0, len(values), chunk):
            numbering.add(encoded(values[start : start + chunk]))
        assert numbering.rows == len(values)
        numbering.number()
        parts = [
            numbering.numbers(start, min(chunk + 1, len(values) - start)) for start in range(0, len(values), chunk + 1)
        ]
    return np.concatenate(parts).tolist() if parts else []


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 9))
def test_equal_rows_are_numbered_in_order(tmp_path_factory: object, values: list[int], chunk: int) -> None:
    folder = tmp_path_factory.mktemp("numbering")  # type: ignore[attr-defined]
    assert numbered(values, folder, chunk) == expected(values)


def test_many_rows_with_little_memory(tmp_path: Path) -> None:
    values = [random.Random(1).randrange(15_000) if n % 3 else -n for n in range(40_000)]
    assert numbered(values, tmp_path, 10_000) == expected(values)


def test_a_slice_of_an_array_is_what_it_shows(tmp_path: Path) -> None:
    with closing(Numbering(tmp_path, "256MB")) as numbering:
        numbering.add(encoded([1, 2, 3, 3]).slice(1))
        numbering.number()
        assert numbering.numbers(0, 3).tolist() == [1, 1, 2]
