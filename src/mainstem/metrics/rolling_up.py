"""Changes of cells added up over customers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mainstem.metrics.batch import Changes, best_rows
from mainstem.metrics.definition import Granularity, Metric
from mainstem.metrics.deltas import ROLLUP_DELTAS
from mainstem.metrics.grouping import Groups, Ints
from mainstem.metrics.numbers import decimals
from mainstem.model import SHARDS

__all__ = ["rolled_up"]

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_LENGTHS = {Granularity.HOUR: _HOUR, Granularity.DAY: _DAY}
# 1970-01-01 was a Thursday.
_MONDAY = 3
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def rolled_up(metric: Metric, series: int, cells: Changes, grain: Granularity, *, dirty: bool) -> pa.Table:
    """The changes of one metric's sums over customers, in `ROLLUP_DELTAS` columns, from those of its cells."""
    # Every span begins at a whole hour, which leaves room for the shard in one number.
    spans = Groups.by(_floor(cells.buckets, grain) // _HOUR * SHARDS + cells.shards)
    numbers, states = np.zeros(len(spans), np.int64), pa.nulls(len(spans), pa.binary())
    if metric.measure.additive:
        numbers = spans.total(cells.numbers)
    elif cells.entries is not None:
        states = cells.entries.joined(spans.of_rows()).states(len(spans))
    elif len(spans):
        best = best_rows(metric.measure, cells.states, spans.of_rows(), len(spans))
        numbers, states = cells.numbers[best], cells.states.take(pa.array(best))
    columns = {
        "series": pa.array(np.full(len(spans), series)),
        "grain": pa.repeat(grain.value, len(spans)),
        "bucket": pa.array(spans.keys // SHARDS * _HOUR).cast(_TIMESTAMP),
        "shard": pa.array((spans.keys % SHARDS).astype(np.int16)),
        "value": decimals(numbers),
        "state": states,
        "first_at": pa.array(spans.least(cells.first_at)).cast(_TIMESTAMP),
        "last_at": pa.array(spans.greatest(cells.last_at)).cast(_TIMESTAMP),
        "dirty": pa.repeat(dirty, len(spans)),
    }
    return pa.table(columns, schema=ROLLUP_DELTAS)


def _floor(us: Ints, grain: Granularity) -> Ints:
    """The begin of the spans that instants (microseconds) lie in."""
    if grain in _LENGTHS:
        return us // _LENGTHS[grain] * _LENGTHS[grain]
    days = us // _DAY
    if grain is Granularity.WEEK:
        return ((days + _MONDAY) // 7 * 7 - _MONDAY) * _DAY
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) * _DAY
