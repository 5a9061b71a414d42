"""After a contract came into force: what its stream has in quarantine goes through it by itself.

Doors learn of an activation within seconds, and until then stamp records with the version before. So the replay waits
until everything received in that time is in effect. It is marked as done after its decisions are durable, and no other
decision was on its way about a record; a crash in between repeats it, and the same decisions have the same ids.
"""

from __future__ import annotations

import datetime as dt

import structlog

from mainstem.contracts import ANY_SOURCE
from mainstem.errors import MainstemError, RetryableError
from mainstem.processing import Author, QuarantineSelection
from mainstem.runtime.in_effect import all_in_effect
from mainstem.runtime.wiring import Runtime

__all__ = ["replay_activations"]

_log = structlog.get_logger()

# A registry asks every two seconds, a door every second.
_LEARNT = dt.timedelta(seconds=5)
# Of the causes for which records stay.
_TOLD = 20


def replay_activations(runtime: Runtime) -> int:
    """Replay for every activation that was not yet, where it is time; how many records were decided.

    The runtime's door must not be started: it is, where there is something to do. Raises StorageFullError or
    UnavailableError.
    """
    with runtime.database.autocommit() as conn:
        rows = conn.execute(
            "SELECT source, stream, version, activated_at FROM contract WHERE NOT replayed ORDER BY activated_at"
        ).fetchall()
    rows = [row for row in rows if all_in_effect(runtime, row[3] + _LEARNT)]
    if not rows:
        return 0
    runtime.registry.refresh()
    decided = 0
    with runtime.door:
        for source, stream, version, _ in rows:
            try:
                decided += _replay(runtime, source, stream, version)
            except RetryableError:
                raise
            except (MainstemError, ValueError):
                # The records of other streams do not wait until this one's can be read.
                _log.exception("quarantine_replay_failed", source=source, stream=stream, version=version)
    return decided


def _replay(runtime: Runtime, source: str, stream: str, version: int) -> int:
    selection = QuarantineSelection(None if source == ANY_SOURCE else source, stream, other_than_version=version)
    author = Author("contract", f"version {version} came into force")
    outcome = runtime.quarantine.replay(selection, author)
    if not outcome.underway:
        # What somebody has claimed who is no more would else never come to its turn.
        _note_replayed(runtime, source, stream, version)
    if outcome.decided or (outcome.matched and not outcome.underway):
        failing = {f"{one.reason}/{one.field or ''}": one.count for one in outcome.failing[:_TOLD]}
        counts = {"matched": outcome.matched, "decided": outcome.decided, "failed": outcome.failed, "failing": failing}
        _log.info("quarantine_replayed", source=source, stream=stream, version=version, **counts)
    return outcome.decided


def _note_replayed(runtime: Runtime, source: str, stream: str, version: int) -> None:
    with runtime.database.transaction() as conn:
        conn.execute(
            "UPDATE contract SET replayed = true WHERE source = %s AND stream = %s AND version = %s",
            [source, stream, version],
        )
