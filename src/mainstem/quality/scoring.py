"""Scores, trends and grades of what was counted."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final

from mainstem.clock import Clock
from mainstem.contracts import Contract
from mainstem.quality.dimensions import WHOLE, Counted, Dimension, Share, objective, unmeasured
from mainstem.quality.history import Spans
from mainstem.quality.interval import Interval, wilson
from mainstem.quality.measurements import Measured, Measurement, Method
from mainstem.quality.settings import QualitySettings

__all__ = ["DayScores", "QualityGrade", "QualityScorer", "Score", "Scored", "by_worst", "replayed_days"]

_GOOD: Final = 0.99
_FAIR: Final = 0.9
_ONLY_HISTORY = (
    "Nothing came live on these days: what is loaded in bulk or replayed is history, which is late on purpose."
)
_MICROSECOND = dt.timedelta(microseconds=1)


class QualityGrade(enum.StrEnum):
    """Quality in a word, best first."""

    GOOD = "good"
    """Nothing that is measured lies below 99 %."""
    FAIR = "fair"
    """Nothing lies below 90 %, and no objective is missed."""
    POOR = "poor"
    """Something lies below 90 %, or misses its objective."""
    NONE = "none"
    """Nothing was checked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """One dimension over the days asked for, and its trend: the last days against those before them."""

    share: Share
    recent: Share
    before: Share
    objective: Decimal | None = None
    by: tuple[Measurement, ...] = ()
    """The measurements of what no check of records says; the share is that of the first."""

    @property
    def interval(self) -> Interval | None:
        """In which the share lies with 95 % confidence; None of what was counted of every record."""
        if not self.by or self.by[0].interval is None:
            return None
        return wilson(self.share.good, self.share.of)

    @property
    def judged(self) -> float | None:
        """What it is graded by: the share, or the best that the measurement leaves possible; None of nothing."""
        return self.share.value if self.interval is None else self.interval.high

    @property
    def breached(self) -> bool | None:
        """Whether it misses its objective; None where it has none. What was measured does where all of its interval does."""
        if self.objective is None:
            return None
        return self.share.below(self.objective) if self.interval is None else self.interval.high < self.objective

    @property
    def change(self) -> float | None:
        """By how much the last days are better than those before; None where there is nothing to compare."""
        now, then = self.recent.value, self.before.value
        return None if now is None or then is None else now - then


@dataclasses.dataclass(frozen=True, slots=True)
class DayScores:
    """One received day."""

    day: dt.date
    records: int
    shares: Mapping[Dimension, Share]
    breached: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """The quality of a field, or (`field` is `WHOLE`) of whole records."""

    source: str
    stream: str
    field: str
    required: bool
    checked: int
    scores: Mapping[Dimension, Score]
    unmeasured: Mapping[Dimension, str]
    days: tuple[DayScores, ...]

    @property
    def worst(self) -> Dimension | None:
        """The dimension with the lowest score; that nobody asks an optional field to be there is no fault of it."""
        asked = [name for name, score in self.scores.items() if score.share.of and not self._is_optional(name)]
        return min(asked, key=lambda name: self.scores[name].judged or 0.0, default=None)

    @property
    def grade(self) -> QualityGrade:
        """The grade of the worst dimension."""
        if self.worst is None:
            return QualityGrade.NONE
        value = self.scores[self.worst].judged or 0.0
        if value < _FAIR or any(score.breached for score in self.scores.values()):
            return QualityGrade.POOR
        return QualityGrade.GOOD if value >= _GOOD else QualityGrade.FAIR

    def _is_optional(self, name: Dimension) -> bool:
        return name is Dimension.COMPLETENESS and self.scores[name].objective is None


