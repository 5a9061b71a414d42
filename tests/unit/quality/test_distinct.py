"""How many different values fields have, of whatever type they are and however they come."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.model import sketch
from mainstem.privacy import Hasher
from mainstem.quality.distinct import FIELD_REGISTERS, seed_of, sketched

SEED = 7


def _column(values: Any, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def _number(values: Any, kind: pa.DataType | None = None) -> float:
    return float(sketch.estimates(sketched([_column(values, kind)], SEED))[0])


@pytest.mark.parametrize("n", [1, 2, 10, 100, 1000, 20_000])
@pytest.mark.parametrize(
    "values",
    [
        lambda n: [f"customer {one}" for one in range(n)],
        lambda n: list(range(n)),
        lambda n: [one / 7 for one in range(n)],
        lambda n: [Decimal(one) / 8 for one in range(n)],
        lambda n: [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=one) for one in range(n)],
        lambda n: [dt.date(1, 1, 1) + dt.timedelta(days=one) for one in range(n)],
    ],
    ids=["text", "integer", "number", "decimal", "time", "date"],
)
def test_different_values_are_counted(n: int, values: Any) -> None:
    found = _number([*values(n), None, *values(n)])
    # Three standard errors, and of few values less than one.
    assert abs(found - n) < max(3 * 1.04 / FIELD_REGISTERS**0.5 * n, 0.5)


def test_one_value_is_one_however_it_is_written() -> None:
    assert _number([0.0, -0.0]) < 1.5
    assert 1.5 < _number([True, False, None, True]) < 2.5
    assert _number([None, None], pa.string()) == 0
    assert _number([], pa.string()) == 0
    # Texts of a megabyte differ by their beginnings.
    assert _number(["a" * 1_000_000, "a" * 5_000]) < 1.5
    assert 1.5 < _number(["b" + "a" * 1_000_000, "a" * 5_000]) < 2.5


@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=40), st.integers(0, 40), st.integers(0, 60))
def test_a_sketch_depends_on_the_values_alone(values: list[str | None], cut: int, slack: int) -> None:
    whole = sketched([_column(values, pa.string())], SEED)
    parts = [sketched([_column(part, pa.string())], SEED) for part in (values[:cut], values[cut:])]
    assert np.array_equal(sketch.merged(*parts), whole)
    # Beside other columns, in other chunks, and as a part of a longer array.
    longer = pa.array(["x"] * slack + values[::-1], pa.string())[slack:]
    beside = sketched([_column(range(5)), pa.chunked_array([longer[:cut], longer[cut:]]), _column(["y"])], SEED)
    assert np.array_equal(beside[1:2], whole)


def test_more_text_than_a_chunk_is_the_same_as_a_text_at_a_time() -> None:
    values = [f"{n}" * (n % 300) for n in range(2_000)]
    one_by_one = [sketched([_column([value])], SEED) for value in values]
    assert np.array_equal(np.maximum.reduce(one_by_one), sketched([_column(values)], SEED))


def test_the_installation_has_a_word_of_its_own() -> None:
    one, other = (seed_of(Hasher(key * 32)) for key in (b"a", b"b"))
    assert one == seed_of(Hasher(b"a" * 32)) != other
    values = [_column(["anna", "bert", "carl"])]
    assert not np.array_equal(sketched(values, one), sketched(values, other))
