"""Metrics over all customers by the day, for anomaly detection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import numpy as np

from mainstem.metrics.definition import Granularity, Measure, Metric
from mainstem.metrics.query import Point, TrendRequest, read_trend
from mainstem.quality.anomalies import Scale, Series, Signal
from mainstem.store import Database

__all__ = ["read_daily_series"]

_COUNTED = {Measure.COUNT, Measure.DISTINCT}


def read_daily_series(database: Database, metrics: Iterable[Metric], as_of: dt.datetime) -> Iterator[Series]:
    """Each metric up to its last closed day. `as_of` is data time.

    Left out: metrics that are not summed up over customers, and those whose values are no numbers. Raises UnavailableError.
    """
    for metric in metrics:
        if not metric.rollup or (metric.measure in {Measure.FIRST, Measure.LAST} and metric.value != "quantity"):
            continue
        trend = read_trend(database, metric, TrendRequest("90d", as_of, Granularity.DAY))
        closed = [point for point in trend.points if point.closed]
        if closed:
            yield _series(metric, closed)


def _series(metric: Metric, points: list[Point]) -> Series:
    values = np.array([np.nan if point.value is None else float(point.value) for point in points])
    counted = metric.measure in _COUNTED
    if metric.measure.retractable:
        # Before the first day with something there was nothing to measure.
        begun = np.cumsum(values != 0) > 0
        values = np.where(begun, values, np.nan)
    scale = Scale.COUNT if counted else Scale.AMOUNT
    return Series(Signal.METRIC, scale, [("", "", metric.name)], points[-1].at.date(), values[None, :])
