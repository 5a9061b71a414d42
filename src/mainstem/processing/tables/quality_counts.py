"""What the checks found: added up where it was counted, so that a span that is committed again adds nothing."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.model import Span
from mainstem.quality import StreamCounts, joined
from mainstem.store import Connection

__all__ = ["write_quality"]

_RECORD = ("records", "incomplete", "invalid", "inconsistent", "timed", "late")
_FIELD = ("field_checked", "field_missing", "field_invalid", "field_inconsistent")


def write_quality(conn: Connection, span: Span, counts: Sequence[StreamCounts]) -> None:
    """Add a span's counts, inside the sink's transaction: one row a stream, contract version and received day."""
    names = ("source", "stream", "contract_version", "day", "fields", *_RECORD, *_FIELD)
    sums = ", ".join([*(f"{name} = q.{name} + excluded.{name}" for name in _RECORD), *map(_added, _FIELD)])
    for one in joined(counts):
        conn.execute(
            f"""
            INSERT INTO quality_count AS q (epoch, partition, {", ".join(names)})
            VALUES ({", ".join(["%s"] * (len(names) + 2))})
            ON CONFLICT (source, stream, day, contract_version, epoch, partition) DO UPDATE SET {sums}
            """,
            [
                *(span.epoch, span.partition, one.source, one.stream, one.contract_version, one.day, list(one.fields)),
                *one.record.tolist(),
                *one.counts.tolist(),
            ],
        )


def _added(name: str) -> str:
    """Place by place: of one contract version the fields are always the same."""
    both = f"unnest(q.{name}, excluded.{name}) WITH ORDINALITY AS pairs (x, y, place)"
    return f"{name} = (SELECT array_agg(x + y ORDER BY place) FROM {both})"
