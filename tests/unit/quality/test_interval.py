"""The score interval, against figures that others have published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.quality import wilson


@pytest.mark.parametrize(
    ("good", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(good: int, n: int, low: float, high: float) -> None:
    found = wilson(good, n)
    assert found is not None
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_lies_around_the_share_and_turns_over_with_it(counts: tuple[int, int]) -> None:
    good, n = counts
    found, other = wilson(good, n), wilson(n - good, n)
    assert found is not None
    assert other is not None
    assert 0 <= found.low <= good / n <= found.high <= 1
    assert found.low == pytest.approx(1 - other.high, abs=1e-9)


def test_of_nothing_there_is_none() -> None:
    assert wilson(0, 0) is None
