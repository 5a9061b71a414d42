"""Metrics as series of days: closed days alone, from the first one with something."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from mainstem.metrics import read_daily_series
from mainstem.quality.anomalies import Scale, Signal

NOW = dt.datetime(2026, 1, 15, 12, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def test_metrics_are_series_of_closed_days(cells: Any) -> None:
    events = [
        {"id": (day, n), "customer": f"c{n}", "occurred_at": NOW - day * DAY, "quantity": day, "event": f"kind {n % 2}"}
        for day in (0, 1, 3, 4)
        for n in range(3)
    ]
    cells.happens(*events, data_now=NOW)
    metrics = [cells.metrics.metrics[name] for name in ("events", "kinds", "most", "opening")]
    found = {series.subjects[0]: series for series in read_daily_series(cells.database, metrics, NOW)}
    # The first object is no number.
    assert set(found) == {("", "", "events"), ("", "", "kinds"), ("", "", "most")}
    count, kinds, most = (found["", "", name] for name in ("events", "kinds", "most"))
    assert {one.signal for one in found.values()} == {Signal.METRIC}
    assert (count.last, count.scale, most.scale) == (dt.date(2026, 1, 14), Scale.COUNT, Scale.AMOUNT)
    assert np.array_equal(count.values[0, -4:], [3, 3, 0, 3])
    assert np.array_equal(kinds.values[0, -4:], [2, 2, 0, 2])
    assert np.array_equal(most.values[0, -4:], [4, 3, np.nan, 1], equal_nan=True)
    assert np.isnan(count.values[0, :-4]).all()
    # An hour after midnight yesterday's stragglers may still come.
    [early] = read_daily_series(cells.database, metrics[:1], NOW.replace(hour=0))
    assert early.last == dt.date(2026, 1, 13)
