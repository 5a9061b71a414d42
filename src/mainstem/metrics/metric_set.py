"""Metrics compiled: a batch of events in, the changes of their cells out."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import duckdb
import numpy as np
import pyarrow as pa

from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.metrics.batch import Batch, Changes, Moments
from mainstem.metrics.definition import HOUR, Measure, Metric, Series, series_id
from mainstem.metrics.deltas import CELL_DELTAS, ROLLUP_DELTAS, TRACK_DELTAS, CellDeltas
from mainstem.metrics.gauge import Gauge
from mainstem.metrics.journey import Journey
from mainstem.metrics.numbers import decimals
from mainstem.metrics.rolling_up import rolled_up

__all__ = ["MetricSet"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")


class MetricSet:
    """The metrics, gauges and journeys in force. Immutable; safe to share between threads (each has its own DuckDB)."""

    def __init__(
        self, metrics: Iterable[Metric | Gauge | Journey], unreadable: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`unreadable` says of metrics that are in force and cannot be read, by name, why: nothing is measured by them."""
        by_name: dict[str, Metric | Gauge | Journey] = {}
        for metric in metrics:
            if metric.name in by_name:
                raise ConfigurationError(f"There are two metrics {metric.name!r}.", hint="Give one another name.")
            by_name[metric.name] = metric
        self.metrics: Mapping[str, Metric] = MappingProxyType(
            {name: one for name, one in by_name.items() if isinstance(one, Metric)}
        )
        left_out = [one.left_out() for one in self.metrics.values()]
        self._measured = [*self.metrics.values(), *(one for one in left_out if one is not None)]
        self.journeys: Mapping[str, Journey] = MappingProxyType(
            {name: one for name, one in by_name.items() if isinstance(one, Journey)}
        )
        self.gauges: Mapping[str, Gauge] = MappingProxyType(
            {name: one for name, one in by_name.items() if isinstance(one, Gauge)}
        )
        self.unreadable: Mapping[str, str] = MappingProxyType(dict(unreadable))
        self._local = threading.local()

    def declared(self) -> Sequence[Metric | Gauge | Journey]:
        """All of them."""
        return [*self.metrics.values(), *self.gauges.values(), *self.journeys.values()]

    @property
    def measured(self) -> Mapping[str, Metric | Gauge]:
        """Those that are a number of a customer, over events and over states, by name."""
        return {**self.metrics, **self.gauges}

    def deltas(
        self,
        rows: pa.Table,
        source: str,
        stream: str,
        entity: str,
        *,
        grace: dt.timedelta = HOUR,
        taken_back: bool = False,
    ) -> CellDeltas:
        """What the rows (in `processing.EVENT_EFFECTS` columns, repeats removed) change.

        `entity` is what the stream's contract maps to, `grace` the contract's. `taken_back`: the rows were in effect
        and are no more (a record fixed or erased); measures that cannot give them back are marked dirty.
        """
        metrics = [metric for metric in self._measured if metric.entity == entity]
        tracks = [track for journey in self.journeys.values() for track in journey.tracks if track.entity == entity]
        if not (metrics or tracks) or not rows.num_rows:
            return CellDeltas.none()
        if rows.schema.field("slot").type != pa.uint16():
            raise TypeError("rows are not in EVENT_EFFECTS columns")
        batch = Batch(self._connection(), rows, [*metrics, *tracks], taken_back=taken_back)
        cells, rollups = [CELL_DELTAS.empty_table()], [ROLLUP_DELTAS.empty_table()]
        for metric in metrics:
            series = series_id(metric.name, source, stream)
            dirty = taken_back and not metric.measure.retractable
            changes = batch.changes(metric)
            cells.append(_cells(series, batch.refs, rows, changes, dirty=dirty))
            if metric.rollup:
                rollups += [rolled_up(metric, series, changes, grain, dirty=dirty) for grain in metric.grains()]
        moments = [TRACK_DELTAS.empty_table()]
        moments += [_track(series_id(track.series, source, stream), batch.moments(track)) for track in tracks]
        named = [(metric.name, metric.measure, metric.bucket.length) for metric in metrics]
        named += [(track.series, Measure.DISTINCT, track.resolution.bucket) for track in tracks]
        return CellDeltas(
            tuple(
                Series(series_id(name, source, stream), name, source, stream, measure, bucket, grace)
                for name, measure, bucket in named
            ),
            pa.concat_tables(cells),
            pa.concat_tables(rollups),
            taken_back,
            tracks=pa.concat_tables(moments),
        )

    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect()
        return connection


def _cells(series: int, refs: pa.Array, rows: pa.Table, changes: Changes, *, dirty: bool) -> pa.Table:
    """The changes of one metric's cells, in `CELL_DELTAS` columns."""
    last = pa.array(changes.last_rows)
    return pa.table(
        {
            "ref": refs.take(pa.array(changes.owners)),
            "series": pa.array(np.full(len(changes), series)),
            "bucket": pa.array(changes.buckets).cast(_TIMESTAMP),
            "value": decimals(changes.numbers),
            "state": changes.states,
            "first_at": pa.array(changes.first_at).cast(_TIMESTAMP),
            "last_at": pa.array(changes.last_at).cast(_TIMESTAMP),
            "dirty": pa.repeat(dirty, len(changes)),
            "position": rows["position"].take(last),
            "index": rows["index"].take(last).cast(pa.int32()),
        },
        schema=CELL_DELTAS,
    )


def _track(series: int, moments: Moments) -> pa.Table:
    """The changes of one track, in `TRACK_DELTAS` columns."""
    count = len(moments.buckets)
    return pa.table(
        {
            "series": pa.array(np.full(count, series)),
            "bucket": pa.array(moments.buckets).cast(_TIMESTAMP),
            "ref": moments.refs,
            "value": decimals(np.zeros(count, np.int64)),
            "state": moments.states,
            "dirty": pa.repeat(False, count),
        },
        schema=TRACK_DELTAS,
    )
