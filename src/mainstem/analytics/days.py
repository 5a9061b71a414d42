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
from mainstem.analytics.subjects import Stored, Subject

__all__ = ["Ahead", "Midnight", "Midnights", "Moment", "ahead_of", "midnights"]


@dataclasses.dataclass(frozen=True, slots=True)
class Midnight:
    """One midnight to score. `complete`: no stream is behind it; `restated`: it has a score, which may be right."""

    at: int
    complete: bool
    restated: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Ahead:
    """Up to where midnights will be written and settled once those that wait are; and the marks of those that wait."""

    daily_at: int
    settled_at: int
    since: int | None
    restate_until: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Midnights:
    """What to score of a customer now, and where it stands afterwards."""

    due: tuple[Midnight, ...]
    daily_at: int
    settled_at: int
    since: int | None
    restate_until: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """Data time now, how long midnights wait for streams, for how many days what happened may move a score."""

    now: int
    wait: int
    reach: int


def ahead_of(subject: Subject, horizon: int, moment: Moment) -> Ahead:
    """What waits of a customer whose streams vouch up to `horizon`, by what is known of it now."""
    stored = subject.stored
    if stored is None:
        today = moment.now // DAY * DAY
        return Ahead(today, today, None, None)
    settled, overdue = _reached(subject, stored, horizon, moment)
    since, until = stored.midnights_since, stored.restate_until
    if settled > stored.settled_at or overdue > stored.daily_at:
        since = stored.settled_at if since is None else min(since, stored.settled_at)
    late = _late_since(subject, stored, moment.now)
    if late is not None:
        everything = _left_or_returned(subject, stored, moment.now)
        reach = stored.settled_at if everything else min(stored.settled_at, late + moment.reach * DAY)
        since = late if since is None else min(since, late)
        until = reach if until is None else max(until, reach)
    return Ahead(max(stored.daily_at, settled, overdue), settled, since, until)


def midnights(subject: Subject, horizon: int, existing: Iterable[int], moment: Moment, most: int) -> Midnights:
    """The first `most` midnights that wait of a customer; `existing` are those with a score that may have changed."""
    stored = subject.stored
    if stored is None:
        today = moment.now // DAY * DAY
        return Midnights((), today, today, None, None)
    settled, overdue = _reached(subject, stored, horizon, moment)
    restated = [Midnight(at, complete=True, restated=True) for at in sorted(existing)]
    new = [Midnight(at, complete=True, restated=False) for at in range(stored.settled_at + DAY, settled + 1, DAY)]
    new += [
        Midnight(at, complete=False, restated=False)
        for at in range(max(settled, stored.daily_at) + DAY, overdue + 1, DAY)
    ]
    due = (restated + new)[:most]
    if len(due) == len(restated) + len(new):
        return Midnights(tuple(due), max(stored.daily_at, settled, overdue), settled, None, None)
    if len(due) < len(restated):
        return Midnights(tuple(due), stored.daily_at, stored.settled_at, due[-1].at, stored.restate_until)
    done = due[len(restated) :]
    settled = max((one.at for one in done if one.complete), default=stored.settled_at)
    daily = max((one.at for one in done), default=stored.daily_at)
    return Midnights(tuple(due), max(stored.daily_at, daily), settled, settled, None)


def _reached(subject: Subject, stored: Stored, horizon: int, moment: Moment) -> tuple[int, int]:
    """Up to which midnight everything is settled by now, and up to which it is overdue."""
    last = moment.now // DAY * DAY
    if subject.churned_at is not None and subject.churned_at <= moment.now:
        # The first midnight after a customer left is its last.
        last = min(last, -(-subject.churned_at // DAY) * DAY)
    settled = max(stored.settled_at, min(horizon // DAY * DAY, last))
    overdue = max(stored.daily_at, min((moment.now - moment.wait) // DAY * DAY, last))
    return settled, overdue


def _late_since(subject: Subject, stored: Stored, now: int) -> int | None:
    """From when on midnights that have a score may have changed by what the customer was touched for; None: none may."""
    instants = [] if subject.claim.since is None else [microseconds(subject.claim.since)]
    if _left_or_returned(subject, stored, now):
        # Where a customer has returned that never left, every midnight since is another one.
        instants.append(subject.churned_at if subject.churned_at is not None and subject.churned_at <= now else 0)
    since = min(instants, default=None)
    return since if since is not None and since < stored.settled_at else None


def _left_or_returned(subject: Subject, stored: Stored, now: int) -> bool:
    """Whether the band that is shown speaks of the customer as still there, or gone, and that is no longer so."""
    gone = subject.churned_at is not None and subject.churned_at <= now
    return gone != (stored.band == CHURNED)
