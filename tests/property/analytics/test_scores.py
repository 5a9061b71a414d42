"""Contributions add up to the score exactly, and curves are what they are drawn as."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mainstem.analytics import Curve
from mainstem.analytics.score import scores

COMPONENTS = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(0, 100 * 10**4), st.booleans()), min_size=1, max_size=20
)


def _rounded(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()


@given(COMPONENTS)
def test_contributions_add_up_exactly(components: list[tuple[int, int, bool]]) -> None:
    weights = [weight for weight, _, _ in components]
    points = np.array([[y if counts else 0 for _, y, counts in components]], np.int64)
    counts = np.array([[counts for _, _, counts in components]], np.bool_)
    result = scores(weights, points, counts)
    weighing = sum(weight for weight, _, counts in components if counts)
    assert result.known[0] == (weighing > 0)
    exact = [Fraction(w * y * counts, max(weighing, 1) * 100) for w, y, counts in components]
    assert result.total[0] == _rounded(sum(exact, Fraction(0)))
    assert result.parts[0].sum() == result.total[0]
    # Nobody's share is off by a hundredth or more.
    assert all(abs(int(part) - share) < 1 for part, share in zip(result.parts[0], exact, strict=True))
    assert result.most[0].sum() == (10_000 if weighing else 0)
    assert (result.parts[0][~counts[0]] == 0).all()


@given(st.lists(COMPONENTS, min_size=1, max_size=5))
def test_many_customers_are_as_one_by_one(batch: list[list[tuple[int, int, bool]]]) -> None:
    width = min(map(len, batch))
    weights = [weight for weight, _, _ in batch[0][:width]]
    points = np.array([[y for _, y, _ in one[:width]] for one in batch], np.int64)
    counts = np.array([[c for _, _, c in one[:width]] for one in batch], np.bool_)
    points = np.where(counts, points, 0)
    together = scores(weights, points, counts)
    for row in range(len(batch)):
        alone = scores(weights, points[row : row + 1], counts[row : row + 1])
        assert together.total[row] == alone.total[0]
        assert together.parts[row].tolist() == alone.parts[0].tolist()


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    xs = sorted(draw(st.lists(st.integers(-(10**9), 10 ** draw(st.sampled_from([6, 9, 18]))), min_size=2, max_size=6)))
    # A step is two points with one input, never three, and never all of the curve.
    xs = [x for place, x in enumerate(xs) if xs[:place].count(x) < 2]
    if xs[0] == xs[-1]:
        xs = [xs[0], xs[0] + 10**6]
    return Curve(tuple(xs), tuple(draw(st.integers(0, 10**6)) for _ in xs))


@given(curves(), st.lists(st.integers(-(10**19) // 4, 10**19 // 4), min_size=1, max_size=8))
def test_curves_are_drawn_between_their_points(curve: Curve, values: list[int]) -> None:
    values += [curve.xs[0], curve.xs[-1], curve.xs[0] - 1, curve.xs[-1] + 1, (curve.xs[0] + curve.xs[-1]) // 2]
    drawn = curve.points(np.array(values, np.int64))
    for value, points in zip(values, drawn.tolist(), strict=True):
        assert points == curve.at(value) == _drawn(curve, value)


def _drawn(curve: Curve, value: int) -> int:
    """As somebody would read it off the drawing."""
    if value < curve.xs[0]:
        return curve.ys[0]
    place = max(index for index, x in enumerate(curve.xs) if x <= value)
    if place == len(curve.xs) - 1:
        return curve.ys[-1]
    (x0, x1), (y0, y1) = curve.xs[place : place + 2], curve.ys[place : place + 2]
    return _rounded(y0 + Fraction((value - x0) * (y1 - y0), x1 - x0))
