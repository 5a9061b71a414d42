"""What was decided about a load that was held as a whole is done to all of it.

Its last records may have been on their way, or the client that brought them still at work, when somebody decided; and who
decided may have been killed halfway. So what is left of a decided load is decided, again and again, until nothing is.
"""

from __future__ import annotations

import structlog

from mainstem.processing import Author, QuarantineSelection
from mainstem.runtime.wiring import Runtime

__all__ = ["settle_loads"]

_log = structlog.get_logger()

# What something else holds, too, waits for a word of its own. Where records were claimed a moment ago somebody is at work.
_LEFT = """
    SELECT l.id, l.state, l.decided_by, l.reason FROM load AS l WHERE EXISTS (
        SELECT FROM quarantine AS q WHERE q.load = l.id AND (
            l.state = 'released' AND q.state = 'held' AND q.held_by = '["rowCount"]'
            OR l.state = 'dismissed' AND q.state IN ('quarantined', 'held'))
    ) AND NOT EXISTS (
        SELECT FROM decision_batch AS b JOIN quarantine_claim AS c ON c.batch = b.id JOIN quarantine AS q ON q.id = c.record
        WHERE q.load = l.id AND b.claimed_at > now() - interval '30 seconds')
    ORDER BY l.begun_at
"""


def settle_loads(runtime: Runtime) -> int:
    """Decide what is left of decided loads; how many records were.

    The runtime's door must not be started: it is, where there is something to do. Raises StorageFullError or
    UnavailableError.
    """
    with runtime.database.autocommit() as conn:
        rows = conn.execute(_LEFT).fetchall()
    if not rows:
        return 0
    decided = 0
    with runtime.door:
        for id_, state, by, reason in rows:
            decide = runtime.quarantine.release if state == "released" else runtime.quarantine.dismiss
            outcome = decide(QuarantineSelection(load=id_), Author(by, reason))
            decided += outcome.decided
            if outcome.decided:
                _log.info("load_settled", load=str(id_), state=state, decided=outcome.decided)
    return decided
