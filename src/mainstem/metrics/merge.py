"""Deltas into cells and tracks, inside the sink's transaction.

One COPY brings all changes to a temporary table, then one sorted upsert a way of merging applies them. Mostly a cell has
one writer at a time (one owner a partition); where partitions share customers it has several, and nothing is lost: sums
are added by PostgreSQL, states are read under a row lock. All writers lock in the same order, so that none waits in a
circle; one that has to go through a table twice does so while nobody else merges (`begin_merge`).

A cell whose bucket is closed (its end and the stream's grace lie before the sink's data clock) and that was known before
keeps what it was: the change appends a correction.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from mainstem.errors import UnavailableError
from mainstem.metrics.definition import Measure, Series
from mainstem.metrics.deltas import CELL_DELTAS, CellDeltas
from mainstem.metrics.journey import MOST_MOMENTS
from mainstem.metrics.state import DISTINCT_BOUND, merge_distinct
from mainstem.metrics.transfer import copy_in
from mainstem.model import Span
from mainstem.model.sketch import REGISTERS
from mainstem.store import Connection, Database, ensure_partitions

__all__ = ["begin_merge", "merge_cells", "prepare_cells", "register_series", "touch_customers"]


class _Way(enum.IntEnum):
    """How rows merge; the order is that of the statements, and so of the locks."""

    ADD = 1
    LEAST = 2
    GREATEST = 3
    DISTINCT = 4
    SET_KNOWN = 5
    SET_NEW = 6


_BARE = (_Way.ADD, _Way.DISTINCT)
_PICKED = (_Way.LEAST, _Way.GREATEST)
_MOST_BYTES = 32_000_000
_serials = itertools.count()
# Any number nobody else uses, together with the fold's.
_TURN = int.from_bytes(b"cell") >> 1

_WAYS = {
    Measure.COUNT: _Way.ADD,
    Measure.SUM: _Way.ADD,
    Measure.MIN: _Way.LEAST,
    Measure.FIRST: _Way.LEAST,
    Measure.MAX: _Way.GREATEST,
    Measure.LAST: _Way.GREATEST,
    Measure.DISTINCT: _Way.DISTINCT,
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Moment:
    """When and why a merge happens, as statements take it."""

    known_at: dt.datetime
    data_now: dt.datetime
    span: str
    """What the places of its records begin with."""
    cause: str | None
    taken_back: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Target:
    """A table of cells, and how its statements differ."""

    table: str
    keys: tuple[str, ...]
    historic: bool
    """Whether it keeps corrections, and the times beside them."""
    bound: int
    """Different values that a distinct count holds exactly."""
    later: str
    """What else a change of a row sets."""

    @property
    def staging(self) -> str:
        return f"{self.table}_delta"

    def fill(self, template: str, parts: dict[str, sql.Composable] | None = None) -> sql.Composed:
        """A statement with `{table}`, `{staging}`, `{keys}`, ... put in."""
        return sql.SQL(template).format(
            table=sql.Identifier(self.table),
            staging=sql.Identifier(self.staging),
            keys=sql.SQL(", ").join(map(sql.Identifier, self.keys)),
            times=sql.SQL("first_known_at, changed_at, last_at, closed,") if self.historic else sql.SQL(""),
            values=sql.SQL("%(known_at)s, %(known_at)s, last_at, closed,") if self.historic else sql.SQL(""),
            later=sql.SQL(self.later),
            stale=sql.SQL(_STALE) if self.historic else sql.SQL("false"),
            match=sql.SQL(" AND ").join(
                sql.SQL("{0}.{2} = {1}.{2}").format(
                    sql.Identifier(self.table), sql.Identifier("delta"), sql.Identifier(key)
                )
                for key in self.keys
            ),
            **(parts or {}),
        )


# A set of this size is as large as the sketch that takes its place; there are few of them, and they are read often.
_ROLLUP_BOUND = REGISTERS // 12

_LATER = """
    changed_at = EXCLUDED.changed_at, closed = EXCLUDED.closed, last_at = greatest(cell.last_at, EXCLUDED.last_at),