@dataclasses.dataclass(frozen=True, slots=True)
class QualityScorer:
    """Scores counts by what is declared; `dimensions` are those wanted, `replayed` days of which nothing is late."""

    settings: QualitySettings
    dimensions: Collection[Dimension] = tuple(Dimension)
    replayed: tuple[dt.date, dt.date] | None = None

    def score(
        self,
        name: tuple[str, str, str],
        contract: Contract | None,
        counted: tuple[Spans, Mapping[dt.date, Counted]],
        measured: Mapping[Dimension, Measured],
        *,
        first: dt.date,
    ) -> Scored:
        """The quality of (source, stream, field) by what was counted of records and measured of what is held.

        Days from `first` on are told one by one. Of a dimension that both speak of, the lower one does.
        """
        source, stream, field = name
        spans, days = counted
        said = {one: text for one, text in unmeasured(contract, field).items() if one in self.dimensions}
        if Dimension.TIMELINESS in self.dimensions and spans.total.checked and not spans.total.timed:
            said.setdefault(Dimension.TIMELINESS, _ONLY_HISTORY)
        held_to = self._objectives(contract, field)
        scores, of_days = {}, {}
        for one in Dimension:
            if one not in self.dimensions:
                continue
            score = None if one in said else _counted(spans, one, field, held_to.get(one))
            shares = {} if score is None else {day: each.share(one, field) for day, each in days.items()}
            other = measured.get(one)
            if (
                other is not None
                and _still_asked(other, contract, field)
                and (score is None or (score.share.value or 0.0) >= (other.total.value or 0.0))
            ):
                score = Score(other.total, other.recent, other.before, held_to.get(one), other.by)
                shares = dict(other.days)
            if score is not None:
                scores[one], of_days[one] = score, shares
        declared = contract.fields.get(field) if contract else None
        told = _days(days, of_days, scores, first)
        required = field == WHOLE or (declared is not None and declared.required)
        why = {one: text for one, text in said.items() if one not in scores}
        return Scored(source, stream, field, required, spans.total.checked, scores, why, told)

    def _objectives(self, contract: Contract | None, field: str) -> Mapping[Dimension, Decimal | None]:
        return {
            Dimension.COMPLETENESS: objective(contract, field, self.settings),
            Dimension.ACCURACY: Decimal(str(self.settings.accuracy)),
        }

    def judged(self, days: Mapping[dt.date, Counted]) -> dict[dt.date, Counted]:
        """The days, without the lateness of what a replay of history brought."""
        return {
            day: dataclasses.replace(counted, timed=0, late=0) if self._is_replayed(day) else counted
            for day, counted in days.items()
        }

    def _is_replayed(self, day: dt.date) -> bool:
        return self.replayed is not None and self.replayed[0] <= day <= self.replayed[1]


def _still_asked(measured: Measured, contract: Contract | None, field: str) -> bool:
    """Whether the contract in force still asks for what was measured."""
    if measured.by[0].method is not Method.UNIQUE or contract is None:
        return True
    return any(one.unique for name, one in contract.fields.items() if field in {WHOLE, name})


def _counted(spans: Spans, dimension: Dimension, field: str, held_to: Decimal | None) -> Score:
    total, recent, before = (each.share(dimension, field) for each in (spans.total, spans.recent, spans.before))
    return Score(total, recent, before, held_to)


def _days(
    days: Mapping[dt.date, Counted],
    shares: Mapping[Dimension, Mapping[dt.date, Share]],
    scores: Mapping[Dimension, Score],
    first: dt.date,
) -> tuple[DayScores, ...]:
    """Every day on which something was checked or measured; what was not is a share of nothing."""
    told = []
    for day in sorted({*days, *(day for each in shares.values() for day in each)}):
        if day >= first:
            of_day = {one: each.get(day, Share(0, 0)) for one, each in shares.items()}
            breached = any(dataclasses.replace(scores[one], share=share).breached for one, share in of_day.items())
            told.append(DayScores(day, days.get(day, Counted()).checked, of_day, breached))
    return tuple(told)


def by_worst(scored: Scored) -> tuple[float, int, str, str, str]:
    """A key to sort by, worst first: the lowest score, then the most that is wrong."""
    share = scored.scores[scored.worst].share if scored.worst else Share(1, 1)
    value = 2.0 if scored.worst is None else scored.scores[scored.worst].judged or 0.0
    return value, share.good - share.of, scored.source, scored.stream, scored.field


def replayed_days(clock: Clock) -> tuple[dt.date, dt.date] | None:
    """The received days of the latest replay of history, in which records come long after they occurred."""
    replay, now = clock.replay, clock.wall()
    if replay is None:
        return None
    ended = now
    if replay.finished_at(now) and replay.speed > 1:
        caught_up = (replay.started - replay.origin) / _MICROSECOND / (replay.speed - 1)
        ended = min(now, replay.started + caught_up * _MICROSECOND)
    return replay.started.astimezone(dt.UTC).date(), ended.astimezone(dt.UTC).date()
