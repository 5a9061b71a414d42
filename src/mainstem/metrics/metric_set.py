"""Metrics compiled: a batch of events in, the changes of their cells out."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.metrics.definition import HOUR, Measure, Metric, Series, series_id
from mainstem.metrics.deltas import CELL_DELTAS, ROLLUP_DELTAS, CellDeltas
from mainstem.metrics.rolling_up import rolled_up
from mainstem.metrics.state import encode_distinct, encode_edges, encode_extremes
from mainstem.model import SHARDS

__all__ = ["MetricSet"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_DECIMAL = pa.decimal128(38, 9)
_NO_HASH = "'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'::BLOB"
_GREATER = {Measure.MAX, Measure.LAST}

Ints = npt.NDArray[np.int64]


class MetricSet:
    """The metrics in force. Immutable; safe to share between threads (each has its own DuckDB)."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        by_name: dict[str, Metric] = {}
        for metric in metrics:
            if metric.name in by_name:
                raise ConfigurationError(f"There are two metrics {metric.name!r}.", hint="Give one another name.")
            by_name[metric.name] = metric
        self.metrics: Mapping[str, Metric] = MappingProxyType(by_name)
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
        connection = self._connection()
        connection.register("events", _needed(rows))
        try:
            batch = _Batch(connection, source, stream, taken_back=taken_back)
            changes = [(metric, *batch.changes(metric)) for metric in metrics]
        finally:
            connection.unregister("events")
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
            pa.concat_tables([CELL_DELTAS.empty_table(), *(cells for _, cells, _ in changes)]),
            pa.concat_tables(
                [
                    ROLLUP_DELTAS.empty_table(),
                    *(
                        rolled_up(metric, cells, shards, grain)
                        for metric, cells, shards in changes
                        if metric.rollup and cells.num_rows
                        for grain in metric.grains()
                    ),
                ]
            ),
            taken_back,
        )

    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect()
        return connection


def _needed(rows: pa.Table) -> pa.Table:
    """The rows with the columns that conditions and measures may speak of, times also as plain numbers."""
    if rows.schema.field("slot").type != pa.uint16():
        raise TypeError("rows are not in EVENT_EFFECTS columns")
    shard = pc.bit_wise_and(rows["slot"], pa.scalar(SHARDS - 1, pa.uint16())).cast(pa.int16())
    names = (
        "received_at",
        "record_hash",
        "customer",
        "person",
        "event",
        "object",
        "quantity",
        "properties",
        "occurred_at",
    )
    table = rows.select(names)
    return table.append_column("shard", shard).append_column("us", rows["occurred_at"].cast(pa.int64()))