"""
# The newest event of the cell was taken back, and which one is newest now is not known here.
_STALE = "(%(taken_back)s AND EXCLUDED.last_at >= cell.last_at)"

_CELL = _Target("cell", ("ref", "series", "bucket"), historic=True, bound=DISTINCT_BOUND, later=_LATER)
_ROLLUP = _Target(
    "rollup", ("series", "grain", "bucket", "shard"), historic=False, bound=_ROLLUP_BOUND, later="stale = true,"
)
_TRACK = _Target("track", ("series", "bucket", "ref"), historic=False, bound=MOST_MOMENTS, later="")

_STAGING = {
    "cell": """
        CREATE TEMPORARY TABLE cell_delta (way bigint, ref uuid, series bigint, bucket timestamptz, value numeric,
            state bytea, last_at timestamptz, closed boolean, dirty boolean, position bigint, index integer)
        """,
    "rollup": """
        CREATE TEMPORARY TABLE rollup_delta (way bigint, series bigint, grain text COLLATE "C", bucket timestamptz,
            shard smallint, value numeric, state bytea, dirty boolean)
        """,
    "track": """
        CREATE TEMPORARY TABLE track_delta (way bigint, series bigint, bucket timestamptz, ref uuid, value numeric,
            state bytea, dirty boolean)
        """,
}
# Hashes do not compress, and few states are anything else: what fits into a page is not to be tried.
_STAGED = """
    {make} WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS;
    ALTER TABLE {staging} ALTER COLUMN state SET STORAGE EXTERNAL
    """

_ADD = """
    INSERT INTO {table} ({keys}, {times} dirty, value)
    SELECT {keys}, {values} dirty, trim_scale(value) FROM {staging} WHERE way = %(way)s ORDER BY {keys}
    ON CONFLICT ({keys}) DO UPDATE SET {later}
        value = trim_scale({table}.value + EXCLUDED.value),
        dirty = {table}.dirty OR EXCLUDED.dirty OR {stale}
    """
# A cell that this merge made has first_known_at = known_at; any other was known before, and is corrected.
_ADD_CORRECTING = """
    WITH changed AS ({add} RETURNING ref, series, bucket, value, first_known_at)
    INSERT INTO correction (known_at, ref, series, bucket, old_value, new_value, cause, place)
    SELECT %(known_at)s, changed.ref, changed.series, changed.bucket, trim_scale(changed.value - delta.value),
           changed.value, %(cause)s, concat_ws('-', %(span)s::text, delta.position, delta.index)
    FROM changed JOIN cell_delta AS delta USING (ref, series, bucket)
    WHERE changed.first_known_at <> %(known_at)s AND delta.value <> 0 AND delta.closed AND delta.way = %(way)s
    """
# Here and below LIMIT keeps the planner from joining the whole table: the staging table has no statistics. Open cells are
# locked too, in their order: see `_Merge._closed`.
_CORRECT_STATE = """
    INSERT INTO correction (known_at, ref, series, bucket, old_value, new_value, old_state, new_state, cause, place)
    SELECT %(known_at)s, delta.ref, delta.series, delta.bucket, old.value, trim_scale(delta.value), old.state,
           delta.state, %(cause)s, concat_ws('-', %(span)s::text, delta.position, delta.index)
    FROM (SELECT * FROM cell_delta WHERE way = %(way)s {chosen} ORDER BY ref, series, bucket) AS delta
    CROSS JOIN LATERAL (
        SELECT value, state, first_known_at, delta.closed AS closed FROM cell
        WHERE cell.ref = delta.ref AND cell.series = delta.series AND cell.bucket = delta.bucket
        LIMIT 1 FOR UPDATE
    ) AS old
    WHERE old.closed AND old.first_known_at <> %(known_at)s AND {changed}
    """
_PICK = """
    INSERT INTO {table} ({keys}, {times} dirty, value, state)
    SELECT {keys}, {values} dirty, trim_scale(value), state FROM {staging} WHERE way = %(way)s ORDER BY {keys}
    ON CONFLICT ({keys}) DO UPDATE SET {later}
        value = CASE WHEN EXCLUDED.state {better} {table}.state THEN EXCLUDED.value ELSE {table}.value END,
        state = {pick}({table}.state, EXCLUDED.state),
        dirty = {table}.dirty OR EXCLUDED.dirty OR {stale}
    """
_READ_STATES = """
    SELECT delta.place, old.state
    FROM (SELECT {keys}, row_number() OVER (ORDER BY {keys}) - 1 AS place FROM {staging} WHERE way = %(way)s) AS delta
    CROSS JOIN LATERAL (SELECT state FROM {table} WHERE {match} LIMIT 1 FOR UPDATE) AS old
    ORDER BY delta.place
    """
_SET_KNOWN = """
    INSERT INTO {table} ({keys}, {times} dirty, value, state)
    SELECT {keys}, {values} dirty, trim_scale(value), state FROM {staging} WHERE way = %(way)s ORDER BY {keys}
    ON CONFLICT ({keys}) DO UPDATE SET {later}
        value = EXCLUDED.value, state = EXCLUDED.state, dirty = {table}.dirty OR EXCLUDED.dirty OR {stale}
    """
_SET_NEW = """
    INSERT INTO {table} ({keys}, {times} dirty, value, state)
    SELECT {keys}, {values} dirty, trim_scale(value), state FROM {staging} WHERE way = %(way)s ORDER BY {keys}
    ON CONFLICT ({keys}) DO NOTHING
    """
_TOUCH = """
    INSERT INTO touched (ref, since)
    SELECT ref, since FROM unnest(%(refs)s::uuid[], %(since)s::timestamptz[]) AS one (ref, since) ORDER BY ref
    ON CONFLICT (ref) DO UPDATE SET since = least(touched.since, EXCLUDED.since)
    """


def prepare_cells(database: Database, deltas: CellDeltas, known_at: dt.datetime) -> None:
    """Before the transaction: register the series and make the partitions that the merge will write to.

    Raises StorageFullError or UnavailableError; calling it again does no harm.
    """
    series = {one.id: one for part in deltas.layers() for one in part.series}
    if not series:
        return
    ensure_partitions(database, "cell", deltas.days())
    ensure_partitions(database, "correction", [known_at.date()])
    with database.autocommit() as connection:
        known = dict(
            connection.execute("SELECT series, grace FROM series WHERE series = ANY(%s)", [list(series)]).fetchall()
        )
        missing = [one for one in series.values() if known.get(one.id) != one.grace]
        if missing:
            register_series(connection, missing)


def register_series(connection: Connection, series: Sequence[Series]) -> None:
    """Have the series known by their ids; calling it again does no harm."""
    connection.execute(
        """
        INSERT INTO series (series, metric, source, stream, measure, bucket, grace)
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::interval[],
                             %s::interval[])
        ORDER BY 1 ON CONFLICT (series) DO UPDATE SET grace = EXCLUDED.grace
        """,
        [
            [one.id for one in series],
            [one.metric for one in series],
            [one.source for one in series],
            [one.stream for one in series],
            [one.measure.value for one in series],
            [one.bucket for one in series],
            [one.grace for one in series],
        ],
    )


def begin_merge(conn: Connection, *, alone: bool) -> None:
    """First in a transaction that merges, before it locks anything else.

    `alone`: it will come to the same tables more than once (two versions of a contract in one batch, a fixed record), so
    its locks are in no order, and it waits until nobody else merges in this fold. Raises UnavailableError.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    conn.execute(f"SELECT {lock}(%s, hashtext(current_schema()))", [_TURN])


