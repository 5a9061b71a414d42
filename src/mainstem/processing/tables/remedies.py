"""How many copies a remedy changed or marked a value of: counted where they were checked, repeats included."""

from __future__ import annotations

import pyarrow as pa

from mainstem.model import Span
from mainstem.store import Connection

__all__ = ["write_remedies"]


def write_remedies(conn: Connection, span: Span, remedies: pa.Table) -> None:
    """Add up what a span's remedies did (`effects.REMEDY_EFFECTS` columns), inside the sink's transaction."""
    if not remedies.num_rows:
        return
    names = ("source", "stream", "field", "remedy", "day", "n")
    conn.execute(
        """
        INSERT INTO remedy_count AS r (epoch, partition, source, stream, field, remedy, day, n)
        SELECT %s, %s, source, stream, field, remedy, day, sum(n)::bigint
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::date[], %s::bigint[])
            AS told (source, stream, field, remedy, day, n)
        GROUP BY source, stream, field, remedy, day ORDER BY source, stream, field, remedy, day
        ON CONFLICT (source, stream, day, field, remedy, epoch, partition) DO UPDATE SET n = r.n + excluded.n
        """,
        [span.epoch, span.partition, *(remedies[name].to_pylist() for name in names)],
    )
