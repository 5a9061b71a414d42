"""Records that wait for what they refer to take effect once that is known, and are quarantined when it is too late.

Whatever came too late for its record is noticed all the same: an orphan in quarantine goes through the contract in force
once its parent is known. All of it is decided through the log like anything that a person decides.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from mainstem.processing import Author, QuarantineSelection

if TYPE_CHECKING:
    from mainstem.runtime.wiring import Runtime

__all__ = ["OrphanSettling"]

_log = structlog.get_logger()

# Some seconds' work beside a busy worker.
_MOST = 10_000
# Looking takes its time where many wait: so many times as long nobody looks again.
_REST = 10
_CAME = Author("relationship", "what it refers to is known")
_LATE = Author("relationship", "what it refers to did not come in time")

_WAITING = """
    FROM orphan AS o JOIN quarantine AS q USING (id)
    WHERE o.open AND o.alone AND q.state = %(state)s
    AND NOT EXISTS (SELECT FROM quarantine_claim AS c WHERE c.record = o.id)
    AND (q.load IS NULL OR q.load IN (SELECT id FROM load WHERE state IN ('passed', 'released')))
"""
_KNOWN = f"""
    SELECT o.id {_WAITING} AND o.id <> ALL (%(stuck)s) GROUP BY o.id
    HAVING bool_and(EXISTS (SELECT FROM entity AS e WHERE (e.entity, e.ref) = (o.entity, o.ref)))
    ORDER BY o.id LIMIT %(most)s
"""
_OVERDUE = f"SELECT DISTINCT o.id {_WAITING} AND o.until < %(now)s ORDER BY o.id LIMIT %(most)s"
_LEFT = f"SELECT DISTINCT o.id {_WAITING} AND o.id = ANY(%(among)s)"


class OrphanSettling:
    """See the module's text; for one thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stuck: set[uuid.UUID] = set()
        """Quarantined records whose parents are known and that do not pass all the same: somebody has to look at them."""
        self._rest_until = float("-inf")

    def step(self, most: int = _MOST) -> int:
        """Decide about records that wait, at most so many of each kind; how many were decided.

        The runtime's door must not be started: it is, where there is something to do. Raises StorageFullError or
        UnavailableError.
        """
        began = time.monotonic()
        if began < self._rest_until:
            return 0
        self._runtime.quarantine.free_claims()
        known, late = self._ids(_KNOWN, "held", most), self._ids(_KNOWN, "quarantined", most)
        overdue = sorted({*self._ids(_OVERDUE, "held", most)} - {*known})
        decided = 0
        if known or late or overdue:
            with self._runtime.door:
                decided = self._release(known) + self._replay(late) + self._end_wait(overdue)
            counts = {"known": len(known), "late": len(late), "overdue": len(overdue), "decided": decided}
            _log.info("orphans_settled", **counts)
        if not decided:
            self._rest_until = time.monotonic() + _REST * (time.monotonic() - began)
        return decided

    def _release(self, ids: Sequence[uuid.UUID]) -> int:
        """Have held records take effect. What does not pass was hiding behind its wait, which ends: it is quarantined."""
        if not ids:
            return 0
        quarantine = self._runtime.quarantine
        outcome = quarantine.release(QuarantineSelection(ids=ids, states=("held",)), _CAME)
        if not outcome.failed:
            return outcome.decided
        return outcome.decided + self._end_wait(self._ids(_LEFT, "held", len(ids), ids))

    def _replay(self, ids: Sequence[uuid.UUID]) -> int:
        if not ids:
            return 0
        outcome = self._runtime.quarantine.replay(QuarantineSelection(ids=ids, states=("quarantined",)), _CAME)
        if outcome.failed:
            self._stuck.update(self._ids(_LEFT, "quarantined", len(ids), ids))
        return outcome.decided

    def _end_wait(self, ids: Sequence[uuid.UUID]) -> int:
        return self._runtime.quarantine.end_wait(ids, _LATE).decided if ids else 0

    def _ids(self, query: str, state: str, most: int, among: Sequence[uuid.UUID] = ()) -> list[uuid.UUID]:
        now = self._runtime.clock.wall()
        given = {"state": state, "stuck": list(self._stuck), "most": most, "now": now, "among": list(among)}
        with self._runtime.database.autocommit() as conn:
            return [id_ for (id_,) in conn.execute(query, given).fetchall()]
