"""The change stream: what readers of the served state are told, in the order it was committed.

A channel has one writer at a time (sinks write 0 to 15 by slot, scorers 16 to 31, the scheduler 32), and its head row is locked from the
append to the commit; so within a channel sequences are visible in order, without gaps in between. Changes are forgotten
after a while: who stands before a channel's floor has missed some and starts anew from a snapshot.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mainstem.store.database import Database
from mainstem.store.pool import Connection

__all__ = [
    "CHANGE_CHANNEL",
    "Change",
    "append_all",
    "append_changes",
    "change_floors",
    "change_heads",
    "prune_changes",
    "read_changes",
]

CHANGE_CHANNEL = "mainstem_change"
"""Notified (`Database.listen`) when changes were committed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One change: `kind` is ledger, score, touched, quality, drift or anomaly, `body` what the kind's reader expects."""

    channel: int
    sequence: int
    at: dt.datetime
    kind: str
    body: Any


def append_changes(
    conn: Connection, channel: int, kind: str, bodies: Sequence[Mapping[str, Any]], at: dt.datetime
) -> int | None:
    """Inside a transaction: add changes in the order given; the last one's sequence, None when there are none.

    Bodies are JSON objects without NUL in any text. Holds the channel until the transaction ends, so it comes last.
    """
    return append_all(conn, [(channel, kind, body) for body in bodies], at).get(channel)


def append_all(
    conn: Connection, changes: Sequence[tuple[int, str, Mapping[str, Any]]], at: dt.datetime
) -> dict[int, int]:
    """As `append_changes`, for (channel, kind, body) of several channels at once; each one's last sequence.

    Channels are locked in rising order.
    """
    if not changes:
        return {}
    encoder = msgspec.json.Encoder(decimal_format="number")
    rows = conn.execute(
        """
        WITH given AS (
            SELECT channel, kind, value, row_number() OVER (PARTITION BY channel ORDER BY place) AS place
            FROM unnest(%(channels)s::smallint[], %(kinds)s::text[], %(bodies)s::text[])
                WITH ORDINALITY AS one (channel, kind, value, place)
        ), counted AS (
            SELECT channel, count(*) AS n FROM given GROUP BY channel
        ), head AS (
            INSERT INTO change_head AS h (channel, sequence) SELECT channel, n FROM counted ORDER BY channel
            ON CONFLICT (channel) DO UPDATE SET sequence = h.sequence + excluded.sequence
            RETURNING channel, sequence
        ), added AS (
            INSERT INTO change (channel, sequence, at, kind, body)
            SELECT channel, head.sequence - counted.n + given.place, %(at)s, given.kind, given.value::jsonb
            FROM given JOIN counted USING (channel) JOIN head USING (channel)
        )
        SELECT channel, sequence, pg_notify(%(notify)s, '') FROM head
        """,
        {
            "channels": [channel for channel, _, _ in changes],
            "kinds": [kind for _, kind, _ in changes],
            "at": at,
            "bodies": [encoder.encode(body).decode() for _, _, body in changes],
            "notify": CHANGE_CHANNEL,
        },
    ).fetchall()
    return {int(channel): int(sequence) for channel, sequence, _ in rows}


def read_changes(database: Database, after: Mapping[int, int], limit: int) -> list[Change]:
    """Up to `limit` changes behind the given sequences, fairly from all channels, in order within each.

    A channel that is absent counts from the start. Raises UnavailableError.
    """
    with database.snapshot() as connection:
        rows = connection.execute(
            """
            SELECT next.channel, next.sequence, next.at, next.kind, next.body
            FROM change_head AS head
            LEFT JOIN unnest(%(channels)s::smallint[], %(sequences)s::bigint[]) AS known (channel, sequence)
                USING (channel)
            CROSS JOIN LATERAL (
                SELECT change.*, row_number() OVER (ORDER BY change.sequence) AS turn
                FROM change
                WHERE change.channel = head.channel AND change.sequence > coalesce(known.sequence, 0)
                ORDER BY change.sequence
                LIMIT %(limit)s
            ) AS next
            WHERE head.sequence > coalesce(known.sequence, 0)
            ORDER BY next.turn, next.channel
            LIMIT %(limit)s
            """,
            {"channels": list(after), "sequences": list(after.values()), "limit": limit},
        ).fetchall()
    return [Change(*row) for row in rows]


def change_heads(database: Database) -> dict[int, int]:
    """The last sequence of every channel that ever had a change. Raises UnavailableError."""
    with database.autocommit() as connection:
        return dict(connection.execute("SELECT channel, sequence FROM change_head").fetchall())


def change_floors(database: Database) -> dict[int, int]:
    """The last forgotten sequence of every channel, 0 when none is: a reader at or behind it has missed nothing.

    Raises UnavailableError.
    """
    with database.autocommit() as connection:
        return dict(connection.execute("SELECT channel, pruned FROM change_head").fetchall())


def prune_changes(database: Database, before: dt.datetime) -> int:
    """Forget the changes of each channel up to its first one not older than `before`; how many.

    Raises StorageFullError or UnavailableError.
    """
    with database.transaction() as connection:
        return connection.execute(
            """
            WITH floor AS (
                SELECT head.channel, coalesce(
                    (SELECT min(change.sequence) - 1 FROM change
                     WHERE change.channel = head.channel AND change.at >= %(before)s),
                    (SELECT max(change.sequence) FROM change WHERE change.channel = head.channel)) AS sequence
                FROM change_head AS head
                WHERE EXISTS (SELECT FROM change WHERE change.channel = head.channel AND change.at < %(before)s)
                ORDER BY head.channel
                FOR UPDATE OF head
            ), raised AS (
                UPDATE change_head AS head SET pruned = greatest(head.pruned, floor.sequence)
                FROM floor WHERE floor.channel = head.channel
            )
            DELETE FROM change USING floor
            WHERE change.channel = floor.channel AND change.sequence <= floor.sequence
            """,
            {"before": before},
        ).rowcount
