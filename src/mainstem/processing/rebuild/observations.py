"""What was shown is no fold of anything: it is taken over unchanged."""

from __future__ import annotations

import datetime as dt

from psycopg import sql

from mainstem.store import PARTITIONED, Connection, Database, ensure_partitions

__all__ = [
    "ensure_same_partitions",
    "freeze_observations",
    "renumber",
    "restore_first_known",
    "restore_observations",
]

_OBSERVATIONS = (
    *("correction", "score", "score_history", "stream_horizon", "touched", "change_head", "change"),
    "drift_finding",
)
_NUMBERED = ("correction", "score_history")


def freeze_observations(conn: Connection, schema: str) -> None:
    """Inside the transaction that swaps: wait for whoever writes observations of the fold `schema`, let no more begin."""
    # In the order in which writers take them: a sink corrects, then touches, a scorer takes the marks of those it scored.
    tables = sql.SQL(", ").join(
        sql.Identifier(schema, name) for name in ("score", "score_history", "correction", "touched", "change_head")
    )
    conn.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(tables))


def restore_observations(conn: Connection, old: str, new: str) -> None:
    """Copy the observations of the fold `old`, after `freeze_observations`, in the place of what `new` has of them."""
    for name in _OBSERVATIONS:
        names = {"old": sql.Identifier(old, name), "new": sql.Identifier(new, name)}
        conn.execute(sql.SQL("DELETE FROM {new}").format(**names))
        conn.execute(sql.SQL("INSERT INTO {new} OVERRIDING SYSTEM VALUE SELECT * FROM {old}").format(**names))
    renumber(conn, new)


def renumber(conn: Connection, schema: str) -> None:
    """Have the ids of new observations go on behind those that are there."""
    for name in _NUMBERED:
        conn.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({name}, 'id'), coalesce((SELECT max(id) FROM {table}), 0) + 1, false)"
            ).format(name=sql.Literal(f"{schema}.{name}"), table=sql.Identifier(schema, name))
        )


def restore_first_known(conn: Connection, old: str, new: str) -> None:
    """Have each cell of the fold `new` known since when it was known in the fold `old`, where it is in both.

    So with gauges as wholes, and with what they moved by on a day; days that are only in the old fold stay as days on which nothing moved, for the
    corrections that speak of them.
    """
    conn.execute(
        sql.SQL(
            """
            UPDATE {new} AS new SET first_known_at = old.first_known_at FROM {old} AS old
            WHERE (old.ref, old.series, old.bucket) = (new.ref, new.series, new.bucket)
              AND old.first_known_at <> new.first_known_at
            """
        ).format(old=sql.Identifier(old, "cell"), new=sql.Identifier(new, "cell"))
    )
    conn.execute(
        sql.SQL(
            """
            INSERT INTO {new}.gauge_change AS new (series, ref, day, value, first_known_at)
            SELECT series, ref, day, 0, first_known_at FROM {old}.gauge_change
            WHERE series IN (SELECT series FROM {new}.series JOIN {new}.gauge_begun USING (metric))
            ON CONFLICT (series, ref, day) DO UPDATE SET first_known_at = EXCLUDED.first_known_at
            WHERE new.first_known_at <> EXCLUDED.first_known_at
            """
        ).format(old=sql.Identifier(old), new=sql.Identifier(new))
    )
    conn.execute(
        sql.SQL(
            """
            UPDATE {new} AS new SET filled_at = old.filled_at FROM {old} AS old
            WHERE (old.metric, old.meaning, old.filled_to) = (new.metric, new.meaning, new.filled_to)
            """
        ).format(old=sql.Identifier(old, "gauge_begun"), new=sql.Identifier(new, "gauge_begun"))
    )


def ensure_same_partitions(old: Database, new: Database) -> None:
    """Give the new fold the months that the old one has. Raises as `store.ensure_partitions`."""
    for table in PARTITIONED:
        with old.autocommit() as conn:
            rows = conn.execute(
                """
                SELECT right(child.relname, 7) FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
                WHERE inhparent = to_regclass(%s) AND child.relname ~ '_[0-9]{4}_[0-9]{2}$'
                """,
                [f"{old.fold_schema}.{table}"],
            ).fetchall()
        ensure_partitions(new, table, [dt.date(int(month[:4]), int(month[5:]), 1) for (month,) in rows])
