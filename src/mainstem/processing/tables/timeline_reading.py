"""Reading a customer's timeline, newest first: a few rows at a time, and a large one in slices."""

from __future__ import annotations

import datetime as dt
import heapq
import uuid
from collections.abc import Iterator

from mainstem.privacy import Sealer
from mainstem.processing.tables.timeline_body import (
    MOST_BYTES,
    Line,
    TimelineEvent,
    decode_lines,
    plain_lines,
    read_event,
)
from mainstem.store import Connection

__all__ = ["body_slices", "newest_events", "newest_lines"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_ROWS = 16
_SLICE = 1024 * 1024
# Rows are about half of this at most; what is more was written before they were bounded.
_AT_ONCE = 2 * MOST_BYTES


def newest_events(
    conn: Connection, ref: uuid.UUID, sealer: Sealer, *, until: dt.datetime, most: int
) -> list[tuple[str, str, TimelineEvent]]:
    """A customer's newest `most` events up to an instant, newest first, each with its source and stream.

    Rows are read until none that is left can hold a newer event. Raises IntegrityError or UnavailableError.
    """
    last = (until - _EPOCH) // _MICROSECOND
    found: list[tuple[str, str, Line]] = []
    for at, source, stream, slices in _rows(conn, ref):
        if len(found) == most and found[-1][2].us >= (at - _EPOCH) // _MICROSECOND:
            break
        lines = newest_lines(plain_lines(slices, ref.bytes, sealer), most, until=last)
        found = heapq.nlargest(most, [*found, *((source, stream, line) for line in lines)], key=lambda one: one[2].us)
    return [(source, stream, read_event(line)) for source, stream, line in found]


def newest_lines(lines: Iterator[bytes], most: int, *, until: int | None = None) -> list[Line]:
    """The newest `most` lines up to an instant (microseconds since 1970), newest first. Raises IntegrityError."""
    read = (line for line in decode_lines(lines) if until is None or line.us <= until)
    return heapq.nlargest(most, read, key=lambda line: line.us)


def body_slices(conn: Connection, ref: uuid.UUID, last_at: dt.datetime, number: int, size: int) -> Iterator[bytes]:
    """The body of one row, of `size` bytes, in slices; ends early where the row went meanwhile."""
    for first in range(1, size + 1, _SLICE):
        for (part,) in conn.execute(
            "SELECT substring(body FROM %s FOR %s) FROM timeline WHERE (ref, last_at, id) = (%s, %s, %s)",
            (first, _SLICE, ref, last_at, number),
        ).fetchall():
            yield part


def _rows(conn: Connection, ref: uuid.UUID) -> Iterator[tuple[dt.datetime, str, str, Iterator[bytes]]]:
    """Time of the newest event, source, stream and body, the newest row first."""
    after: tuple[dt.datetime, int] | None = None
    while True:
        rows = conn.execute(
            f"""
            SELECT last_at, id, source, stream, octet_length(body),
                CASE WHEN octet_length(body) <= %(at_once)s THEN body END
            FROM timeline WHERE ref = %(ref)s {"AND (last_at, id) < (%(at)s, %(id)s)" if after else ""}
            ORDER BY last_at DESC, id DESC LIMIT %(rows)s
            """,
            {"ref": ref, "at_once": _AT_ONCE, "rows": _ROWS, **dict(zip(("at", "id"), after or (), strict=False))},
        ).fetchall()
        for at, number, source, stream, size, body in rows:
            yield at, source, stream, body_slices(conn, ref, at, number, size) if body is None else iter([body])
            after = at, number
        if len(rows) < _ROWS:
            return
