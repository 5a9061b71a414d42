"""Which midnights of a customer have to be scored, besides now.

Every midnight (UTC, data time) has one score. It is computed when all streams vouch beyond it, so that it is what a rebuild
would compute; one that waits too long for a stream is computed as things stand, and again when the stream is back. A late
record computes those anew that it touches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from mainstem.analytics.inputs import DAY, microseconds
from mainstem.analytics.model import CHURNED
from mainstem.analytics.subjects import Subject

__all__ = ["Midnight", "Midnights", "Moment", "late_since", "midnights"]


@dataclasses.dataclass(frozen=True, slots=True)
class Midnight:
    """One midnight to score. `complete`: no stream is behind it; `restated`: it has a score, which may be right."""

    at: int
    complete: bool
    restated: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Midnights:
    """What to score of a customer, and up to where its midnights then are written and settled."""

    due: tuple[Midnight, ...]
    daily_at: int
    settled_at: int
    more: bool
    """There are more than could be done at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """Data time now, how long midnights wait for streams, how far back inputs reach, how many rows may be made."""

    now: int
    wait: int
    lookback: int
    most: int


def midnights(subject: Subject, horizon: int, existing: Iterable[int], moment: Moment) -> Midnights:
    """The midnights of a customer whose streams vouch up to `horizon`; `existing` are those with a score."""
    today = moment.now // DAY * DAY
    stored = subject.stored
    if stored is None:
        return Midnights((), today, today, more=False)
    last = today
    if subject.churned_at is not None and subject.churned_at <= moment.now:
        # The first midnight after a customer left is its last.
        last = min(today, -(-subject.churned_at // DAY) * DAY)
    settled = max(stored.settled_at, min(horizon // DAY * DAY, last))
    overdue = max(stored.daily_at, min((moment.now - moment.wait) // DAY * DAY, last))
    due = [Midnight(at, complete=True, restated=False) for at in range(stored.settled_at + DAY, settled + 1, DAY)]
    due += [
        Midnight(at, complete=False, restated=False)
        for at in range(max(settled, stored.daily_at) + DAY, overdue + 1, DAY)
    ]
    done = due[: moment.most]
    if len(done) < len(due):
        settled = max((one.at for one in done if one.complete), default=stored.settled_at)
        overdue = max((one.at for one in done), default=stored.daily_at)
    restated = _restated(subject, stored.settled_at, existing, moment)
    return Midnights((*done, *restated), max(stored.daily_at, settled, overdue), settled, more=len(done) < len(due))


def _restated(subject: Subject, settled: int, existing: Iterable[int], moment: Moment) -> list[Midnight]:
    """Midnights whose inputs a late record may have changed, or that a customer was found to have left before."""
    since = late_since(subject, moment.now)
    if since is None:
        return []
    until = settled if _left_or_returned(subject, moment.now) else min(settled, since + moment.lookback * DAY)
    return [Midnight(at, complete=True, restated=True) for at in sorted(existing) if since < at <= until]


def late_since(subject: Subject, now: int) -> int | None:
    """From when on midnights that have a score may have changed; None when none may."""
    stored = subject.stored
    if stored is None:
        return None
    instants = [] if subject.claim.since is None else [microseconds(subject.claim.since)]
    if _left_or_returned(subject, now):
        # Where a customer has returned that never left, every midnight since is another one.
        instants.append(subject.churned_at if subject.churned_at is not None and subject.churned_at <= now else 0)
    since = min(instants, default=None)
    return since if since is not None and since < stored.settled_at else None


def _left_or_returned(subject: Subject, now: int) -> bool:
    """Whether the band that is shown speaks of the customer as still there, or gone, and that is no longer so."""
    gone = subject.churned_at is not None and subject.churned_at <= now
    return subject.stored is not None and gone != (subject.stored.band == CHURNED)
