"""What was decided about a load that was held as a whole is done to all of it.

Its last records may have been on their way, or the client that brought them still at work, when somebody decided; and who
decided may have been killed halfway. So what is left of a decided load is decided, again and again, until nothing is: some
of it at a time, because other jobs wait meanwhile.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import structlog

from mainstem.errors import MainstemError, RetryableError
from mainstem.processing import Author, Outcome, QuarantineSelection, Stretch
from mainstem.store import Connection, Database

if TYPE_CHECKING:
    from mainstem.runtime.wiring import Runtime

__all__ = ["LoadSettling", "trim_loads"]

_log = structlog.get_logger()

# Some seconds' work beside a busy worker.
_MOST = 10_000
# Loads of a stream that a contract can ask to be compared with, and the one that comes.
_USUAL = 101
# What something else holds, too, waits for a word of its own.
_OPEN = """
    SELECT 1 FROM quarantine AS q
    WHERE q.load = l.id AND l.state = 'released' AND q.state IN ('held', 'dismissed') AND q.held_by = '["rowCount"]'
    UNION ALL
    SELECT 1 FROM quarantine AS q WHERE q.load = l.id AND l.state = 'dismissed' AND q.state IN ('quarantined', 'held')
"""
# An order goes through its load by itself. Where records were claimed a moment ago somebody is at work: not so of those that
# are under way here.
_LEFT = f"""
    SELECT l.id, l.state, l.decided_by, l.reason FROM load AS l
    WHERE l.state IN ('released', 'dismissed') AND EXISTS ({_OPEN})
    AND NOT EXISTS (
        SELECT FROM quarantine_order AS o
        WHERE o.ended_at IS NULL AND o.verb <> 'preview' AND o.selection ->> 'load' = l.id::text)
    AND (l.id = ANY(%s) OR NOT EXISTS (
        SELECT FROM decision_batch AS b JOIN quarantine_claim AS c ON c.batch = b.id JOIN quarantine AS q ON q.id = c.record
        WHERE q.load = l.id AND b.claimed_at > now() - interval '30 seconds'))
    ORDER BY l.begun_at, l.id
"""
_COUNT = f"SELECT count(*) FROM load AS l, LATERAL ({_OPEN}) AS o WHERE l.id = %s"


class LoadSettling:
    """See the module's text; for one thread. It remembers how far it came with a load."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reached: dict[uuid.UUID, uuid.UUID] = {}
        self._stuck: dict[uuid.UUID, int] = {}
        """Loads with so many records left that cannot be decided: they are looked at again when there are others."""

    def step(self, most: int = _MOST) -> int:
        """Decide what is left of decided loads, at most about so many records; how many were.

        The runtime's door must not be started: it is, where there is something to do. Raises StorageFullError or
        UnavailableError.
        """
        with self._runtime.database.autocommit() as conn:
            rows = conn.execute(_LEFT, [list(self._reached)]).fetchall()
            rows = [row for row in rows if row[0] not in self._stuck or self._stuck[row[0]] != _count(conn, row[0])]
        left = {row[0] for row in rows}
        self._reached = {id_: last for id_, last in self._reached.items() if id_ in left}
        if not rows:
            return 0
        decided = looked_at = 0
        with self._runtime.door:
            for id_, state, by, reason in rows:
                outcome = self._settle(id_, state, Author(by, reason), most - looked_at)
                decided += outcome.decided
                looked_at += outcome.matched
                if outcome.reached is not None or looked_at >= most:
                    break
        return decided

    def _settle(self, id_: uuid.UUID, state: str, author: Author, most: int) -> Outcome:
        """Go on with a load. What keeps it from being settled is told, and is no matter of other loads."""
        quarantine = self._runtime.quarantine
        decide = quarantine.release if state == "released" else quarantine.dismiss
        following = self._reached.pop(id_, None)
        stretch = Stretch(most=most) if following is None else Stretch(following, most)
        try:
            outcome = decide(QuarantineSelection(load=id_), author, stretch)
        except RetryableError:
            raise
        except (MainstemError, ValueError):
            _log.exception("load_settling_failed", load=str(id_), state=state)
            outcome = Outcome()
        if outcome.reached is not None:
            self._reached[id_] = outcome.reached
        elif not (outcome.decided or outcome.underway or outcome.settled):
            with self._runtime.database.autocommit() as conn:
                self._stuck[id_] = _count(conn, id_)
        if outcome.decided:
            _log.info("load_settled", load=str(id_), state=state, decided=outcome.decided)
        return outcome


def _count(conn: Connection, id_: uuid.UUID) -> int:
    """How many records of a decided load are left."""
    [(count,)] = conn.execute(_COUNT, [id_]).fetchall()
    return int(count)


def trim_loads(database: Database, before: dt.datetime) -> int:
    """Forget what was judged of loads that began before (wall time); how many.

    It stays where a load is held, where a record in quarantine came with it, and of a stream's latest loads, which say what is
    usual. A load that is forgotten and comes again is judged anew. Raises UnavailableError.
    """
    with database.autocommit() as conn:
        return conn.execute(
            """
            DELETE FROM load AS l USING (
                SELECT id, row_number() OVER (PARTITION BY source, stream ORDER BY counted_at DESC NULLS LAST, id) AS place
                FROM load
            ) AS ranked
            WHERE ranked.id = l.id AND l.begun_at < %(before)s AND l.state <> 'held'
            AND (l.counted_at IS NULL OR ranked.place > %(usual)s)
            AND NOT EXISTS (SELECT FROM quarantine AS q WHERE q.load = l.id)
            """,
            {"before": before, "usual": _USUAL},
        ).rowcount
