"""What a cell held at an instant of knowledge: now, unless a correction since then says what it was before."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import uuid
from collections.abc import Mapping, Sequence

from mainstem.store import Connection, Database

__all__ = ["KNOWN_CELLS", "KNOWN_MOVEMENTS", "DirtyCell", "dirty_cells", "value_as_known"]

KNOWN_CELLS = """
    SELECT cell.ref, cell.series, cell.bucket, coalesce(old.old_value, cell.value) AS value,
           CASE WHEN old.id IS NULL THEN cell.state ELSE old.old_state END AS state
    FROM cell
    LEFT JOIN LATERAL (
        SELECT id, old_value, old_state FROM correction
        WHERE correction.ref = cell.ref AND correction.series = cell.series AND correction.bucket = cell.bucket
          AND correction.known_at > %(known_at)s
        ORDER BY correction.known_at, correction.id LIMIT 1
    ) AS old ON true
    WHERE cell.first_known_at <= %(known_at)s
    """
"""Cells as they were known at `known_at`; conditions on `cell` may be added with AND.

What a cell held before its bucket closed is not kept: at an instant before that, this is its value at closing.
"""


KNOWN_MOVEMENTS = """
    SELECT moved.ref, moved.series, moved.day, coalesce(old.old_value, moved.value) AS value
    FROM gauge_change AS moved
    LEFT JOIN LATERAL (
        SELECT old_value FROM correction
        WHERE correction.ref = moved.ref AND correction.series = moved.series
          AND correction.bucket = moved.day::timestamp AT TIME ZONE 'UTC' AND correction.known_at > %(known_at)s
        ORDER BY correction.known_at, correction.id LIMIT 1
    ) AS old ON true
    WHERE moved.first_known_at <= %(known_at)s
    """
"""By how much gauges moved on each day, as it was known at `known_at`; conditions on `moved` may be added with AND."""


@dataclasses.dataclass(frozen=True, slots=True)
class DirtyCell:
    """A cell that something was taken back from which its measure cannot give: to be computed from its records."""

    ref: bytes
    series: int
    bucket: dt.datetime


def value_as_known(
    conn: Connection, ref: bytes, series: int, buckets: Sequence[dt.datetime], known_at: dt.datetime
) -> Mapping[dt.datetime, decimal.Decimal]:
    """The values of cells as they were known at an instant of wall time; a cell not yet known then is absent."""
    rows = conn.execute(
        KNOWN_CELLS + "AND cell.ref = %(ref)s AND cell.series = %(series)s AND cell.bucket = ANY(%(buckets)s)",
        {"ref": uuid.UUID(bytes=ref), "series": series, "buckets": list(buckets), "known_at": known_at},
    ).fetchall()
    return {bucket: value for _, _, bucket, value, _ in rows}


def dirty_cells(database: Database, limit: int) -> list[DirtyCell]:
    """Cells to be computed anew from their records in the lake, at most `limit`. Raises UnavailableError."""
    with database.snapshot() as conn:
        rows = conn.execute(
            "SELECT ref, series, bucket FROM cell WHERE dirty ORDER BY series, bucket, ref LIMIT %s", [limit]
        ).fetchall()
    return [DirtyCell(ref.bytes, series, bucket) for ref, series, bucket in rows]
