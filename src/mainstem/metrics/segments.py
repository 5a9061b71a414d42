"""Sums over the customers of each segment, so that a segment's year is read as quickly as a customer's.

They are computed a little after the fact, and always a whole day anew: the days whose sums over all customers changed, and
all days of customers that came to another segment. Nothing is added to what was, so nothing can drift.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mainstem.metrics.definition import Granularity, Measure
from mainstem.metrics.state import merge_distinct
from mainstem.model.sketch import REGISTERS
from mainstem.store import Connection, Database

__all__ = ["SegmentRollups"]

_BOUND = REGISTERS // 12
# Any number nobody else uses.
_LOCK = int.from_bytes(b"segments") >> 1

_MEMBERS = """
    SELECT DISTINCT ON (customer) customer AS ref, attributes ->> 'segment' AS segment FROM entity
    WHERE entity = 'customer' AND NOT deleted AND customer IS NOT NULL AND attributes ->> 'segment' IS NOT NULL
    ORDER BY customer, entity.ref
    """
_MOVED = f"""
    SELECT coalesce(now.ref, before.ref), now.segment FROM ({_MEMBERS}) AS now
    FULL JOIN segment_member AS before USING (ref)
    WHERE now.segment IS DISTINCT FROM before.segment
    """
_CELLS = f"""
    FROM cell
    JOIN ({_MEMBERS}) AS member ON member.ref = cell.ref
    JOIN unnest(%(series)s::bigint[], %(days)s::timestamptz[]) AS changed (series, day)
      ON changed.series = cell.series AND changed.day = date_trunc('day', cell.bucket)
    WHERE cell.bucket >= %(from)s AND cell.bucket < %(to)s
    """

Days = dict[dt.datetime, set[tuple[int, dt.datetime]]]
"""By month: (series, day)."""


class SegmentRollups:
    """Keeps sums by segment; any number of processes may, one at a time does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refresh(self) -> float:
        """Bring all segments up to date; how many seconds that took. Raises StorageFullError or UnavailableError."""
        started = time.monotonic()
        with self._database.transaction() as conn:
            [(free,)] = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]).fetchall()
            if free:
                with self._database.snapshot() as snapshot:
                    _refresh(conn, snapshot)
        return time.monotonic() - started


def _refresh(conn: Connection, snapshot: Connection) -> None:
    """Read in one moment, write in another: a day that changed in between stays marked as stale."""
    moved = snapshot.execute(_MOVED).fetchall()
    if not moved and not snapshot.execute("SELECT FROM segment_member LIMIT 1").fetchall():
        return
    stale = snapshot.execute(
        "SELECT series, bucket, shard, xmin::text FROM rollup WHERE stale AND grain = 'day'"
    ).fetchall()
    changed: Days = defaultdict(set)
    for series, day, _, _ in stale:
        changed[Granularity.MONTH.floor(day)].add((series, day))
    for series, day in _days_of(snapshot, [ref for ref, _ in moved]):
        changed[Granularity.MONTH.floor(day)].add((series, day))
    measures: dict[int, str] = dict(snapshot.execute("SELECT series, measure FROM series").fetchall())
    for month in sorted(changed):
        _recompute(conn, snapshot, month, sorted(changed[month]), measures)
    _write_members(conn, moved)
    conn.execute(
        """
        UPDATE rollup SET stale = false
        FROM unnest(%s::bigint[], %s::timestamptz[], %s::smallint[], %s::text[]) AS seen (series, bucket, shard, mark)
        WHERE rollup.series = seen.series AND rollup.grain = 'day' AND rollup.bucket = seen.bucket
          AND rollup.shard = seen.shard AND rollup.xmin::text = seen.mark
        """,
        [list(column) for column in zip(*stale, strict=True)] or [[], [], [], []],
    )


def _days_of(snapshot: Connection, refs: Sequence[uuid.UUID]) -> list[tuple[int, dt.datetime]]:
    if not refs:
        return []
    return snapshot.execute(
        """
        SELECT DISTINCT cell.series, date_trunc('day', cell.bucket) FROM cell
        WHERE cell.ref = ANY(%s) AND EXISTS (SELECT FROM rollup WHERE rollup.series = cell.series)
        """,
        [list(refs)],
    ).fetchall()


def _recompute(
    conn: Connection,
    snapshot: Connection,
    month: dt.datetime,
    days: Sequence[tuple[int, dt.datetime]],
    measures: dict[int, str],
) -> None:
    """The sums of some days of a month."""
    for additive in (True, False):
        some = [one for one in days if Measure(measures[one[0]]).additive == additive]
        if not some:
            continue
        parameters = {
            "series": [series for series, _ in some],
            "days": [day for _, day in some],
            "from": month,
            "to": Granularity.MONTH.after(month),
        }
        conn.execute(
            """
            DELETE FROM segment_rollup USING unnest(%(series)s::bigint[], %(days)s::timestamptz[]) AS gone (series, day)
            WHERE segment_rollup.series = gone.series AND segment_rollup.bucket = gone.day
            """,
            parameters,
        )
        if additive:
            rows = snapshot.execute(
                f"""
                SELECT cell.series, member.segment, changed.day, sum(cell.value), NULL {_CELLS}
                GROUP BY cell.series, member.segment, changed.day
                """,
                parameters,
            ).fetchall()
        else:
            rows = _united(snapshot, parameters, measures)
        conn.execute(
            """
            INSERT INTO segment_rollup (series, segment, bucket, value, state)
            SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::numeric[], %s::bytea[])
            """,
            [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []],
        )


def _united(
    snapshot: Connection, parameters: dict[str, object], measures: dict[int, str]
) -> list[tuple[int, str, dt.datetime, int, bytes]]:
    """States of days and segments: the sets of all customers together, the least or greatest of the others."""
    rows = snapshot.execute(
        f"SELECT cell.series, member.segment, changed.day, cell.state {_CELLS} AND cell.state IS NOT NULL",
        parameters,
        binary=True,
    ).fetchall()
    by_key: dict[tuple[int, str, dt.datetime], list[bytes]] = defaultdict(list)
    for series, segment, day, state in rows:
        by_key[series, segment, day].append(state)
    sets = [key for key in by_key if Measure(measures[key[0]]) is Measure.DISTINCT]
    groups = np.repeat(np.arange(len(sets)), [len(by_key[key]) for key in sets])
    states = pa.array([state for key in sets for state in by_key[key]], pa.binary())
    merged = merge_distinct(groups, states, len(sets), _BOUND)
    found = [(*key, int(merged.counts[place]), merged.states[place].as_py()) for place, key in enumerate(sets)]
    for key, states in by_key.items():
        measure = Measure(measures[key[0]])
        if measure is not Measure.DISTINCT:
            pick = max if measure in {Measure.MAX, Measure.LAST} else min
            found.append((*key, 0, pick(states)))
    return found


def _write_members(conn: Connection, moved: Sequence[tuple[uuid.UUID, str | None]]) -> None:
    gone = [ref for ref, segment in moved if segment is None]
    here = [(ref, segment) for ref, segment in moved if segment is not None]
    if gone:
        conn.execute("DELETE FROM segment_member WHERE ref = ANY(%s)", [gone])
    if here:
        conn.execute(
            """
            INSERT INTO segment_member (ref, segment) SELECT * FROM unnest(%s::uuid[], %s::text[])
            ON CONFLICT (ref) DO UPDATE SET segment = EXCLUDED.segment
            """,
            [[ref for ref, _ in here], [segment for _, segment in here]],
        )
