"""Metrics: what is measured over events, how measurements merge, and what they were and are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.metrics.cohorts import Adoption, Cohorts, read_adoption, read_cohorts
    from mainstem.metrics.conditions import attributes_used
    from mainstem.metrics.daily import read_daily_series
    from mainstem.metrics.declarations import (
        Declaration,
        Metrics,
        activate_declaration,
        active_declarations,
        declaration_decided,
        undecided_declarations,
    )
    from mainstem.metrics.definition import Bucket, Granularity, Measure, Metric, Series, left_out_name, series_id
    from mainstem.metrics.deltas import CELL_DELTAS, ROLLUP_DELTAS, TRACK_DELTAS, CellDeltas
    from mainstem.metrics.funnels import Funnel, read_funnel
    from mainstem.metrics.gauge import Gauge
    from mainstem.metrics.gauge_changes import (
        FILLED,
        STEPS,
        BegunGauges,
        GaugeMoment,
        add_steps,
        begin_gauges,
        begun_gauges,
        clear_gauge,
        forget_gauges,
    )
    from mainstem.metrics.gauge_query import read_gauge_trend
    from mainstem.metrics.journey import Journey, JourneyKind, Subject, Track
    from mainstem.metrics.journey_reader import EVENT_KEYS, JOURNEY_KEYS, check_journey, read_declared
    from mainstem.metrics.known import DirtyCell, dirty_cells, value_as_known
    from mainstem.metrics.merge import begin_merge, merge_cells, prepare_cells, touch_customers
    from mainstem.metrics.metric_set import MetricSet
    from mainstem.metrics.query import TIMEFRAMES, Point, Trend, TrendRequest, read_trend
    from mainstem.metrics.reader import builtin_metrics, read_metric
    from mainstem.metrics.retention import Retention, read_retention
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
            "cohorts": "Adoption Cohorts read_adoption read_cohorts",
            "funnels": "Funnel read_funnel",
            "retention": "Retention read_retention",
            "conditions": "attributes_used",
            "declarations": "Declaration Metrics activate_declaration active_declarations declaration_decided "
            "undecided_declarations",
            "definition": "Bucket Granularity Measure Metric Series left_out_name series_id",
            "deltas": "CELL_DELTAS ROLLUP_DELTAS TRACK_DELTAS CellDeltas",
            "gauge": "Gauge",
            "gauge_changes": "FILLED STEPS BegunGauges GaugeMoment add_steps begin_gauges begun_gauges clear_gauge forget_gauges",
            "gauge_query": "read_gauge_trend",
            "known": "DirtyCell dirty_cells value_as_known",
            "merge": "begin_merge merge_cells prepare_cells touch_customers",
            "metric_set": "MetricSet",
            "query": "TIMEFRAMES Point Trend TrendRequest read_trend",
            "journey": "Journey JourneyKind Subject Track",
            "journey_reader": "EVENT_KEYS JOURNEY_KEYS check_journey read_declared",
            "reader": "builtin_metrics read_metric",
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
    "EVENT_KEYS",
    "FILLED",
    "JOURNEY_KEYS",
    "ROLLUP_DELTAS",
    "STEPS",
    "TIMEFRAMES",
    "TRACK_DELTAS",
    "Adoption",
    "BegunGauges",
    "Bucket",
    "CellDeltas",
    "Cohorts",
    "Contracts",
    "Declaration",
    "DirtyCell",
    "Funnel",
    "Gauge",
    "GaugeMoment",
    "Grade",
    "Granularity",
    "Journey",
    "JourneyKind",
    "Measure",
    "Metric",
    "MetricSet",
    "Metrics",
    "MetricsSettings",
    "Point",
    "Retention",
    "SegmentRollups",
    "Series",
    "StreamClock",
    "Subject",
    "Track",
    "Trend",
    "TrendRequest",
    "activate_declaration",
    "active_declarations",
    "add_steps",
    "attributes_used",
    "begin_gauges",
    "begin_merge",
    "begun_gauges",
    "builtin_metrics",
    "check_journey",
    "clear_gauge",
    "copy_in",
    "declaration_decided",
    "dirty_cells",
    "distinct_entries",
    "distinct_total",
    "forget_gauges",
    "left_out_name",
    "merge_cells",
    "prepare_cells",
    "read_adoption",
    "read_cohorts",
    "read_daily_series",
    "read_declared",
    "read_funnel",
    "read_gauge_trend",
    "read_metric",
    "read_retention",
    "read_stream_clocks",
    "read_trend",
    "series_id",
    "touch_customers",
    "undecided_declarations",
    "value_as_known",
]
