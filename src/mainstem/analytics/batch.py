"""The present of a batch of customers: what is shown of them, when to look again, and which midnights wait."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import numpy as np

from mainstem.analytics.context import Context
from mainstem.analytics.days import Ahead, Moment, ahead_of
from mainstem.analytics.due import MOVES, seconds_to_move
from mainstem.analytics.evaluation import Evaluation
from mainstem.analytics.group import Group, Told, groups, speaks_of
from mainstem.analytics.inputs import DAY, NEVER
from mainstem.analytics.outcomes import HistoryRow, Outcome
from mainstem.analytics.subjects import Subject
from mainstem.store import Connection

__all__ = ["score_batch", "score_live"]

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
# A customer that has left is looked at again when something is heard of it, and otherwise hardly ever.
_NOTHING_AHEAD = 30 * DAY


def score_batch(conn: Connection, context: Context, subjects: Sequence[Subject]) -> list[Outcome]:
    """Score the customers as of now; those nothing is measured of have no outcome."""
    earliest = [speaks_of(one, context.now) for one in subjects]
    return [
        outcome
        for group in groups(conn, context, subjects, earliest)
        for outcome in _Present(context, group).outcomes()
    ]


def score_live(
    conn: Connection, context: Context, subjects: Sequence[Subject], as_of: dt.datetime
) -> list[tuple[Subject, Evaluation, int]]:
    """The scores of customers at an instant, from all that is known now; nothing is stored.

    Each customer comes with the evaluation that it is a row of, and the row's number.
    """
    at = dataclasses.replace(context, as_of=as_of)
    earliest = [speaks_of(one, at.now) for one in subjects]
    return [
        (subject, group.now, row)
        for group in groups(conn, at, subjects, earliest)
        for row, subject in enumerate(group.subjects)
    ]


class _Present:
    """Customers whose cells have been read, as of now."""

    def __init__(self, context: Context, group: Group) -> None:
        self._context = context
        self._group = group
        self._subjects = group.subjects
        self._live = group.now
        self._told = Told(group, group.now)

    def outcomes(self) -> list[Outcome]:
        moment = Moment(
            now=self._context.now,
            wait=self._context.settings.daily_wait // dt.timedelta(microseconds=1),
            reach=self._context.model.reach,
        )
        horizons = self._group.horizons.tolist()
        ahead = [ahead_of(subject, horizons[place], moment) for place, subject in enumerate(self._subjects)]
        causes = [self._changed(place) for place in range(len(self._subjects))]
        due = self._due(causes, ahead)
        return [
            self._outcome(place, subject, causes[place], ahead[place], due[place])
            for place, subject in enumerate(self._subjects)
            if self._live.known[place]
        ]

    def _changed(self, place: int) -> str | None:
        """Why the score that is shown has to be another one; None when it may stay."""
        subject, stored = self._subjects[place], self._subjects[place].stored
        why = "behaviour" if subject.claim.mark is not None else "time"
        if stored is None:
            return why
        if stored.model_version != self._context.model.version:
            return "model"
        score, band, grade = self._told.short(place, self._context.now)
        same = abs(score - stored.score) < MOVES and (band, grade) == (stored.band, stored.grade)
        return None if same else why

    def _due(self, causes: Sequence[str | None], ahead: Sequence[Ahead]) -> list[int]:
        """When to look at each customer again, in microseconds."""
        now, live = self._context.now, self._live
        shown = np.array(
            [
                int(live.total[place]) if causes[place] or subject.stored is None else subject.stored.score
                for place, subject in enumerate(self._subjects)
            ],
            np.int64,
        )
        limits = np.array([self._limit(place, ahead[place]) for place in range(len(self._subjects))], np.int64)
        seconds = seconds_to_move(self._context.model, live, self._group.segments, shown, limits)
        gone = [one.churned_at is not None and one.churned_at <= now for one in self._subjects]
        # What a customer that has left is worth does not move; its limit is all there is to wait for.
        return [
            now + int(limits[place] if gone[place] else seconds[place]) * _SECOND
            for place in range(len(self._subjects))
        ]

    def _limit(self, place: int, ahead: Ahead) -> int:
        """Seconds until something other than the age of the last event may change the score."""
        now, settings = self._context.now, self._context.settings
        subject = self._subjects[place]
        if subject.churned_at is not None and subject.churned_at <= min(now, ahead.settled_at):
            return _NOTHING_AHEAD // _SECOND
        instants = [ahead.daily_at + DAY + settings.daily_wait // dt.timedelta(microseconds=1)]
        if subject.churned_at is not None and subject.churned_at > now:
            instants.append(subject.churned_at)
        for feed in np.flatnonzero(self._group.uses[place]):
            stands = min(self._context.feeds[feed].complete_until, now)
            if stands != NEVER:
                # A window loses a day right after the midnight that ends it, as its stream sees it.
                instants.append(now + (stands // DAY + 1) * DAY - stands + _SECOND)
            stale = int(self._context.grades.stale_at[feed])
            if stale >= now:
                instants.append(stale + _SECOND)
        soonest = min((at for at in instants if at > now), default=now + _NOTHING_AHEAD)
        return max(1, -(-(soonest - now) // _SECOND))

    def _outcome(self, place: int, subject: Subject, cause: str | None, ahead: Ahead, due: int) -> Outcome:
        now, stored = self._context.now, subject.stored
        shown = None if cause is None else self._shown(place, cause)
        logged_at = None if stored is None else stored.logged_at
        pending = shown is not None or (stored is not None and stored.pending)
        logged = None
        if pending and (logged_at is None or now - logged_at >= _MINUTE):
            # The history says what is shown: a score that had to wait for its row is shown as it is by now.
            logged = shown = shown or self._shown(place, "time")
            logged_at, pending = now, False
        elif pending and logged_at is not None:
            due = min(due, logged_at + _MINUTE)
        last_seen = int(self._live.inputs.last_seen[place])
        return Outcome(
            subject=subject,
            shown=shown,
            logged=logged,
            due_at=due,
            last_seen=None if last_seen == NEVER else last_seen,
            # Where midnights wait, these move when they are filled in.
            daily_at=ahead.daily_at if stored is None else stored.daily_at,
            settled_at=ahead.settled_at if stored is None else stored.settled_at,
            logged_at=logged_at,
            pending=pending,
            midnights_since=ahead.since,
            restate_until=ahead.restate_until,
        )

    def _shown(self, place: int, cause: str) -> HistoryRow:
        now = self._context.now
        return self._told.row(place, "live", now, cause, complete=bool(self._group.horizons[place] >= now))
