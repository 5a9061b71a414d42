"""In which turns lanes took effect, into the lake and back: without them a lost database could come back another one.

A row of `lane_order` grows while its turn lasts, and then goes into the lake again: of several that say the same place of the
live lane the furthest counts. What is said too often does no harm, so a row is marked only if it is still as it was read.
"""

from __future__ import annotations

import msgspec
from psycopg import sql

from mainstem.lake import Lake, LakeReader, append_observed, observed_chain
from mainstem.model import TURNS_STREAM
from mainstem.processing.rebuild.own_records import own_records
from mainstem.store import Connection, Database

__all__ = ["export_turns", "keep_exported_turns", "restore_turns"]

_CHAIN = observed_chain(2)
_ROWS = 10_000
_WAITING = """
    SELECT epoch, partition, live, bulk, (to_jsonb(turn) - 'exported')::text
    FROM lane_order AS turn WHERE NOT exported ORDER BY epoch, partition, live LIMIT %s
    """
_MARK = """
    UPDATE lane_order AS turn SET exported = true
    FROM unnest(%s::integer[], %s::smallint[], %s::bigint[], %s::bigint[]) AS sent (epoch, partition, live, bulk)
    WHERE (turn.epoch, turn.partition, turn.live, turn.bulk) = (sent.epoch, sent.partition, sent.live, sent.bulk)
    """
_RESTORE = """
    INSERT INTO lane_order AS turn (epoch, partition, live, bulk, exported)
    SELECT epoch, partition, live, max(bulk), true FROM jsonb_populate_recordset(NULL::lane_order, %s::jsonb)
    GROUP BY epoch, partition, live
    ON CONFLICT (epoch, partition, live) DO UPDATE SET bulk = greatest(turn.bulk, excluded.bulk)
    """


def export_turns(lake: Lake, *, owner: str) -> int:
    """Bring the turns that the lake does not have into it; how many rows they were. Raises as `append_observed`."""
    exported = 0
    while True:
        with lake.database.autocommit() as conn:
            rows = conn.execute(_WAITING, [_ROWS]).fetchall()
        if not rows:
            return exported
        columns = [list(column) for column in list(zip(*rows, strict=True))[:4]]

        def mark(conn: Connection, columns: list[list[int]] = columns) -> None:
            conn.execute(_MARK, columns)

        now = lake.clock.wall()
        records = own_records(
            TURNS_STREAM,
            [("/".join(map(str, place)), now, now, f"{place[0]}/{place[1]}", text) for *place, text in rows],
        )
        if not append_observed(lake, _CHAIN, records, owner=owner, beside=mark):
            return exported
        exported += len(rows)
        if len(rows) < _ROWS:
            # The turn under way may have grown meanwhile; that is for the next time.
            return exported


def restore_turns(reader: LakeReader, database: Database) -> None:
    """Put the lake's turns into a lost database, before it is folded.

    Raises IntegrityError for a damaged lake, StorageFullError or UnavailableError.
    """
    for batch in reader.read(_CHAIN.epoch, _CHAIN.partition, _CHAIN.lane):
        turns = [msgspec.Raw(payload) for payload in batch.records.column("payload").to_pylist()]
        with database.transaction() as conn:
            conn.execute(_RESTORE, [msgspec.json.encode(turns).decode()])


def keep_exported_turns(conn: Connection, old: str, new: str) -> None:
    """Have the turns of the fold `new` that are the same in the fold `old` be in the lake as those are."""
    conn.execute(
        sql.SQL(
            """
            UPDATE {new} AS turn SET exported = true FROM {old} AS before
            WHERE before.exported
              AND (turn.epoch, turn.partition, turn.live, turn.bulk)
                = (before.epoch, before.partition, before.live, before.bulk)
            """
        ).format(old=sql.Identifier(old, "lane_order"), new=sql.Identifier(new, "lane_order"))
    )
