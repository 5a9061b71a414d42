"""Drift as the sink keeps it: counts and presence add up, a finding is told once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import DriftKind
from mainstem.model import Span
from mainstem.processing.drift.effects import EXPECTED, MOST_PATHS, NO_NAME, DriftEffects, Finding
from mainstem.store import Connection, Database

__all__ = ["FindingRegister", "Known", "join_drift_days"]

_LEAST_RUN = 100
# Of one contract version: new keys, and of each declared field what is observed of it. What comes after is counted, and not
# told one by one.
_MOST_FINDINGS = 1_000
_MOST_OF_A_FIELD = 200
_MOST_KNOWN = 50_000

# A value that was read does not undo one that was not, nor a guess one that more values were looked at for.
_KNOWN_BETTER = """(coalesce(f.evidence @> '{"read": false}', false) OR coalesce(
    (f.evidence ->> 'looked_at')::integer >= (excluded.evidence ->> 'looked_at')::integer, false))"""

_STREAM = ("source", "stream", "contract_version")
_PRESENT = ("field", "records", "absent", "refused", "run")


_COUNTED = "source, stream, contract_version, kind, path, day"
_ADD = f"""
    ON CONFLICT (epoch, partition, {_COUNTED}) DO UPDATE SET n = d.n + excluded.n, discarded = d.discarded + excluded.discarded,
        first_at = least(d.first_at, excluded.first_at), last_at = greatest(d.last_at, excluded.last_at)
    """
# No log has an epoch 0.
_JOIN = f"""
    WITH gone AS (DELETE FROM drift_count WHERE day < %s AND epoch <> 0 RETURNING *)
    INSERT INTO drift_count AS d (epoch, partition, {_COUNTED}, n, discarded, first_at, last_at)
    SELECT 0, 0, {_COUNTED}, sum(n)::bigint, sum(discarded)::bigint, min(first_at), max(last_at) FROM gone
    GROUP BY {_COUNTED} {_ADD}
    """


def join_drift_days(database: Database, before: dt.date) -> int:
    """Put the counts of all partitions into one a stream, contract version, kind, path and day, for days before this.

    How many they are then. What is written to such a day later is joined the next time. Raises UnavailableError.
    """
    with database.transaction() as conn:
        return conn.execute(_JOIN, [before]).rowcount


Known = Mapping[tuple[Any, ...], object]
"""Findings by what makes each one, with what was known of it."""


class FindingRegister:
    """Writes drift; knows which findings are written already."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], object] = {}

    def write(
        self, conn: Connection, span: Span, drift: DriftEffects, at: dt.datetime
    ) -> tuple[list[dict[str, Any]], Known]:
        """Keep what a span shows of drift, inside the sink's transaction.

        The changes that tell new findings, and what is to be remembered once the transaction is committed.
        """
        nameless = _write_counts(conn, span, drift.counts, self._known)
        missing = _write_presence(conn, span, drift.presence)
        news: dict[tuple[Any, ...], Finding] = {}
        for one in (*drift.findings, *nameless, *missing):
            key = _identity(one)
            known = self._known.get(key) if key not in news else _state(news[key])
            if known is None or (known != _state(one) and not one.evidence.get("read")):
                news[key] = one
        changes = _write_findings(conn, [news[key] for key in sorted(news)], at)
        return changes, {key: _state(one) for key, one in news.items()}

    def remember(self, known: Known) -> None:
        """Know findings, whose transaction is committed."""
        if len(self._known) + len(known) > _MOST_KNOWN:
            self._known.clear()
        self._known.update(known)


