"""Metrics compiled: a batch of events in, the changes of their cells out."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import duckdb
import numpy as np
import pyarrow as pa

from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.metrics.batch import Batch, Changes
from mainstem.metrics.definition import HOUR, Metric, Series, series_id
from mainstem.metrics.deltas import CELL_DELTAS, ROLLUP_DELTAS, CellDeltas
from mainstem.metrics.numbers import decimals
from mainstem.metrics.rolling_up import rolled_up

__all__ = ["MetricSet"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")


class MetricSet:
    """The metrics in force. Immutable; safe to share between threads (each has its own DuckDB)."""

    def __init__(self, metrics: Iterable[Metric], unreadable: Mapping[str, str] = MappingProxyType({})) -> None:
        """`unreadable` says of metrics that are in force and cannot be read, by name, why: nothing is measured by them."""
        by_name: dict[str, Metric] = {}
        for metric in metrics:
            if metric.name in by_name:
                raise ConfigurationError(f"There are two metrics {metric.name!r}.", hint="Give one another name.")
            by_name[metric.name] = metric
        self.metrics: Mapping[str, Metric] = MappingProxyType(by_name)
        self.unreadable: Mapping[str, str] = MappingProxyType(dict(unreadable))
        self._local = threading.local()

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
        metrics = [metric for metric in self.metrics.values() if metric.entity == entity]
        if not metrics or not rows.num_rows:
            return CellDeltas.none()
        if rows.schema.field("slot").type != pa.uint16():
            raise TypeError("rows are not in EVENT_EFFECTS columns")
        batch = Batch(self._connection(), rows, metrics, taken_back=taken_back)
        cells, rollups = [CELL_DELTAS.empty_table()], [ROLLUP_DELTAS.empty_table()]
        for metric in metrics:
            series = series_id(metric.name, source, stream)
            dirty = taken_back and not metric.measure.retractable
            changes = batch.changes(metric)
            cells.append(_cells(series, batch.refs, rows, changes, dirty=dirty))
            if metric.rollup:
                rollups += [rolled_up(metric, series, changes, grain, dirty=dirty) for grain in metric.grains()]
        return CellDeltas(
            tuple(
                Series(
                    series_id(metric.name, source, stream),
                    metric.name,
                    source,
                    stream,
                    metric.measure,
                    metric.bucket.length,
                    grace,
                )
                for metric in metrics
            ),
            pa.concat_tables(cells),
            pa.concat_tables(rollups),
            taken_back,
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
