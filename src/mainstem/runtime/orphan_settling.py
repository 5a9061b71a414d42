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

from mainstem.processing import Author, Outcome, QuarantineSelection

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
    WHERE o.open AND o.alone AND q.state = %(state)s AND o.id <> ALL (%(stuck)s)
"""
_KNOWN = f"""
    SELECT o.id {_WAITING} GROUP BY o.id
    HAVING bool_and(EXISTS (SELECT FROM entity AS e WHERE (e.entity, e.ref) = (o.entity, o.ref)))
    ORDER BY o.id LIMIT %(most)s
"""
_OVERDUE = f"SELECT DISTINCT o.id {_WAITING} AND o.until < %(now)s ORDER BY o.id LIMIT %(most)s"


class OrphanSettling:
    """See the module's text; for one thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stuck: set[uuid.UUID] = set()
        """Records whose parents are known and that do not pass all the same: somebody has to look at them."""
        self._rest_until = float("-inf")

    def step(self, most: int = _MOST) -> int:
        """Decide about records that wait, at most so many of each kind; how many were decided.

        The runtime's door must not be started: it is, where there is something to do. Raises StorageFullError or
        UnavailableError.
        """
        began = time.monotonic()
        if began < self._rest_until:
            return 0
        quarantine = self._runtime.quarantine
        known, late = self._ids(_KNOWN, "held", most), self._ids(_KNOWN, "quarantined", most)
        overdue = [id_ for id_ in self._ids(_OVERDUE, "held", most) if id_ not in set(known)]
        if not (known or late or overdue):
            self._rest_until = time.monotonic() + _REST * (time.monotonic() - began)
            return 0
        decided = 0
        with self._runtime.door:
            if known:
                decided += self._pass(
                    known, quarantine.release(QuarantineSelection(ids=known, states=("held",)), _CAME)
                )
            if late:
                selection = QuarantineSelection(ids=late, states=("quarantined",))
                decided += self._pass(late, quarantine.replay(selection, _CAME))
            if overdue:
                decided += quarantine.end_wait(overdue, _LATE).decided
        _log.info("orphans_settled", known=len(known), late=len(late), overdue=len(overdue), decided=decided)
        return decided

    def _ids(self, query: str, state: str, most: int) -> list[uuid.UUID]:
        given = {"state": state, "stuck": list(self._stuck), "most": most, "now": self._runtime.clock.wall()}
        with self._runtime.database.autocommit() as conn:
            return [id_ for (id_,) in conn.execute(query, given).fetchall()]

    def _pass(self, ids: Sequence[uuid.UUID], outcome: Outcome) -> int:
        if not outcome.decided and not outcome.underway and not outcome.settled:
            self._stuck.update(ids)
        return outcome.decided
