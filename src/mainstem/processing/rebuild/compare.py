"""Two folds compared by their declared columns: what a rebuild has to find again, and nothing that merely happened.

A table's hash is the sum of its rows' hashes, so that it needs no order and no memory. Sealed values are left out, because
the same value is sealed differently every time; the content hashes beside them stand for them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence

from psycopg import sql

from mainstem.store import Connection

__all__ = ["Content", "Difference", "differences", "fold_content"]


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """How many rows a table has, and the hash of their declared columns (64 hexadecimal digits)."""

    rows: int
    hash: str


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A key whose row is not the same in both folds. `key` is JSON of the key's columns."""

    table: str
    key: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Declared:
    """A query for a table's key and declared columns; `{fold}` is the schema, `{crossing}` rows (source, stream)."""

    key: str
    columns: str
    rows: str


_TABLES: Mapping[str, _Declared] = {
    "entity": _Declared("entity, ref", "deleted, customer, content_hash, attributes", "SELECT * FROM {fold}.entity"),
    "cell": _Declared("ref, series, bucket", "trim_scale(value), encode(state, 'hex')", "SELECT * FROM {fold}.cell"),
    # On which day a state ceased depends on what was observed when; of what several partitions speak of, not all of that is
    # kept (`entity_steps`). What a gauge comes to in the end does not depend on it.
    "gauge": _Declared(
        "metric, source, stream, ref, day",
        "trim_scale(value)",
        """
        SELECT metric, source, CASE WHEN torn THEN '' ELSE stream END AS stream, ref, CASE WHEN NOT torn THEN day END AS day,
            sum(value) AS value
        FROM (
            SELECT g.*, s.metric, s.source, s.stream, (s.source, s.stream) IN {crossing} AS torn
            FROM {fold}.gauge_change AS g JOIN {fold}.series AS s USING (series)
        ) AS changes
        GROUP BY 1, 2, 3, 4, 5 HAVING sum(value) <> 0
        """,
    ),
    "track": _Declared("series, bucket, ref", "trim_scale(value), encode(state, 'hex')", "SELECT * FROM {fold}.track"),
    # Where several partitions speak of one entity, whether what it said was news depends on how they were once interleaved,
    # which nobody wrote down. Their sum does not, and what the entities came to is compared in its own right.
    "ledger": _Declared(
        "source, stream, day, term",
        "n",
        """
        SELECT source, stream, day, CASE
            WHEN term = 'duplicate' AND (source, stream) IN {crossing} THEN 'accepted' ELSE term END AS term, sum(n) AS n
        FROM {fold}.ledger GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0
        """,
    ),
    "dedup": _Declared(
        "source, stream",
        "n",
        """
        SELECT source, stream, sum(n) AS n FROM (
            SELECT source, stream, n FROM {fold}.dedup_run UNION ALL SELECT source, stream, n FROM {fold}.dedup_segment
        ) AS keys GROUP BY 1, 2
        """,
    ),
    "warning": _Declared(
        "source, stream, rule, day",
        "n",
        "SELECT source, stream, rule, day, sum(n) AS n FROM {fold}.rule_warning GROUP BY 1, 2, 3, 4",
    ),
    "remedy": _Declared(
        "source, stream, field, remedy, day",
        "n",
        "SELECT source, stream, field, remedy, day, sum(n) AS n FROM {fold}.remedy_count GROUP BY 1, 2, 3, 4, 5",
    ),
    # Of what was received before quality and drift were counted, and decisions kept, only a rebuild knows.
    "quality": _Declared(
        "source, stream, contract_version, day",
        "records, incomplete, invalid, inconsistent, timed, late",
        """
        SELECT source, stream, contract_version, day, sum(records) AS records, sum(incomplete) AS incomplete,
            sum(invalid) AS invalid, sum(inconsistent) AS inconsistent, sum(timed) AS timed, sum(late) AS late
        FROM {fold}.quality_count WHERE day > ALL (SELECT day FROM quality_begun) GROUP BY 1, 2, 3, 4
        """,
    ),
    "field_quality": _Declared(
        "source, stream, contract_version, day, field",
        "checked, missing, invalid, inconsistent",
        """
        SELECT source, stream, contract_version, day, field, sum(checked) AS checked, sum(missing) AS missing,
            sum(bad) AS invalid, sum(torn) AS inconsistent
        FROM {fold}.quality_count
        CROSS JOIN LATERAL unnest(fields, field_checked, field_missing, field_invalid, field_inconsistent)
            AS one (field, checked, missing, bad, torn)
        WHERE day > ALL (SELECT day FROM quality_begun) GROUP BY 1, 2, 3, 4, 5
        """,
    ),
    # Of the days that nobody has put away yet, on either side.
    "distinct": _Declared(
        "source, stream, contract_version, day, field",
        "registers",
        """
        SELECT source, stream, contract_version, day, field,
            string_agg(lpad(to_hex(rank), 2, '0'), '' ORDER BY register) AS registers
        FROM (
            SELECT source, stream, contract_version, day, field, register, max(get_byte(registers, start + register)) AS rank
            FROM (
                SELECT *, length(registers) / cardinality(fields) AS many FROM {fold}.quality_distinct
                WHERE day > ALL (SELECT day FROM quality_begun) AND day > current_date - 60
            ) AS kept
            CROSS JOIN LATERAL (
                SELECT field, (place - 1)::int * many AS start FROM unnest(fields) WITH ORDINALITY AS one (field, place)
            ) AS placed
            CROSS JOIN LATERAL generate_series(0, many - 1) AS register
            GROUP BY 1, 2, 3, 4, 5, 6
        ) AS merged GROUP BY 1, 2, 3, 4, 5
        """,
    ),
    "drift": _Declared(
        "source, stream, contract_version, kind, day",
        "n, discarded",
        """
        SELECT source, stream, contract_version, kind, day, sum(n) AS n, sum(discarded) AS discarded
        FROM {fold}.drift_count WHERE day > ALL (SELECT day FROM quality_begun) GROUP BY 1, 2, 3, 4, 5
        """,
    ),
    "quarantine": _Declared("id", "state, reason, rule, held_by, load", "SELECT * FROM {fold}.quarantine"),
    "quarantine_decision": _Declared(
        "id, epoch, partition, lane, position, index",
        "decided_at, decision, decided_by, reason, contract_version, released",
        """
        SELECT * FROM {fold}.quarantine_decision
        WHERE (decided_at AT TIME ZONE 'UTC')::date > ALL (SELECT day FROM quality_begun)
        """,
    ),
    "reference": _Declared("ref", "source, kind", "SELECT * FROM {fold}.reference"),
}


