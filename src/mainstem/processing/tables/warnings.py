"""How many copies failed a limit or rule that lets them through: counted where they were checked, repeats included."""

from __future__ import annotations

import pyarrow as pa

from mainstem.model import Span
from mainstem.store import Connection

__all__ = ["write_warnings"]


def write_warnings(conn: Connection, span: Span, warnings: pa.Table) -> None:
    """Add up a span's warnings (`effects.WARNING_EFFECTS` columns), inside the sink's transaction."""
    if not warnings.num_rows:
        return
    names = ("source", "stream", "rule", "field", "day", "n")
    # A rule that moved to another field in a later version of the contract is one rule: its versions may meet in a span.
    conn.execute(
        """
        INSERT INTO rule_warning AS w (epoch, partition, source, stream, rule, field, day, n)
        SELECT %s, %s, source, stream, rule, min(field), day, sum(n)::bigint
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::date[], %s::bigint[])
            AS told (source, stream, rule, field, day, n)
        GROUP BY source, stream, rule, day ORDER BY source, stream, rule, day
        ON CONFLICT (epoch, partition, source, stream, rule, day)
        DO UPDATE SET n = w.n + excluded.n, field = least(w.field, excluded.field)
        """,
        [span.epoch, span.partition, *(warnings[name].to_pylist() for name in names)],
    )
