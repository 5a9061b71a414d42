"""Which quarantined records a decision is on its way about.

Two decisions about one record may belong to two partitions, and which of them came first would then be an accident that a
rebuild does not repeat. So who decides claims the record first, and has it until the decision is in effect.

A claim ends by itself: after minutes when nothing says that its decision ever came into the log, after an hour in any case.
One for an order stays until that has counted it.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Sequence

from mainstem.eventlog import Head
from mainstem.store import Database

__all__ = ["Claim", "Claims"]

_FREE = """
    DELETE FROM decision_batch AS batch
    WHERE order_id IS NULL AND (claimed_at < now() - interval '1 hour'
       OR heads IS NULL AND claimed_at < now() - interval '5 minutes'
       OR NOT EXISTS (
            SELECT FROM jsonb_to_recordset(heads) AS head (epoch integer, partition smallint, lane smallint, position bigint)
            LEFT JOIN sink_position AS reached USING (epoch, partition, lane)
            WHERE coalesce(reached.position, 0) < head.position
       ) AND heads IS NOT NULL)
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Records that may be decided about now, and those that somebody else had decided about by then."""

    batch: int
    records: frozenset[uuid.UUID]
    settled: frozenset[uuid.UUID] = frozenset()


class Claims:
    """See the module's text; for any thread and any process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def free(self) -> None:
        """End the claims whose time is over. Raises StorageFullError or UnavailableError."""
        with self._database.autocommit() as conn:
            conn.execute(_FREE)

    def take(
        self, records: Sequence[uuid.UUID], states: Sequence[str], order: tuple[uuid.UUID, int] | None = None
    ) -> Claim:
        """Claim the records that nobody else has and that are in one of these states, be it for an order in its turn.

        Raises StorageFullError or UnavailableError.
        """
        with self._database.transaction() as conn:
            conn.execute(_FREE)
            [(batch,)] = conn.execute(
                "INSERT INTO decision_batch (order_id, order_turn) VALUES (%s, %s) RETURNING id", order or (None, None)
            ).fetchall()
            rows = conn.execute(
                "INSERT INTO quarantine_claim SELECT one, %s FROM unnest(%s::uuid[]) AS one ORDER BY one"
                " ON CONFLICT DO NOTHING RETURNING record",
                [batch, list(records)],
            ).fetchall()
            # They were read before they were claimed. What is in effect by now, this statement sees.
            late = conn.execute(
                """
                DELETE FROM quarantine_claim WHERE batch = %s AND record NOT IN (
                    SELECT id FROM quarantine WHERE id = ANY(%s) AND state = ANY(%s)
                ) RETURNING record
                """,
                [batch, list(records), list(states)],
            ).fetchall()
        settled = frozenset(record for (record,) in late)
        return Claim(batch, frozenset(record for (record,) in rows) - settled, settled)

    def decided(self, claim: Claim, heads: Sequence[Head]) -> None:
        """The decisions are in the log, in effect when these positions are."""
        told = [dataclasses.asdict(head) | {"lane": int(head.lane)} for head in heads]
        with self._database.autocommit() as conn:
            conn.execute("UPDATE decision_batch SET heads = %s WHERE id = %s", [json.dumps(told), claim.batch])

    def drop(self, claim: Claim) -> None:
        """Nothing was decided."""
        with self._database.autocommit() as conn:
            conn.execute("DELETE FROM decision_batch WHERE id = %s", [claim.batch])
