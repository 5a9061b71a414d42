"""Loads of streams whose contract says how large one is: each is judged once, before the first of its rows is received.

A load is a unit of files, known by their contents and names; so one that was broken off and is run again, by whomever, is
the same load and stays what it was. What lies outside of its band is held as a whole: its rows say so themselves (`HeldLoad`).
Somebody releases or dismisses it; one that was dismissed and comes again is judged anew.

History is what loads of the stream came to that were taken in to their end, or released.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import uuid
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Literal

from mainstem.contracts import Contract, Volume
from mainstem.model import HeldLoad
from mainstem.privacy import Hasher
from mainstem.store import Connection, Database

__all__ = ["LOADS_NEEDED", "Loads", "band_of", "load_id"]

LOADS_NEEDED = 3
"""Fewer earlier loads say nothing about what is usual, unless the contract asks for fewer."""

Decided = Literal["released", "dismissed"]


@dataclasses.dataclass(frozen=True, slots=True)
class Loads:
    """Methods raise StorageFullError or UnavailableError."""

    database: Database

    def announce(self, id_: uuid.UUID, source: str, contract: Contract, rows: int) -> HeldLoad | None:
        """Judge a load, unless it was judged before; what it is held for, or None where its rows take effect."""
        if contract.volume is None:
            return None
        with self.database.transaction() as conn:
            band = band_of(contract.volume, _history(conn, id_, source, contract))
            held = HeldLoad(id_, rows, *band)
            state = "held" if _outside(rows, band) else "passed"
            [(state, rows, least, most)] = conn.execute(
                """
                INSERT INTO load AS l (id, source, stream, rows, state, least, most)
                VALUES (%s, %s, %s, %s, %s, %s, %s)
                ON CONFLICT (id) DO UPDATE SET
                    state = CASE WHEN l.state = 'dismissed' THEN excluded.state ELSE l.state END,
                    least = CASE WHEN l.state = 'dismissed' THEN excluded.least ELSE l.least END,
                    most = CASE WHEN l.state = 'dismissed' THEN excluded.most ELSE l.most END,
                    begun_at = CASE WHEN l.state = 'dismissed' THEN excluded.begun_at ELSE l.begun_at END
                RETURNING state, rows, least, most
                """,
                [id_, source, contract.stream, held.rows, state, *band],
            ).fetchall()
        return HeldLoad(id_, rows, least, most) if state == "held" else None

    def complete(self, id_: uuid.UUID) -> None:
        """All rows of a load are durable: from now on it counts for those that come, if it was let pass."""
        with self.database.autocommit() as conn:
            conn.execute(
                "UPDATE load SET counted_at = now() WHERE id = %s AND counted_at IS NULL AND state IN ('passed', 'released')",
                [id_],
            )

    def decide(self, id_: uuid.UUID, decided: Decided, by: str, reason: str) -> str | None:
        """Somebody's word about a load that is held; a release stays. What it is now; None for one that is not known."""
        with self.database.transaction() as conn:
            conn.execute(
                """
                UPDATE load SET state = %(to)s, decided_by = %(by)s, reason = %(reason)s,
                    counted_at = CASE WHEN %(to)s = 'released' THEN now() END
                WHERE id = %(id)s AND (state = 'held' OR state = 'dismissed' AND %(to)s = 'released')
                """,
                {"to": decided, "by": by, "reason": reason, "id": id_},
            )
            return next((state for (state,) in conn.execute("SELECT state FROM load WHERE id = %s", [id_])), None)

    def recall(self, held: HeldLoad, source: str, stream: str) -> None:
        """Know again of a load that is held, of which only its records tell."""
        with self.database.autocommit() as conn:
            conn.execute(
                "INSERT INTO load (id, source, stream, rows, state, least, most) VALUES (%s, %s, %s, %s, 'held', %s, %s)"
                " ON CONFLICT DO NOTHING",
                [held.id, source, stream, held.rows, held.least, held.most],
            )

    def released(self, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Which of these loads were released, or were let pass when they came again."""
        if not ids:
            return set()
        with self.database.autocommit() as conn:
            rows = conn.execute(
                "SELECT id FROM load WHERE id = ANY(%s) AND state IN ('passed', 'released')", [list(ids)]
            ).fetchall()
        return {one for (one,) in rows}


def load_id(hasher: Hasher, source: str, stream: str, identities: Sequence[str]) -> uuid.UUID:
    """Of the unit that files with these identities are, in whatever order."""
    return uuid.UUID(bytes=hasher.digest(b"load", [source, stream, *sorted(identities)]))


def band_of(volume: Volume, history: Sequence[int]) -> tuple[int | None, int | None]:
    """How few and how many rows a load may have, beside earlier ones (the latest first, as many as count)."""
    least, most = volume.least, volume.most
    if len(history) >= min(LOADS_NEEDED, volume.loads):
        median = statistics.median(history)
        if volume.share_least is not None:
            least = max(least or 0, math.ceil(volume.share_least * Decimal(median)))
        if volume.share_most is not None:
            highest = math.floor(volume.share_most * Decimal(median))
            most = highest if most is None else min(most, highest)
    return least, most


def _outside(rows: int, band: tuple[int | None, int | None]) -> bool:
    least, most = band
    return (least is not None and rows < least) or (most is not None and rows > most)


def _history(conn: Connection, id_: uuid.UUID, source: str, contract: Contract) -> list[int]:
    """Rows of the stream's latest loads but for this one."""
    volume = contract.volume
    rows = conn.execute(
        "SELECT rows FROM load WHERE source = %s AND stream = %s AND counted_at IS NOT NULL AND id <> %s"
        " ORDER BY counted_at DESC, id LIMIT %s",
        [source, contract.stream, id_, 0 if volume is None else volume.loads],
    ).fetchall()
    return [count for (count,) in rows]
