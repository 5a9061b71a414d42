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
    summed = warnings.group_by(list(names[:-1])).aggregate([("n", "sum")]).rename_columns([*names])
    rows = summed.sort_by([(name, "ascending") for name in ("source", "stream", "rule", "day")])
    conn.execute(
        """
        INSERT INTO rule_warning AS w (epoch, partition, source, stream, rule, field, day, n)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::date[], %s::bigint[])
        ON CONFLICT (epoch, partition, source, stream, rule, day) DO UPDATE SET n = w.n + excluded.n, field = excluded.field
        """,
        [span.epoch, span.partition, *(rows[name].to_pylist() for name in names)],
    )
