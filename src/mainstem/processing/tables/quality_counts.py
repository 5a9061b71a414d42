"""What the checks found: added up where it was counted, so that a span that is committed again adds nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from mainstem.model import Span, sketch
from mainstem.quality import StreamCounts, joined
from mainstem.store import Connection, Database

__all__ = ["join_quality_days", "write_quality"]

# Longer than any band of anomalies reaches back.
_DISTINCT_KEPT = dt.timedelta(days=100)

_RECORD = ("records", "incomplete", "invalid", "inconsistent", "timed", "late")
_FIELD = ("field_checked", "field_missing", "field_invalid", "field_inconsistent")


def _added(name: str) -> str:
    """Place by place: of one contract version the fields are always the same."""
    both = f"unnest(q.{name}, excluded.{name}) WITH ORDINALITY AS pairs (x, y, place)"
    return f"{name} = (SELECT array_agg(x + y ORDER BY place) FROM {both})"


_ADD = "ON CONFLICT (source, stream, day, contract_version, epoch, partition) DO UPDATE SET " + ", ".join(
    [*(f"{name} = q.{name} + excluded.{name}" for name in _RECORD), *map(_added, _FIELD)]
)
_KEY = "source, stream, contract_version, day"
# No log has an epoch 0.
_JOIN = f"""
    WITH gone AS (
        DELETE FROM quality_count WHERE day < %(before)s AND epoch <> 0 RETURNING *
    ), whole AS (
        SELECT {_KEY}, {", ".join(f"sum({name})::bigint AS {name}" for name in _RECORD)} FROM gone GROUP BY {_KEY}
    ), field AS (
        SELECT {_KEY}, place, field, sum(checked)::bigint AS checked, sum(missing)::bigint AS missing,
            sum(bad)::bigint AS bad, sum(torn)::bigint AS torn
        FROM gone CROSS JOIN LATERAL unnest(fields, {", ".join(_FIELD)}) WITH ORDINALITY
            AS one (field, checked, missing, bad, torn, place)
        GROUP BY {_KEY}, place, field
    ), fields AS (
        SELECT {_KEY}, array_agg(field ORDER BY place) AS fields, array_agg(checked ORDER BY place) AS field_checked,
            array_agg(missing ORDER BY place) AS field_missing, array_agg(bad ORDER BY place) AS field_invalid,
            array_agg(torn ORDER BY place) AS field_inconsistent
        FROM field GROUP BY {_KEY}
    )
    INSERT INTO quality_count AS q (epoch, partition, {_KEY}, {", ".join(_RECORD)}, fields, {", ".join(_FIELD)})
    SELECT 0, 0, {_KEY}, {", ".join(_RECORD)}, fields, {", ".join(_FIELD)} FROM whole JOIN fields USING ({_KEY})
    {_ADD}
    """


def write_quality(conn: Connection, span: Span, counts: Sequence[StreamCounts]) -> None:
    """Add a span's counts, inside the sink's transaction: one row a stream, contract version and received day."""
    names = ("source", "stream", "contract_version", "day", "fields", *_RECORD, *_FIELD)
    found = joined(counts)
    for one in found:
        conn.execute(
            f"""
            INSERT INTO quality_count AS q (epoch, partition, {", ".join(names)})
            VALUES ({", ".join(["%s"] * (len(names) + 2))})
            {_ADD}
            """,
            [
                *(span.epoch, span.partition, one.source, one.stream, one.contract_version, one.day, list(one.fields)),
                *one.record.tolist(),
                *one.counts.tolist(),
            ],
        )
    _write_distinct(conn, (span.epoch, span.partition), [(*one.key, list(one.fields), one.distinct) for one in found])


def _write_distinct(
    conn: Connection,
    writer: tuple[int, int],
    sketches: Sequence[tuple[str, str, int, dt.date, list[str], sketch.Registers]],
) -> None:
    """Merge sketches, of each key one, into those that are kept under an epoch and partition. Most days soon know all that comes."""
    if not sketches:
        return
    sources, streams, versions, days = (list(each) for each in list(zip(*sketches, strict=True))[:4])
    known = {
        tuple(key): registers
        for *key, registers in conn.execute(
            f"""
            SELECT {_KEY}, registers FROM quality_distinct
            JOIN unnest(%s::text[], %s::text[], %s::int[], %s::date[]) AS asked ({_KEY}) USING ({_KEY})
            WHERE (epoch, partition) = (%s, %s)
            """,
            [sources, streams, versions, days, *writer],
        )
    }
    for *key, fields, registers in sketches:
        before = known.get(tuple(key))
        told = registers.tobytes()
        if before is not None:
            told = sketch.merged(np.frombuffer(before, np.uint8), registers.reshape(-1)).tobytes()
            if told == before:
                continue
        conn.execute(
            f"""
            INSERT INTO quality_distinct (epoch, partition, {_KEY}, fields, registers) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (source, stream, day, contract_version, epoch, partition) DO UPDATE SET registers = excluded.registers
            """,
            [*writer, *key, fields, told],
        )


def join_quality_days(database: Database, before: dt.date) -> int:
    """Put the rows of all partitions into one a stream, contract version and day, for days before this; how many there were.

    Years stay small then, whatever the number of partitions. What is written to such a day later is joined the next time.
    Raises UnavailableError.
    """
    with database.transaction() as conn:
        conn.execute("DELETE FROM quality_distinct WHERE day < %s", [before - _DISTINCT_KEPT])
        _join_distinct(conn, before)
        return conn.execute(_JOIN, {"before": before}).rowcount


def _join_distinct(conn: Connection, before: dt.date) -> None:
    whole: dict[tuple[str, str, int, dt.date], tuple[list[str], sketch.Registers]] = {}
    for *key, fields, told in conn.execute(
        f"DELETE FROM quality_distinct WHERE day < %s AND epoch <> 0 RETURNING {_KEY}, fields, registers", [before]
    ).fetchall():
        registers = np.frombuffer(told, np.uint8)
        _, known = whole.get(tuple(key), (fields, registers))
        whole[tuple(key)] = (fields, sketch.merged(known, registers))
    _write_distinct(conn, (0, 0), [(*key, *one) for key, one in whole.items()])