def merge_cells(
    conn: Connection,
    deltas: CellDeltas,
    *,
    known_at: dt.datetime,
    data_now: dt.datetime,
    span: Span,
    cause: str | None,
) -> None:
    """Inside the sink's transaction, after `prepare_cells` and `begin_merge`: apply the deltas, keep corrections.

    `known_at` is when the change came to be known, `data_now` the data clock that decides what is closed, `span` where
    the records lie: a correction names the last of those that changed its cell. `cause` is late, decision or erasure; None keeps no corrections, for a rebuild, which restores them.
    Raises UnavailableError when another writer made one of the cells meanwhile: roll back and try again.
    """
    if not deltas.series:
        return
    for part in deltas.layers():
        moment = _Moment(known_at, data_now, _beginning(span), cause, part.taken_back)
        _Merge(conn, _CELL, moment, part.series).apply(part.cells)
        _Merge(conn, _ROLLUP, moment, part.series).apply(part.rollups)
        _Merge(conn, _TRACK, moment, part.series).apply(part.tracks)


def _beginning(span: Span) -> str:
    """What the places of the span's records have in common, as text."""
    return str(span.place(0, 0)).removesuffix("-0-0")


def touch_customers(
    conn: Connection,
    deltas: Iterable[CellDeltas],
    others: Iterable[bytes],
    since: dt.datetime,
    *,
    moved: Mapping[bytes, dt.date] = MappingProxyType({}),
) -> None:
    """Have customers scored anew: those whose cells changed, from the change on, and `others`, from `since` (data time) on.

    `moved` are those of whom a gauge moved, each with the first day (of UTC) on which it did.

    Once in a transaction, for all of them: so that two transactions lock them in the same order.
    """
    parts = [part.cells.select(["ref", "first_at"]) for several in deltas for part in several.layers()]
    changed = [CELL_DELTAS.empty_table().select(["ref", "first_at"]), *parts]
    earliest = pa.concat_tables(changed).group_by("ref").aggregate([("first_at", "min")])
    touched = dict(zip(earliest["ref"].to_pylist(), earliest["first_at_min"].to_pylist(), strict=True))
    for ref in (*others, *moved):
        touched[ref] = min(since, touched.get(ref, since))
    for ref, day in moved.items():
        touched[ref] = min(touched[ref], dt.datetime.combine(day, dt.time(), dt.UTC))
    if touched:
        refs = [uuid.UUID(bytes=ref) for ref in touched]
        conn.execute(_TOUCH, {"refs": refs, "since": list(touched.values())})


