"""Customers whose cells have been read together: their scores at any instants, and how far their streams vouch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mainstem.analytics.basis import encode_bases
from mainstem.analytics.context import Context
from mainstem.analytics.evaluation import GRADES, Evaluation, evaluate
from mainstem.analytics.inputs import DAY, NEVER, DaySpan, Flags, Ints, Rows, Subjects, read_history
from mainstem.analytics.model import CHURNED
from mainstem.analytics.outcomes import HistoryRow
from mainstem.analytics.subjects import Subject
from mainstem.store import Connection

__all__ = ["Group", "Told", "groups", "speaks_of"]

# Matrices of customers by days are kept to a size that stays in the processor's caches.
_MOST_CELLS = 400_000
_SMALLEST = 10
# Customers that look back much further than the others are read apart from them.
_FAR = 60 * DAY


def speaks_of(subject: Subject, at: int) -> int:
    """The instant that a row at `at` speaks of: a customer that has left stays as it left."""
    return at if subject.churned_at is None else min(at, subject.churned_at)


def groups(conn: Connection, context: Context, subjects: Sequence[Subject], earliest: Sequence[int]) -> Iterator[Group]:
    """Read the cells of customers, as many at once as is good; `earliest` are the first instants they are asked for."""
    order = sorted(range(len(subjects)), key=lambda place: earliest[place])
    while order:
        first = earliest[order[0]]
        near = [place for place in order if earliest[place] - first <= _FAR]
        span = _span(context, {subjects[place].source for place in near}, first)
        some = near[: max(_SMALLEST, _MOST_CELLS // (span.last - span.first + 1))]
        order = order[len(some) :]
        yield Group(conn, context, [subjects[place] for place in some], span)


def _span(context: Context, sources: set[str], first: int) -> DaySpan:
    """The days to read: as far back as the earliest row looks, from where its slowest stream stands."""
    asked = (first - 1) // DAY
    stands = [feed.complete_until for feed in context.feeds if feed.source in sources]
    slowest = min([first, *(at for at in stands if at != NEVER)])
    begin = (slowest - 1) // DAY - context.model.lookback - 1
    return DaySpan(begin, max(asked, begin), max((context.now - 1) // DAY, asked, begin))


class Group:
    """See the module's text. `now` is the evaluation of all of them as of now, in their order."""

    def __init__(self, conn: Connection, context: Context, subjects: Sequence[Subject], span: DaySpan) -> None:
        self.context = context
        self.subjects = subjects
        self.segments = [one.segment for one in subjects]
        names = Subjects([one.ref for one in subjects], [one.source for one in subjects])
        self._history = read_history(conn, names, context.feeds, span)
        self.now = self.evaluated(np.arange(len(subjects)), [context.now] * len(subjects))
        self.uses = np.logical_or.reduce(self.now.inputs.uses)
        """Customers x feeds: on which feeds anything of the score rests."""
        self.horizons = _horizons(context, self.uses)

    def evaluated(self, customers: Ints, instants: Sequence[int]) -> Evaluation:
        """The scores of customers (by their places) at instants."""
        spoken = [speaks_of(self.subjects[place], at) for place, at in zip(customers.tolist(), instants, strict=True)]
        rows = Rows(customers, np.array(spoken, np.int64))
        return evaluate(self.context.model, self._history, rows, self.segments, self.context.grades)

    def band(self, subject: Subject, score: int, at: int) -> str:
        """The band of a score at an instant."""
        if subject.churned_at is not None and subject.churned_at <= at:
            return CHURNED
        return self.context.model.band(score)


class Told:
    """Rows of an evaluation of a group, as they are kept."""

    def __init__(self, group: Group, evaluation: Evaluation) -> None:
        self._group = group
        self._evaluation = evaluation
        self._customers = evaluation.rows.customers.tolist()
        self._bases = encode_bases(group.context.model, evaluation, group.segments)

    def short(self, row: int, at: int) -> tuple[int, str, str]:
        """Score in hundredths, band and grade."""
        score = int(self._evaluation.total[row])
        grade = GRADES[int(self._evaluation.grades[row])].value
        return score, self._group.band(self._group.subjects[self._customers[row]], score, at), grade

    def row(self, row: int, kind: str, at: int, cause: str, *, complete: bool) -> HistoryRow:
        """All of it."""
        score, band, grade = self.short(row, at)
        return HistoryRow(kind, at, complete, score, band, grade, cause, self._bases[row].tobytes())


def _horizons(context: Context, uses: Flags) -> Ints:
    """Up to where all streams that a row rests on vouch; now where it rests on none."""
    stands = np.array([min(feed.complete_until, context.now) for feed in context.feeds], np.int64)
    horizons: Ints = np.where(uses, stands[None, :], context.now).min(axis=1, initial=context.now)
    return horizons