def _write_counts(conn: Connection, span: Span, counts: pa.Table, found: Known) -> list[Finding]:
    """Add up the counts; that some keys have no name, which may be news only here."""
    if not counts.num_rows:
        return []
    named = _named(conn, span, counts, found)
    key = [*_STREAM, "kind", "path", "day"]
    sums = [("n", "sum"), ("discarded", "sum"), ("first_at", "min"), ("last_at", "max")]
    rows = named.group_by(key).aggregate(sums).sort_by([(name, "ascending") for name in key])
    conn.execute(
        f"""
        INSERT INTO drift_count AS d (epoch, partition, {_COUNTED}, n, discarded, first_at, last_at)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::date[],
            %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
        {_ADD}
        """,
        [
            span.epoch,
            span.partition,
            *(rows[name].to_pylist() for name in (*key, "n_sum", "discarded_sum", "first_at_min", "last_at_max")),
        ],
    )
    nameless = rows.filter((pc.field("path") == NO_NAME) & (pc.field("kind") == DriftKind.NEW_FIELD.value))
    return [
        Finding(
            row["source"],
            row["stream"],
            row["contract_version"],
            DriftKind.NEW_FIELD,
            NO_NAME,
            "",
            row["first_at_min"],
        )
        for row in nameless.to_pylist()
    ]


def _named(conn: Connection, span: Span, counts: pa.Table, found: Known) -> pa.Table:
    """The counts, with new keys beyond the first `MOST_PATHS` of a contract version under one path.

    Keys that are findings already have a name: where there are no others nothing is asked.
    """
    rows = counts.to_pylist()
    fresh = [
        n
        for n, row in enumerate(rows)
        if _is_new_key(row) and (*_stream(row), row["kind"], row["path"], "") not in found
    ]
    if not fresh:
        return counts
    known: dict[tuple[Any, ...], set[str]] = {}
    for key in {_stream(rows[n]) for n in fresh}:
        paths = conn.execute(
            "SELECT DISTINCT path FROM drift_count WHERE (epoch, partition) IN ((%s, %s), (0, 0)) AND kind = 'new_field'"
            " AND source = %s AND stream = %s AND contract_version = %s AND path <> %s",
            [span.epoch, span.partition, *key, NO_NAME],
        ).fetchall()
        known[key] = {path for (path,) in paths}
    names = [row["path"] for row in rows]
    for n in fresh:
        kept = known[_stream(rows[n])]
        if names[n] not in kept and len(kept) >= MOST_PATHS:
            names[n] = NO_NAME
        else:
            kept.add(names[n])
    return counts.set_column(counts.schema.get_field_index("path"), "path", pa.array(names, pa.string()))


def _stream(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _STREAM)


def _is_new_key(row: Mapping[str, Any]) -> bool:
    return bool(row["kind"] == DriftKind.NEW_FIELD.value and row["path"] != NO_NAME)


def _write_presence(conn: Connection, span: Span, presence: pa.Table) -> Iterator[Finding]:
    """Add up which fields were there; those that are missing now."""
    rows = presence.to_pylist()
    if not rows:
        return iter(())
    names = (*_STREAM, *_PRESENT)
    where = [span.epoch, span.partition]
    # A field that every record has changes nothing but the end of a run, which is rare.
    lasting = sorted({_key(row) for row in rows if row["field"] and not row["absent"]})
    if lasting:
        conn.execute(
            """
            UPDATE field_presence AS p SET run = 0
            FROM unnest(%s::text[], %s::text[], %s::integer[], %s::text[]) AS given (source, stream, version, field)
            WHERE p.epoch = %s AND p.partition = %s AND p.run > 0
              AND (p.source, p.stream, p.contract_version, p.field) = (given.source, given.stream, given.version, given.field)
            """,
            [*([key[n] for key in lasting] for n in range(4)), *where],
        )
    summed: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = _key(row)
        if row["field"] and not row["absent"] and key not in summed:
            continue
        known = summed.get(key)
        if known is None:
            summed[key] = dict(row)
            continue
        known["run"] = row["run"] + (known["run"] if row["absent"] == row["records"] else 0)
        known["last_at"] = row["last_at"]
        for name in ("records", "absent", "refused"):
            known[name] += row[name]
    lines = [summed[key] for key in sorted(summed)]
    told = conn.execute(
        """
        INSERT INTO field_presence AS p (epoch, partition, source, stream, contract_version, field, records, absent, refused,
            run)
        SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::integer[], %s::text[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::bigint[])
        ON CONFLICT (epoch, partition, source, stream, contract_version, field) DO UPDATE SET
            records = p.records + excluded.records, absent = p.absent + excluded.absent,
            refused = p.refused + excluded.refused,
            run = excluded.run + CASE WHEN excluded.absent = excluded.records THEN p.run ELSE 0 END
        RETURNING source, stream, contract_version, field, records, absent, refused, run
        """,
        [*where, *([line[name] for line in lines] for name in names)],
    ).fetchall()
    return _missing(told, summed)


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*_stream(row), row["field"])


