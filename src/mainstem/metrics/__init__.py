"""Metrics: what is measured over events, how measurements merge, and what they were and are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.metrics.daily import read_daily_series
    from mainstem.metrics.declarations import (
        Declaration,
        Metrics,
        activate_declaration,
        active_declarations,
        declaration_decided,
        undecided_declarations,
    )
    from mainstem.metrics.definition import Bucket, Granularity, Measure, Metric, Series, series_id
    from mainstem.metrics.deltas import CELL_DELTAS, ROLLUP_DELTAS, CellDeltas
    from mainstem.metrics.fields import Fields, read_yaml
    from mainstem.metrics.known import DirtyCell, dirty_cells, value_as_known
    from mainstem.metrics.merge import merge_cells, prepare_cells, touch_customers
    from mainstem.metrics.metric_set import MetricSet
    from mainstem.metrics.query import TIMEFRAMES, Point, Trend, TrendRequest, read_trend
    from mainstem.metrics.reader import attributes_used, builtin_metrics, read_metric
    from mainstem.metrics.segments import SegmentRollups
    from mainstem.metrics.settings import MetricsSettings
    from mainstem.metrics.state import DISTINCT_BOUND, distinct_entries, distinct_total
    from mainstem.metrics.streams import Contracts, Grade, StreamClock, read_stream_clocks
    from mainstem.metrics.transfer import copy_in
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "daily": "read_daily_series",
            "declarations": "Declaration Metrics activate_declaration active_declarations declaration_decided "
            "undecided_declarations",
            "definition": "Bucket Granularity Measure Metric Series series_id",
            "deltas": "CELL_DELTAS ROLLUP_DELTAS CellDeltas",
            "fields": "Fields read_yaml",
            "known": "DirtyCell dirty_cells value_as_known",
            "merge": "merge_cells prepare_cells touch_customers",
            "metric_set": "MetricSet",
            "query": "TIMEFRAMES Point Trend TrendRequest read_trend",
            "reader": "attributes_used builtin_metrics read_metric",
            "segments": "SegmentRollups",
            "settings": "MetricsSettings",
            "state": "DISTINCT_BOUND distinct_entries distinct_total",
            "streams": "Contracts Grade StreamClock read_stream_clocks",
            "transfer": "copy_in",
        },
    )

__all__ = [
    "CELL_DELTAS",
    "DISTINCT_BOUND",
    "ROLLUP_DELTAS",
    "TIMEFRAMES",
    "Bucket",
    "CellDeltas",
    "Contracts",
    "Declaration",
    "DirtyCell",
    "Fields",
    "Grade",
    "Granularity",
    "Measure",
    "Metric",
    "MetricSet",
    "Metrics",
    "MetricsSettings",
    "Point",
    "SegmentRollups",
    "Series",
    "StreamClock",
    "Trend",
    "TrendRequest",
    "activate_declaration",
    "active_declarations",
    "attributes_used",
    "builtin_metrics",
    "copy_in",
    "declaration_decided",
    "dirty_cells",
    "distinct_entries",
    "distinct_total",
    "merge_cells",
    "prepare_cells",
    "read_daily_series",
    "read_metric",
    "read_stream_clocks",
    "read_trend",
    "read_yaml",
    "series_id",
    "touch_customers",
    "undecided_declarations",
    "value_as_known",
]