Streams = Collection[tuple[str, str]]
"""(source, stream)."""


def fold_content(conn: Connection, schema: str, crossing: Streams = ()) -> dict[str, Content]:
    """What each declared table of a fold comes to. Of `crossing_streams` accepted and duplicate count as one sum."""
    return {name: _content(conn, _rows(schema, declared, crossing)) for name, declared in _TABLES.items()}


def differences(
    conn: Connection, one: str, other: str, crossing: Streams = (), *, limit: int = 5
) -> Sequence[Difference]:
    """The first keys of each table that are not in both folds with the same row, `limit` a table at most."""
    found: list[Difference] = []
    for name, declared in _TABLES.items():
        query = sql.SQL(
            """
            SELECT key FROM (
                (SELECT key, columns FROM {one} EXCEPT ALL SELECT key, columns FROM {other})
                UNION (SELECT key, columns FROM {other} EXCEPT ALL SELECT key, columns FROM {one})
            ) AS differing GROUP BY key ORDER BY key COLLATE "C" LIMIT {limit}
            """
        ).format(one=_rows(one, declared, crossing), other=_rows(other, declared, crossing), limit=sql.Literal(limit))
        found += [Difference(name, key) for (key,) in conn.execute(query).fetchall()]
    return found


def _rows(schema: str, declared: _Declared, crossing: Streams) -> sql.Composed:
    """A table expression of a declared table: its key and its columns, each as canonical text."""
    text = f"""
        (SELECT jsonb_build_array({declared.key})::text AS key, jsonb_build_array({declared.columns})::text AS columns
         FROM ({declared.rows}) AS declared) AS texts
    """
    sources, streams = ([pair[n] for pair in sorted(crossing)] for n in range(2))
    pairs = sql.SQL("(SELECT * FROM unnest({}::text[], {}::text[]))").format(sources, streams)
    return sql.SQL(text).format(fold=sql.Identifier(schema), crossing=pairs)


def _content(conn: Connection, rows: sql.Composed) -> Content:
    # Four words of 64 bits of each row's hash are added up, and the sums hashed.
    words = ", ".join(f"coalesce(sum(('x' || substr(digest, {1 + 16 * n}, 16))::bit(64)::bigint), 0)" for n in range(4))
    query = sql.SQL(
        f"""
        SELECT count(*), {words}
        FROM (SELECT encode(sha256(convert_to(key || columns, 'UTF8')), 'hex') AS digest FROM {{rows}}) AS digests
        """
    ).format(rows=rows)
    [(count, *sums)] = conn.execute(query).fetchall()
    return Content(int(count), hashlib.sha256(repr([int(one) for one in sums]).encode()).hexdigest())