def _missing(rows: Sequence[tuple[Any, ...]], lines: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> Iterator[Finding]:
    """Fields that were to be expected in the latest records, and were in none of them; `lines` are the span's own."""
    totals = {row[:3]: row[4] for row in rows if not row[3]}
    for source, stream, version, field, _, absent, refused, run in rows:
        before = totals.get((source, stream, version), 0) + refused - run
        present = before + run - absent
        line = lines[source, stream, version, field]
        never = present <= 0 and line["shared"] and not refused
        if not field or never or run < _LEAST_RUN or (present > 0 and run * present < EXPECTED * before):
            continue
        evidence = {"run": run, "met_before": present, "required": bool(refused)}
        yield Finding(source, stream, version, DriftKind.MISSING_FIELD, field, "", line["last_at"], (), evidence)


def _write_findings(conn: Connection, findings: Sequence[Finding], at: dt.datetime) -> list[dict[str, Any]]:
    """Keep what is new, and what is known better now of the rest; the new ones as changes.

    Findings come in the order of their keys: two partitions that notice the same wait for each other in one order.
    """
    if not findings:
        return []
    told = conn.execute(
        f"""
        INSERT INTO drift_finding AS f (source, stream, contract_version, kind, path, observed, first_at, known_at, types,
            evidence)
        SELECT source, stream, version, kind, path, observed, first_at, %s,
            ARRAY(SELECT jsonb_array_elements_text(types)), evidence
        FROM unnest(%s::text[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
            %s::jsonb[], %s::jsonb[]) AS one (source, stream, version, kind, path, observed, first_at, types, evidence)
        WHERE EXISTS (
            SELECT FROM drift_finding AS k WHERE (k.source, k.stream, k.contract_version, k.kind, k.path, k.observed)
                = (one.source, one.stream, one.version, one.kind, one.path, one.observed)
        ) OR (
            SELECT count(*) FROM drift_finding AS k
            WHERE (k.source, k.stream, k.contract_version, k.kind) = (one.source, one.stream, one.version, one.kind)
                AND (k.kind IN ('new_field', 'rename') OR k.path = one.path)
        ) < CASE WHEN one.kind IN ('new_field', 'rename') THEN %s ELSE %s END
        ON CONFLICT (source, stream, contract_version, kind, path, observed) DO UPDATE SET
            types = ARRAY(SELECT DISTINCT unnest(f.types || excluded.types) ORDER BY 1),
            evidence = CASE WHEN {_KNOWN_BETTER} THEN f.evidence ELSE f.evidence || excluded.evidence END
        WHERE f.kind <> 'missing_field'
            AND NOT (f.types @> excluded.types AND (f.evidence @> excluded.evidence OR {_KNOWN_BETTER}))
        RETURNING xmax = 0, source, stream, contract_version, kind, path, observed, first_at, types, evidence
        """,
        [
            at,
            [one.source for one in findings],
            [one.stream for one in findings],
            [one.contract_version for one in findings],
            [one.kind.value for one in findings],
            [one.path for one in findings],
            [one.observed for one in findings],
            [one.at for one in findings],
            [msgspec.json.encode(one.types).decode() for one in findings],
            [msgspec.json.encode(one.evidence).decode() for one in findings],
            _MOST_FINDINGS,
            _MOST_OF_A_FIELD,
        ],
    ).fetchall()
    names = ("source", "stream", "contract_version", "kind", "path", "observed", "first_at", "types", "evidence")
    return [dict(zip(names, row, strict=True)) for new, *row in told if new]


def _identity(one: Finding) -> tuple[str, str, int, str, str, str]:
    return (one.source, one.stream, one.contract_version, one.kind.value, one.path, one.observed)


def _state(one: Finding) -> object:
    """What may be known better later; how long a field is missing is not part of it."""
    return () if one.kind is DriftKind.MISSING_FIELD else (one.types, one.evidence)
