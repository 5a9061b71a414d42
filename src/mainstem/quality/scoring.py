"""Scores, trends and grades of what was counted."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Final

from mainstem.clock import Clock
from mainstem.contracts import Contract
from mainstem.quality.dimensions import WHOLE, Counted, Dimension, Share, objective, unmeasured
from mainstem.quality.history import Spans
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

    @property
    def breached(self) -> bool | None:
        """Whether it misses its objective; None where it has none."""
        return None if self.objective is None else self.share.below(self.objective)

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
        return min(asked, key=lambda name: self.scores[name].share.value or 0.0, default=None)

    @property
    def grade(self) -> QualityGrade:
        """The grade of the worst dimension."""
        if self.worst is None:
            return QualityGrade.NONE
        value = self.scores[self.worst].share.value or 0.0
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
        spans: Spans,
        days: Mapping[dt.date, Counted],
        *,
        first: dt.date,
    ) -> Scored:
        """The quality of (source, stream, field); `days` from `first` on are told one by one."""
        source, stream, field = name
        why = {one: text for one, text in unmeasured(contract, field).items() if one in self.dimensions}
        if Dimension.TIMELINESS in self.dimensions and spans.total.checked and not spans.total.timed:
            why.setdefault(Dimension.TIMELINESS, _ONLY_HISTORY)
        wanted = [one for one in Dimension if one in self.dimensions and one not in why]
        held_to = objective(contract, field, self.settings)
        scores = {}
        for one in wanted:
            shares = (spans.total.share(one, field), spans.recent.share(one, field), spans.before.share(one, field))
            scores[one] = Score(*shares, held_to if one is Dimension.COMPLETENESS else None)
        declared = contract.fields.get(field) if contract else None
        told = tuple(self._day(day, days[day], field, wanted, held_to) for day in sorted(days) if day >= first)
        required = field == WHOLE or (declared is not None and declared.required)
        return Scored(source, stream, field, required, spans.total.checked, scores, why, told)

    def judged(self, days: Mapping[dt.date, Counted]) -> dict[dt.date, Counted]:
        """The days, without the lateness of what a replay of history brought."""
        return {
            day: dataclasses.replace(counted, timed=0, late=0) if self._is_replayed(day) else counted
            for day, counted in days.items()
        }

    def _is_replayed(self, day: dt.date) -> bool:
        return self.replayed is not None and self.replayed[0] <= day <= self.replayed[1]

    @staticmethod
    def _day(
        day: dt.date, counted: Counted, field: str, wanted: Iterable[Dimension], held_to: Decimal | None
    ) -> DayScores:
        shares = {one: counted.share(one, field) for one in wanted}
        complete = shares.get(Dimension.COMPLETENESS)
        return DayScores(day, counted.checked, shares, complete is not None and complete.below(held_to))


def by_worst(scored: Scored) -> tuple[float, int, str, str, str]:
    """A key to sort by, worst first: the lowest score, then the most that is wrong."""
    share = scored.scores[scored.worst].share if scored.worst else Share(1, 1)
    value = 2.0 if scored.worst is None else share.value or 0.0
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
