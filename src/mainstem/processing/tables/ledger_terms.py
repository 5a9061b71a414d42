"""What the sink writes beside the effects: the ledger's terms, and what was heard of each stream."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from mainstem.model import Span
from mainstem.store import Connection

__all__ = ["StreamTime", "Term", "Terms", "write_stream_clocks", "write_terms"]

Term = Literal["accepted", "duplicate", "quarantined", "held", "discarded"]

Terms = Counter[tuple[str, str, dt.date, Term]]
"""Changes of the ledger by (source, stream, received day, term)."""

StreamTime = tuple[dt.datetime | None, dt.datetime]
"""When a stream's latest event occurred, and when its latest record was received."""


def write_terms(conn: Connection, span: Span, terms: Terms) -> None:
    """Add to the ledger, inside the sink's transaction."""
    lines = sorted((line, n) for line, n in terms.items() if n)
    if not lines:
        return
    conn.execute(
        """
        INSERT INTO ledger AS l (epoch, partition, source, stream, day, term, n)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::date[], %s::text[], %s::bigint[])
        ON CONFLICT (epoch, partition, source, stream, day, term) DO UPDATE SET n = l.n + excluded.n
        """,
        [
            span.epoch,
            span.partition,
            [source for (source, _, _, _), _ in lines],
            [stream for (_, stream, _, _), _ in lines],
            [day for (_, _, day, _), _ in lines],
            [term for (_, _, _, term), _ in lines],
            [n for _, n in lines],
        ],
    )


def write_stream_clocks(conn: Connection, span: Span, times: Mapping[tuple[str, str], StreamTime]) -> None:
    """Move on what streams were heard of, inside the sink's transaction; never back."""
    if not times:
        return
    lines = sorted(times)
    conn.execute(
        """
        INSERT INTO stream_clock AS c (epoch, partition, source, stream, last_occurred_at, last_received_at)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
        ON CONFLICT (epoch, partition, source, stream) DO UPDATE SET
            last_occurred_at = greatest(c.last_occurred_at, excluded.last_occurred_at),
            last_received_at = greatest(c.last_received_at, excluded.last_received_at)
        """,
        [
            span.epoch,
            span.partition,
            [source for source, _ in lines],
            [stream for _, stream in lines],
            [times[line][0] for line in lines],
            [times[line][1] for line in lines],
        ],
    )
