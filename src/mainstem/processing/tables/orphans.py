"""What records wait for, kept with them for ever: a rebuild has to find that they waited, whatever is known by then."""

from __future__ import annotations

import pyarrow as pa

from mainstem.model import Place, Span
from mainstem.processing.quarantine import quarantine_id
from mainstem.processing.tables.binary_copy import copy_rows
from mainstem.store import Connection

__all__ = ["settle_orphans", "write_orphans"]

_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_orphan (
    id uuid, position bigint, index integer, rule text COLLATE "C", entity text COLLATE "C", ref uuid, until timestamptz,
    alone boolean
) ON COMMIT DELETE ROWS
"""


def write_orphans(conn: Connection, span: Span, rows: pa.Table) -> None:
    """Keep what records of a span wait for (columns of `orphans.ORPHANS`), after they were kept themselves."""
    if not rows.num_rows:
        return
    places = zip(rows["position"].to_pylist(), rows["index"].to_pylist(), strict=True)
    ids = [quarantine_id(Place(span.epoch, span.partition, span.lane, *place)).bytes for place in places]
    conn.execute(_INCOMING)
    names = ("position", "rule", "entity", "ref", "until", "alone")
    columns = {"id": pa.array(ids, pa.binary(16)), "index": rows["index"].cast(pa.int32())}
    copy_rows(conn, "incoming_orphan", {**columns, **{name: rows[name] for name in names}})
    # A rebuild may have met the decision about a record before the record.
    conn.execute(
        """
        INSERT INTO orphan (id, epoch, partition, lane, position, index, rule, entity, ref, until, alone, open)
        SELECT i.id, %s, %s, %s, i.position, i.index, i.rule, i.entity, i.ref, i.until, i.alone,
            q.state IN ('quarantined', 'held')
        FROM incoming_orphan AS i JOIN quarantine AS q USING (id) ORDER BY i.id, i.rule
        """,
        [span.epoch, span.partition, int(span.lane)],
    )


def settle_orphans(conn: Connection) -> None:
    """Have nothing wait any more for records that `decided_quarantine` lets take effect or gives up."""
    conn.execute(
        """
        UPDATE orphan AS o SET open = false FROM decided_quarantine AS d
        WHERE d.id = o.id AND d.state IN ('fixed', 'dismissed') AND o.open
        """
    )
