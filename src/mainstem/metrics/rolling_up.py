"""Changes of cells added up over customers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.metrics.definition import Granularity, Measure, Metric
from mainstem.metrics.deltas import ROLLUP_DELTAS
from mainstem.metrics.state import merge_distinct
from mainstem.model import SHARDS

__all__ = ["rolled_up"]

Ints = npt.NDArray[np.int64]

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_LENGTHS = {Granularity.HOUR: _HOUR, Granularity.DAY: _DAY}
# 1970-01-01 was a Thursday.
_MONDAY = 3
_NO_BOUND = 2**31


def rolled_up(metric: Metric, cells: pa.Table, shards: pa.Array, grain: Granularity) -> pa.Table:
    """The changes of one metric's sums over customers, in `ROLLUP_DELTAS` columns, from those of its cells."""
    buckets = _floor(cells["bucket"].cast(pa.int64()).to_numpy(), grain)
    # Every span begins at a whole hour, which leaves room for the shard in one number.
    keys = buckets // _HOUR * SHARDS + shards.to_numpy()
    kinds, groups = np.unique(keys, return_inverse=True)
    if metric.measure.additive:
        values, states = _added(cells, groups), pa.nulls(len(kinds), pa.binary())
    elif metric.measure is Measure.DISTINCT:
        merged = merge_distinct(groups, cells["state"].to_pylist(), len(kinds), _NO_BOUND)
        values, states = cells["value"].combine_chunks()[: len(kinds)], pa.array(merged.states, pa.binary())
    else:
        best = _best(metric.measure, cells, groups)
        values, states = (cells[name].take(best).combine_chunks() for name in ("value", "state"))
    first, last = cells["first_at"].cast(pa.int64()).to_numpy(), cells["last_at"].cast(pa.int64()).to_numpy()
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(len(kinds)))
    series = cells["series"][0].as_py() if len(kinds) else 0
    dirty = cells["dirty"].to_numpy()
    columns = {
        "series": pa.array(np.full(len(kinds), series)),
        "grain": pa.array([grain.value] * len(kinds), pa.string()),
        "bucket": pa.array(kinds // SHARDS * _HOUR).cast(ROLLUP_DELTAS.field("bucket").type),
        "shard": pa.array((kinds % SHARDS).astype(np.int16)),
        "value": values,
        "state": states,
        "first_at": pa.array(np.minimum.reduceat(first[order], starts)).cast(ROLLUP_DELTAS.field("first_at").type),
        "last_at": pa.array(np.maximum.reduceat(last[order], starts)).cast(ROLLUP_DELTAS.field("last_at").type),
        "dirty": pa.array(np.logical_or.reduceat(dirty[order], starts)),
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


def _added(cells: pa.Table, groups: Ints) -> pa.Array:
    added = (
        pa.table({"group": groups, "value": cells["value"]})
        .group_by("group", use_threads=False)
        .aggregate([("value", "sum")])
    )
    return added.sort_by("group")["value_sum"].combine_chunks()


def _best(measure: Measure, cells: pa.Table, groups: Ints) -> pa.Array:
    """The row of each group whose state is the least or greatest."""
    keyed = pa.table({"group": groups, "state": cells["state"]})
    order = pc.sort_indices(keyed, sort_keys=[("group", "ascending"), ("state", "ascending")]).to_numpy()
    sorted_groups = groups[order]
    every = np.arange(int(groups.max()) + 1)
    if measure in {Measure.MAX, Measure.LAST}:
        return pa.array(order[np.searchsorted(sorted_groups, every, side="right") - 1])
    return pa.array(order[np.searchsorted(sorted_groups, every, side="left")])