class _Merge:
    """One table's share of a merge."""

    def __init__(self, conn: Connection, target: _Target, moment: _Moment, series: Sequence[Series]) -> None:
        self._conn = conn
        self._target = target
        self._moment = moment
        self._series = {one.id: one for one in series}
        # The staging table is emptied by the commit only: rows of earlier merges in the transaction have other ways.
        self._serial = next(_serials) * 10
        self._corrects = target.historic and moment.cause is not None
        self._closed = False
        """Whether cells are changed that are closed and so corrected. What is closed for one writer may be open for another,
        whose data clock is a little behind: no statement locks one kind before the other."""

    def apply(self, changes: pa.Table) -> None:
        """Merge all rows, way by way."""
        if not changes.num_rows:
            return
        self._make_staging()
        changes = self._with_ways(changes)
        ways = {way - self._serial for way in pc.unique(changes["way"]).to_pylist()}
        # Numbers, and of sets the keys alone: what their states come to is not known yet.
        bare = changes.filter(pc.is_in(changes["way"], pa.array([self._serial + way for way in _BARE])))
        copy_in(self._conn, self._target.staging, bare.drop_columns(["state"]))
        picked = changes.filter(pc.is_in(changes["way"], pa.array([self._serial + way for way in _PICKED])))
        copy_in(self._conn, self._target.staging, picked)
        self._closed = self._corrects and bool(pc.any(changes["closed"]).as_py())
        if _Way.ADD in ways and self._closed:
            self._run(_ADD_CORRECTING, _Way.ADD, add=self._target.fill(_ADD))
        elif _Way.ADD in ways:
            self._run(_ADD, _Way.ADD)
        if _Way.LEAST in ways:
            self._pick(_Way.LEAST, "least", "<=")
        if _Way.GREATEST in ways:
            self._pick(_Way.GREATEST, "greatest", ">=")
        if _Way.DISTINCT in ways:
            self._distinct(changes.filter(pc.equal(changes["way"], self._serial + _Way.DISTINCT)))

    def _make_staging(self) -> None:
        [(there,)] = self._conn.execute("SELECT to_regclass(%s)", [f"pg_temp.{self._target.staging}"]).fetchall()
        if there is None:
            self._conn.execute(self._target.fill(_STAGED, {"make": sql.SQL(_STAGING[self._target.table])}))

    def _with_ways(self, changes: pa.Table) -> pa.Table:
        """The rows with how each merges and, for cells, whether its bucket is closed."""
        ids = changes["series"].to_numpy()
        known, rows = np.unique(ids, return_inverse=True)
        ways = np.array([_WAYS[self._series[int(one)].measure] for one in known], np.int64)[rows]
        if self._target.historic:
            edges = [
                self._moment.data_now - self._series[int(one)].bucket - self._series[int(one)].grace for one in known
            ]
            limits = np.array([np.datetime64(edge.astimezone(dt.UTC).replace(tzinfo=None), "us") for edge in edges])
            closed = changes["bucket"].to_numpy().astype("datetime64[us]") < limits[rows]
            changes = changes.append_column("closed", pa.array(closed))
            changes = changes.drop_columns(["first_at"])
        else:
            changes = changes.drop_columns([name for name in ("first_at", "last_at") if name in changes.column_names])
        return changes.append_column("way", pa.array(ways + self._serial))

    def _pick(self, way: _Way, pick: str, better: str) -> None:
        self._correct(way, sql.SQL(""), sql.SQL("{}(old.state, delta.state) <> old.state").format(sql.SQL(pick)))
        self._run(_PICK, way, pick=sql.SQL(pick), better=sql.SQL(better))

    def _distinct(self, changes: pa.Table) -> None:
        """Read the sets that are there under a lock, add the changes, write all of them back."""
        rows = self._conn.execute(
            self._target.fill(_READ_STATES), self._parameters(_Way.DISTINCT), binary=True
        ).fetchall()
        changes = changes.sort_by([(key, "ascending") for key in self._target.keys])
        known = np.array([place for place, _ in rows], np.int64)
        size = changes.num_rows
        weights = np.zeros(size, np.int64)
        weights[known] = [len(state) for _, state in rows]
        # Added up some at a time: that takes several times the memory of the sets themselves.
        shares = np.cumsum(weights) // _MOST_BYTES
        edges = [0, *(np.flatnonzero(np.diff(shares)) + 1).tolist(), size]
        for first, last in itertools.pairwise(edges):
            own = rows[slice(*np.searchsorted(known, (first, last)).tolist())]
            copy_in(self._conn, self._target.staging, self._added(changes.slice(first, last - first), first, own))
        if len(known):
            # Locked all, in their order, when they were read.
            self._correct(_Way.SET_KNOWN, sql.SQL("AND closed"), sql.SQL("old.value <> delta.value"))
            self._run(_SET_KNOWN, _Way.SET_KNOWN)
        if self._run(_SET_NEW, _Way.SET_NEW) != size - len(known):
            raise UnavailableError("Another writer made one of these cells.", retry_after=0.05)

    def _added(self, changes: pa.Table, first: int, rows: Sequence[tuple[int, bytes]]) -> pa.Table:
        """The changes with the sets that they come to; `rows` are those that are there, by place, from `first` on."""
        size = changes.num_rows
        known = np.array([place for place, _ in rows], np.int64) - first
        merged = merge_distinct(
            np.concatenate([np.arange(size), known]),
            pa.concat_arrays([*changes["state"].chunks, pa.array([state for _, state in rows], pa.binary())]),
            size,
            self._target.bound,
        )
        ways = np.full(size, self._serial + _Way.SET_NEW, np.int64)
        ways[known] = self._serial + _Way.SET_KNOWN
        for name, values in (
            ("state", merged.states),
            ("value", pa.array(merged.counts).cast(changes.schema.field("value").type)),
            ("way", pa.array(ways)),
            ("dirty", pa.array(changes["dirty"].to_numpy() | merged.damaged)),
        ):
            changes = changes.set_column(changes.column_names.index(name), name, values)
        return changes

    def _correct(self, way: _Way, chosen: sql.Composable, changed: sql.Composable) -> None:
        if self._closed:
            self._run(_CORRECT_STATE, way, chosen=chosen, changed=changed)

    def _run(self, template: str, way: _Way, **parts: sql.Composable) -> int:
        return self._conn.execute(self._target.fill(template, parts), self._parameters(way)).rowcount

    def _parameters(self, way: _Way) -> dict[str, object]:
        return {**dataclasses.asdict(self._moment), "way": self._serial + way}
