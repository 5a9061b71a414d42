"""Midnights that wait: scored after the present, a bounded number at once, the history of a customer read once for all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mainstem.analytics.context import Context
from mainstem.analytics.days import Midnights, Moment, midnights
from mainstem.analytics.group import Group, Told, groups, speaks_of
from mainstem.analytics.inputs import DAY, NEVER, instant, microseconds
from mainstem.analytics.outcomes import Filling, HistoryRow
from mainstem.analytics.subjects import Subject
from mainstem.store import Connection

__all__ = ["fill_midnights", "within"]

# Days of a customer's history that are thought to be there where all of it has to be looked at.
_USUAL_HISTORY = 400

Existing = Mapping[tuple[Any, int], tuple[int, str, str]]
"""Score in hundredths, band and grade by (reference, midnight)."""


def within(context: Context, subjects: Sequence[Subject], rows: int) -> list[Subject]:
    """The first of the customers, as many as have about `rows` midnights waiting together; at least one."""
    stands = {feed.source: NEVER for feed in context.feeds}
    for feed in context.feeds:
        stands[feed.source] = max(stands[feed.source], min(feed.complete_until, context.now))
    count = 0
    taken: list[Subject] = []
    for subject in subjects:
        count += _waiting(context, subject, stands.get(subject.source, NEVER))
        if taken and count > rows:
            break
        taken.append(subject)
    return taken


def _waiting(context: Context, subject: Subject, stands: int) -> int:
    """About how many midnights wait of a customer whose best stream vouches up to `stands`."""
    stored = subject.stored
    if stored is None:
        return 0
    days = max(stands // DAY - stored.settled_at // DAY, (context.now - _wait(context) - stored.daily_at) // DAY, 0)
    if stored.midnights_since is not None and stored.restate_until is not None:
        days += min((stored.restate_until - stored.midnights_since) // DAY, _USUAL_HISTORY)
    return days


def fill_midnights(conn: Connection, context: Context, subjects: Sequence[Subject], most: int) -> list[Filling]:
    """Score midnights that wait, at most `most` of a customer; those nothing is measured of are left out."""
    existing = _existing(conn, context, subjects)
    by_ref: dict[Any, list[int]] = {}
    for ref, at in existing:
        by_ref.setdefault(ref, []).append(at)
    earliest = [_earliest(subject, by_ref.get(subject.ref, ()), context.now) for subject in subjects]
    moment = Moment(context.now, _wait(context), context.model.reach)
    found: list[Filling] = []
    for group in groups(conn, context, subjects, earliest):
        days = [
            midnights(subject, int(group.horizons[place]), by_ref.get(subject.ref, ()), moment, most)
            for place, subject in enumerate(group.subjects)
        ]
        rows = _rows(group, days, existing)
        found += [
            Filling(
                subject,
                tuple(rows[place]),
                days[place].daily_at,
                days[place].settled_at,
                days[place].since,
                days[place].restate_until,
            )
            for place, subject in enumerate(group.subjects)
            if group.now.known[place]
        ]
    return found


def _wait(context: Context) -> int:
    return context.settings.daily_wait // dt.timedelta(microseconds=1)


def _earliest(subject: Subject, existing: Sequence[int], now: int) -> int:
    """The first instant a customer is asked for; a row a customer that has left speaks of when it left."""
    instants = [now, *existing]
    if subject.stored is not None:
        instants.append(subject.stored.settled_at + DAY)
    return min(speaks_of(subject, at) for at in instants)


def _existing(conn: Connection, context: Context, subjects: Sequence[Subject]) -> Existing:
    """The midnights that have a score and may have changed."""
    since, until = [], []
    for one in subjects:
        if one.stored is not None and one.stored.midnights_since is not None and one.stored.restate_until is not None:
            since.append((one.ref, instant(one.stored.midnights_since)))
            until.append(instant(min(one.stored.restate_until, one.stored.settled_at)))
    if not since:
        return {}
    rows = conn.execute(
        """
        SELECT DISTINCT ON (late.ref, history.as_of)
               late.ref, history.as_of, (history.score * 100)::int, history.band, history.grade
        FROM unnest(%(refs)s::uuid[], %(since)s::timestamptz[], %(until)s::timestamptz[]) AS late (ref, since, until)
        JOIN score_history AS history
          ON history.ref = late.ref AND history.model = %(model)s
         AND history.as_of > late.since AND history.as_of <= late.until
        WHERE history.kind = 'daily' AND history.as_of > %(first)s AND history.as_of <= %(now)s
        ORDER BY late.ref, history.as_of, history.id DESC
        """,
        {
            "refs": [ref for ref, _ in since],
            "since": [at for _, at in since],
            "until": until,
            "first": min(at for _, at in since),
            "now": context.as_of,
            "model": context.model.name,
        },
    ).fetchall()
    return {(ref, microseconds(as_of)): (score, band, grade) for ref, as_of, score, band, grade in rows}


def _rows(group: Group, days: Sequence[Midnights], existing: Existing) -> list[list[HistoryRow]]:
    """The history's rows for midnights; restated ones only where something differs."""
    wanted = [(place, one) for place, own in enumerate(days) for one in own.due if group.now.known[place]]
    rows: list[list[HistoryRow]] = [[] for _ in days]
    if not wanted:
        return rows
    evaluation = group.evaluated(np.array([place for place, _ in wanted], np.int64), [one.at for _, one in wanted])
    told = Told(group, evaluation)
    for row, (place, one) in enumerate(wanted):
        if not evaluation.known[row]:
            continue
        if one.restated and existing.get((group.subjects[place].ref, one.at)) == told.short(row, one.at):
            continue
        cause = "late" if one.restated else "time"
        rows[place].append(told.row(row, "daily", one.at, cause, complete=one.complete))
    return rows
