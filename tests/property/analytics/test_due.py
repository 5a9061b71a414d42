"""When time alone moves a score: against trying every second."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.analytics import Band, Component, Curve, HealthModel, Kind, Missing
from mainstem.analytics.due import MOVES, seconds_to_move
from mainstem.analytics.evaluation import Evaluation, evaluate, feed_grades
from mainstem.analytics.inputs import DAY, Feed, History, Rows, microseconds
from mainstem.analytics.inputs import _Days as Days
from mainstem.metrics import StreamClock

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
LIVING = StreamClock("app", "usage", NOW + dt.timedelta(days=2), NOW, None, dt.timedelta(0), dt.timedelta(days=9))
SECOND = 1_000_000


@st.composite
def recency(draw: st.DrawFn) -> Component:
    hours = sorted(draw(st.lists(st.integers(0, 24 * 20), min_size=2, max_size=6, unique=True)))
    xs = [hour * 10**6 // 24 for hour in hours]
    if draw(st.booleans()):
        xs.insert(1, xs[1])
    ys = [draw(st.integers(0, 100)) * 10_000 for _ in xs]
    weight = Decimal(draw(st.integers(1, 60)))
    return Component("recency", Kind.RECENCY, "events", Curve(tuple(xs), tuple(ys)), weight, Missing.WORST)


def _model(components: list[Component], limit: int) -> HealthModel:
    frequency = Component(
        "frequency", Kind.FREQUENCY, "events", Curve((0, 10**7), (0, 10**6)), Decimal(40), Missing.EXCLUDE, 30
    )
    bands = (Band("low", "Low", Decimal(0)), Band("high", "High", Decimal(limit)))
    return HealthModel("model", "Model", (*components, frequency), bands)


def _evaluated(model: HealthModel, last: int, as_of: np.ndarray) -> Evaluation:
    """Scores at many instants of a customer who was last seen at `last`."""
    feed = Feed(1, "events", "app", "usage", distinct=False, clock=LIVING)
    first = last // DAY - 90
    width = microseconds(NOW) // DAY - first + 2
    sums = np.zeros((1, width), np.int64)
    seen = np.full((1, width), np.iinfo(np.int64).min)
    sums[0, last // DAY - first + 1 :] = 3 * 10**6
    seen[0, last // DAY - first + 1 :] = last
    history = History(first, [feed], np.ones((1, 1), np.bool_), {1: Days(sums, seen)}, {})
    rows = Rows(np.zeros(len(as_of), np.int64), as_of)
    return evaluate(model, history, rows, [None], feed_grades([feed], dt.timedelta(0)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(recency(), min_size=1, max_size=2),
    st.integers(1, 99),
    st.integers(0, 20 * 86_400 * SECOND),
    st.integers(-9, 9),
)
def test_a_score_is_due_in_the_very_second_it_moves(
    components: list[Component], limit: int, age: int, shown_off: int
) -> None:
    model = _model(components, limit)
    now = microseconds(NOW)
    here = _evaluated(model, now - age, np.array([now]))
    shown = np.clip(here.total + shown_off, 0, 10_000)
    if model.band(int(shown[0])) != model.band(int(here.total[0])):
        shown = here.total
    until_midnight = (DAY - now % DAY) // SECOND
    found = int(seconds_to_move(model, here, [None], shown, np.array([until_midnight]))[0])
    every = np.arange(1, until_midnight + 1)
    totals = _evaluated(model, now - age, now + every * SECOND).total
    bands = np.searchsorted(model.limits, totals, side="right")
    moved = (np.abs(totals - shown) >= MOVES) | (bands != np.searchsorted(model.limits, shown, side="right"))
    expected = int(every[moved][0]) if moved.any() else until_midnight
    assert found == expected