class _Batch:
    """One batch registered as `events`, aggregated metric by metric."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, stream: str, *, taken_back: bool) -> None:
        self._connection = connection
        self._source = source
        self._stream = stream
        self._taken_back = taken_back

    def changes(self, metric: Metric) -> tuple[pa.Table, pa.Array]:
        """The changes of a metric's cells, and the shard each customer's sums over customers go to.

        A customer whose events lie in several slots (the stream's partition key is another) goes to one of them: all
        slots of a batch belong to one partition, and so all their shards to one writer.
        """
        if metric.measure is Measure.DISTINCT:
            grouped, states = self._distinct(metric)
            values = pa.array(np.zeros(len(states), np.int64)).cast(_DECIMAL)
        elif metric.measure.additive:
            grouped = self._additive(metric)
            values, states = grouped["value"].combine_chunks(), pa.nulls(grouped.num_rows, pa.binary())
        else:
            grouped = self._ordered(metric)
            values, states = _encoded(metric, grouped)
        return self._table(metric, grouped, values, states), grouped["shard"].combine_chunks()

    def _additive(self, metric: Metric) -> pa.Table:
        if metric.measure is Measure.COUNT:
            value, present = "count(*)", "true"
        else:
            value, present = f"sum({metric.value})", f"{metric.value} IS NOT NULL"
        sign = "-" if self._taken_back else ""
        return self._grouped(metric, f"CAST({sign}{value} AS DECIMAL(38, 9)) AS value", present)

    def _ordered(self, metric: Metric) -> pa.Table:
        pick = "max" if metric.measure in _GREATER else "min"
        tie = f"coalesce(record_hash, {_NO_HASH})"
        if metric.measure in {Measure.MIN, Measure.MAX}:
            key = f"{{'value': {metric.value}, 'at': us, 'tie': {tie}}}"
        else:
            key = f"{{'at': us, 'tie': {tie}, 'value': {metric.value}}}"
        return self._grouped(metric, f"{pick}({key}) AS best", f"{metric.value} IS NOT NULL")

    def _grouped(self, metric: Metric, aggregate: str, present: str) -> pa.Table:
        return self._connection.execute(
            f"""
            SELECT customer, {_bucket(metric)} AS bucket, {aggregate}, min(us) AS first_at, max(us) AS last_at,
                   min(shard) AS shard
            FROM events WHERE {_where(metric, present)} GROUP BY customer, bucket ORDER BY customer, bucket
            """
        ).to_arrow_table()

    def _distinct(self, metric: Metric) -> tuple[pa.Table, pa.Array]:
        """The groups, and the set of each."""
        # Persons are keyed hashes already; the hash of anything else is computed once for each value of a group.
        digest = "value[1:8]" if metric.value == "person" else "unhex(left(sha256(value::VARCHAR), 16))"
        entries = self._connection.execute(
            f"""
            SELECT customer, bucket, {digest} AS hash, n, first_at, last_at, shard FROM (
                SELECT customer, {_bucket(metric)} AS bucket, {metric.value} AS value, count(*) AS n,
                       min(us) AS first_at, max(us) AS last_at, min(shard) AS shard
                FROM events WHERE {_where(metric, f"{metric.value} IS NOT NULL")} GROUP BY customer, bucket, value
            ) ORDER BY customer, bucket
            """
        ).to_arrow_table()
        if not entries.num_rows:
            return entries, pa.array([], pa.binary())
        fresh = _group_starts(entries)
        starts = np.flatnonzero(fresh)
        sign = -1 if self._taken_back else 1
        states = encode_distinct(
            np.cumsum(fresh) - 1, _hashes(entries["hash"]), sign * entries["n"].to_numpy(), len(starts)
        )
        groups = entries.select(["customer", "bucket"]).take(pa.array(starts))
        for name, reduce in (("first_at", np.minimum), ("last_at", np.maximum), ("shard", np.minimum)):
            groups = groups.append_column(name, pa.array(reduce.reduceat(entries[name].to_numpy(), starts)))
        return groups, pa.array(states, pa.binary())

    def _table(self, metric: Metric, grouped: pa.Table, values: pa.Array, states: pa.Array) -> pa.Table:
        size = grouped.num_rows
        return pa.table(
            {
                "ref": grouped["customer"].cast(pa.binary(16)),
                "series": pa.array(np.full(size, series_id(metric.name, self._source, self._stream))),
                "bucket": grouped["bucket"].cast(_TIMESTAMP),
                "value": values,
                "state": states,
                "first_at": grouped["first_at"].cast(_TIMESTAMP),
                "last_at": grouped["last_at"].cast(_TIMESTAMP),
                "dirty": pa.array(np.full(size, self._taken_back and not metric.measure.retractable)),
            },
            schema=CELL_DELTAS,
        )


def _where(metric: Metric, present: str) -> str:
    """Which events of the batch a metric measures."""
    conditions = [present]
    if metric.condition is not None:
        conditions.append(f"({metric.condition})")
    if metric.since is not None:
        conditions.append(f"received_at >= TIMESTAMPTZ '{metric.since.isoformat()}'")
    return " AND ".join(conditions)


def _bucket(metric: Metric) -> str:
    """The begin of the bucket that `us` lies in, in microseconds."""
    # The remainder is made positive so that times before 1970 round down too.
    length = int(metric.bucket.length / dt.timedelta(microseconds=1))
    return f"us - ((us % {length}) + {length}) % {length}"


def _encoded(metric: Metric, grouped: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The numbers measured (0 for what is none) and the states of a min, max, first or last."""
    best = grouped["best"].combine_chunks()
    at, ties, values = best.field("at").to_numpy(), best.field("tie").cast(pa.binary(16)), best.field("value")
    if metric.measure in {Measure.MIN, Measure.MAX}:
        return values, encode_extremes(metric.measure, values, at, ties)
    states = encode_edges(metric.measure, values, at, ties)
    if pa.types.is_decimal(values.type):
        return values, states
    return pa.array(np.zeros(len(states), np.int64)).cast(_DECIMAL), states


def _group_starts(entries: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether a row, in order of customer and bucket, is the first of its group."""
    buckets = entries["bucket"].to_numpy()
    owners = entries["customer"].combine_chunks()
    other = pc.not_equal(owners[1:], owners[:-1]).to_numpy(zero_copy_only=False)
    return np.concatenate([[True], other | (buckets[1:] != buckets[:-1])])


def _hashes(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Blobs of 8 bytes as numbers."""
    data = column.combine_chunks().cast(pa.binary(8))
    return np.frombuffer(data.buffers()[1], ">u8", count=len(data), offset=8 * data.offset).astype(np.uint64)
