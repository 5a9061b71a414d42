"""One batch of customers: which rows to score, what of that is to be stored, and when to look again."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mainstem.analytics.context import Context
from mainstem.analytics.days import Midnight, Midnights, Moment, late_since, midnights
from mainstem.analytics.due import MOVES, seconds_to_move
from mainstem.analytics.evaluation import GRADES, Evaluation, evaluate
from mainstem.analytics.inputs import DAY, NEVER, DaySpan, History, Ints, Rows, Subjects, instant, read_history
from mainstem.analytics.model import CHURNED
from mainstem.analytics.rendering import Renderer
from mainstem.analytics.subjects import Subject
from mainstem.store import Connection

__all__ = ["HistoryRow", "Outcome", "score_batch", "score_live"]

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
# A customer that has left is looked at again when something is heard of it, and otherwise hardly ever.
_NOTHING_AHEAD = 30 * DAY
# Matrices of customers by days are kept to a size that stays in the processor's caches.
_MOST_CELLS = 400_000
_SMALLEST = 10


@dataclasses.dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row of the history, or the score that is shown. `score` is in hundredths, `as_of` in microseconds."""

    kind: str
    as_of: int
    complete: bool
    score: int
    band: str
    grade: str
    cause: str
    inputs: bytes
    contributions: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a customer. `shown` None: what is shown stays. Instants are microseconds of data time."""

    subject: Subject
    shown: HistoryRow | None
    history: tuple[HistoryRow, ...]
    due_at: int
    last_seen: int | None
    daily_at: int
    settled_at: int
    logged_at: int | None
    pending: bool


def score_batch(conn: Connection, context: Context, subjects: Sequence[Subject]) -> list[Outcome]:
    """Score the customers; those nothing is measured of have no outcome."""
    if not subjects:
        return []
    existing = _existing(conn, context, subjects)
    span = _span(context, subjects, existing)
    size = max(_SMALLEST, _MOST_CELLS // (span.last - span.first + 1))
    outcomes = []
    for start in range(0, len(subjects), size):
        some = subjects[start : start + size]
        history = read_history(conn, Subjects([s.ref for s in some], [s.source for s in some]), context.feeds, span)
        outcomes += _Batch(context, some, history, existing).outcomes()
    return outcomes


def score_live(conn: Connection, context: Context, subjects: Sequence[Subject], as_of: dt.datetime) -> Evaluation:
    """The scores of customers at an instant, from all that is known now; nothing is stored."""
    at = dataclasses.replace(context, as_of=as_of)
    span = _span(at, subjects, {})
    names = Subjects([one.ref for one in subjects], [one.source for one in subjects])
    history = read_history(conn, names, context.feeds, span)
    rows = Rows(np.arange(len(subjects)), np.array([_until(one, at.now) for one in subjects], np.int64))
    return evaluate(context.model, history, rows, [one.segment for one in subjects], context.grades)


Existing = Mapping[tuple[Any, int], tuple[int, str, str]]
"""Score in hundredths, band and grade by (reference, midnight)."""


def _existing(conn: Connection, context: Context, subjects: Sequence[Subject]) -> Existing:
    """The midnights that have a score and may have changed."""
    late = {one.ref: since for one in subjects if (since := late_since(one, context.now)) is not None}
    if not late:
        return {}
    rows = conn.execute(
        """
        SELECT DISTINCT ON (late.ref, history.as_of)
               late.ref, history.as_of, (history.score * 100)::int, history.band, history.grade
        FROM unnest(%(refs)s::uuid[], %(since)s::timestamptz[]) AS late (ref, since)
        JOIN score_history AS history
          ON history.ref = late.ref AND history.model = %(model)s AND history.as_of > late.since
        WHERE history.kind = 'daily' AND history.as_of > %(first)s AND history.as_of <= %(now)s
        ORDER BY late.ref, history.as_of, history.id DESC
        """,
        {
            "refs": list(late),
            "since": [instant(since) for since in late.values()],
            "first": instant(min(late.values())),
            "now": context.as_of,
            "model": context.model.name,
        },
    ).fetchall()
    return {(ref, _us(as_of)): (score, band, grade) for ref, as_of, score, band, grade in rows}


def _us(at: dt.datetime) -> int:
    return (at - instant(0)) // dt.timedelta(microseconds=1)


def _span(context: Context, subjects: Sequence[Subject], existing: Existing) -> DaySpan:
    """The days to read: as far back as the earliest row looks, from where its slowest stream stands."""
    sources = {one.source for one in subjects}
    instants = [context.now]
    instants += [at for _, at in existing]
    for one in subjects:
        if one.stored is not None:
            instants.append(one.stored.settled_at + DAY)
        if one.churned_at is not None:
            instants.append(one.churned_at)
    asked = (min(instants) - 1) // DAY
    instants += [feed.complete_until for feed in context.feeds if feed.source in sources]
    first = (min(at for at in instants if at != NEVER) - 1) // DAY - context.model.lookback - 1
    return DaySpan(first, max(asked, first), max((context.now - 1) // DAY, asked, first))


def _until(subject: Subject, at: int) -> int:
    """The instant that a row at `at` speaks of: a customer that has left stays as it left."""
    return at if subject.churned_at is None else min(at, subject.churned_at)


class _Batch:
    """Customers whose cells have been read."""

    def __init__(self, context: Context, subjects: Sequence[Subject], history: History, existing: Existing) -> None:
        self._context = context
        self._subjects = subjects
        self._history = history
        self._existing = existing
        self._segments = [one.segment for one in subjects]
        now = context.now
        self._live = self._evaluated(
            np.arange(len(subjects)), np.array([_until(one, now) for one in subjects], np.int64)
        )
        self._renderer = Renderer(context, self._live, self._segments)
        self._horizons = _horizons(context, self._live)

    def outcomes(self) -> list[Outcome]:
        days = self._midnights()
        dailies = self._dailies(days)
        causes = [self._changed(place) for place in range(len(self._subjects))]
        due = self._due(causes, days)
        found = []
        for place, subject in enumerate(self._subjects):
            if self._live.known[place]:
                found.append(self._outcome(place, subject, causes[place], days[place], dailies[place], due[place]))
        return found

    def _evaluated(self, customers: Ints, as_of: Ints) -> Evaluation:
        context = self._context
        return evaluate(context.model, self._history, Rows(customers, as_of), self._segments, context.grades)

    def _midnights(self) -> list[Midnights]:
        settings, model = self._context.settings, self._context.model
        moment = Moment(
            now=self._context.now,
            wait=settings.daily_wait // dt.timedelta(microseconds=1),
            lookback=model.lookback,
            most=max(1, settings.batch_rows // len(self._subjects)),
        )
        by_ref: dict[Any, list[int]] = {}
        for ref, at in self._existing:
            by_ref.setdefault(ref, []).append(at)
        return [
            midnights(subject, int(self._horizons[place]), by_ref.get(subject.ref, ()), moment)
            for place, subject in enumerate(self._subjects)
        ]

    def _dailies(self, days: Sequence[Midnights]) -> list[list[HistoryRow]]:
        """The history's rows for midnights; restated ones only where something differs."""
        wanted = [(place, one) for place, own in enumerate(days) for one in own.due if self._live.known[place]]
        rows: list[list[HistoryRow]] = [[] for _ in days]
        if not wanted:
            return rows
        customers = np.array([place for place, _ in wanted], np.int64)
        as_of = np.array([_until(self._subjects[place], one.at) for place, one in wanted], np.int64)
        evaluation = self._evaluated(customers, as_of)
        renderer = Renderer(self._context, evaluation, self._segments)
        for row, (place, one) in enumerate(wanted):
            made = self._daily(renderer, evaluation, row, self._subjects[place], one)
            if made is not None:
                rows[place].append(made)
        return rows

    def _daily(
        self, renderer: Renderer, evaluation: Evaluation, row: int, subject: Subject, one: Midnight
    ) -> HistoryRow | None:
        if not evaluation.known[row]:
            return None
        score, grade = int(evaluation.total[row]), GRADES[int(evaluation.grades[row])].value
        band = self._band(subject, score, one.at)
        if one.restated and self._existing.get((subject.ref, one.at)) == (score, band, grade):
            return None
        cause = "late" if one.restated else "time"
        return HistoryRow(
            "daily", one.at, one.complete, score, band, grade, cause, renderer.inputs(row), renderer.contributions(row)
        )

    def _band(self, subject: Subject, score: int, at: int) -> str:
        if subject.churned_at is not None and subject.churned_at <= at:
            return CHURNED
        return self._context.model.band(score)

    def _changed(self, place: int) -> str | None:
        """Why the score that is shown has to be another one; None when it may stay."""
        subject, stored = self._subjects[place], self._subjects[place].stored
        why = "behaviour" if subject.claim.mark is not None else "time"
        if stored is None:
            return why
        if stored.model_version != self._context.model.version:
            return "model"
        score = int(self._live.total[place])
        grade = GRADES[int(self._live.grades[place])].value
        band = self._band(subject, score, self._context.now)
        same = abs(score - stored.score) < MOVES and (band, grade) == (stored.band, stored.grade)
        return None if same else why

    def _due(self, causes: Sequence[str | None], days: Sequence[Midnights]) -> list[int]:
        """When to look at each customer again, in microseconds."""
        now, live = self._context.now, self._live
        shown = np.array(
            [
                int(live.total[place]) if causes[place] or subject.stored is None else subject.stored.score
                for place, subject in enumerate(self._subjects)
            ],
            np.int64,
        )
        limits = np.array([self._limit(place, days[place]) for place in range(len(self._subjects))], np.int64)
        seconds = seconds_to_move(self._context.model, live, self._segments, shown, limits)
        gone = [one.churned_at is not None and one.churned_at <= now for one in self._subjects]
        # What a customer that has left is worth does not move; its limit is all there is to wait for.
        return [
            now + int(limits[place] if gone[place] else seconds[place]) * _SECOND
            for place in range(len(self._subjects))
        ]

    def _limit(self, place: int, days: Midnights) -> int:
        """Seconds until something other than the age of the last event may change the score."""
        now, settings = self._context.now, self._context.settings
        subject = self._subjects[place]
        if subject.churned_at is not None and subject.churned_at <= min(now, days.settled_at):
            return _NOTHING_AHEAD // _SECOND
        used = np.zeros(len(self._context.feeds), np.bool_)
        for uses in self._live.inputs.uses:
            used |= uses[place]
        instants = [days.daily_at + DAY + settings.daily_wait // dt.timedelta(microseconds=1)]
        if subject.churned_at is not None and subject.churned_at > now:
            instants.append(subject.churned_at)
        for feed in np.flatnonzero(used):
            stands = min(self._context.feeds[feed].complete_until, now)
            if stands != NEVER:
                # A window loses a day right after the midnight that ends it, as its stream sees it.
                instants.append(now + (stands // DAY + 1) * DAY - stands + _SECOND)
            stale = int(self._context.grades.stale_at[feed])
            if stale >= now:
                instants.append(stale + _SECOND)
        ahead = min((at for at in instants if at > now), default=now + _NOTHING_AHEAD)
        return max(1, -(-(ahead - now) // _SECOND))

    def _outcome(
        self, place: int, subject: Subject, cause: str | None, days: Midnights, dailies: Sequence[HistoryRow], due: int
    ) -> Outcome:
        now, stored = self._context.now, subject.stored
        due = now if days.more else due
        shown = None if cause is None else self._shown(place, subject, cause)
        rows = list(dailies)
        logged = None if stored is None else stored.logged_at
        pending = shown is not None or (stored is not None and stored.pending)
        if pending and (logged is None or now - logged >= _MINUTE):
            rows.append(shown or self._shown(place, subject, "time"))
            logged, pending = now, False
        elif pending and logged is not None:
            due = min(due, logged + _MINUTE)
        last_seen = int(self._live.inputs.last_seen[place])
        return Outcome(
            subject=subject,
            shown=shown,
            history=tuple(rows),
            due_at=due,
            last_seen=None if last_seen == NEVER else last_seen,
            daily_at=days.daily_at,
            settled_at=days.settled_at,
            logged_at=logged,
            pending=pending,
        )

    def _shown(self, place: int, subject: Subject, cause: str) -> HistoryRow:
        live, now = self._live, self._context.now
        score = int(live.total[place])
        return HistoryRow(
            kind="live",
            as_of=now,
            complete=bool(self._horizons[place] >= now),
            score=score,
            band=self._band(subject, score, now),
            grade=GRADES[int(live.grades[place])].value,
            cause=cause,
            inputs=self._renderer.inputs(place),
            contributions=self._renderer.contributions(place),
        )


def _horizons(context: Context, live: Evaluation) -> Ints:
    """Up to where all streams that a row rests on vouch; now where it rests on none."""
    stands = np.array([min(feed.complete_until, context.now) for feed in context.feeds], np.int64)
    used = np.zeros((len(live.total), len(stands)), np.bool_)
    for uses in live.inputs.uses:
        used |= uses
    horizons: Ints = np.where(used, stands[None, :], context.now).min(axis=1, initial=context.now)
    return horizons
