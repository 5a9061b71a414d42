"""The noun: something whose value is far from what was expected of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mainstem.quality.anomalies.expectation import HISTORY, Scale, Tier, expect

__all__ = ["Anomaly", "Judged", "Series", "Signal", "Subject"]

Floats = npt.NDArray[np.float64]

Subject = tuple[str, str, str]
"""Source, stream, and the name of a field or metric; '' where there is none."""

# Rows that are judged together: a table of windows is made of each.
_AT_ONCE = 1000


class Signal(enum.StrEnum):
    """What is watched."""

    VOLUME = "volume"
    """Records of a stream that were received on a day."""
    MISSING = "missing"
    """Share of a day's records in which a field has no value."""
    INVALID = "invalid"
    """Share of a field's values of a day that are not valid."""
    DISTINCT = "distinct"
    """Share of a field's values of a day that are different ones."""
    REPEATED = "repeated"
    """Share of a stream's records of a day that were repeats."""
    LATE = "late"
    """Share of a stream's live records of a day that came late."""
    METRIC = "metric"
    """A metric's value over all customers, on a day that is closed."""
    FRESHNESS = "freshness"
    """Seconds since the newest record of a stream."""


@dataclasses.dataclass(frozen=True, slots=True)
class Anomaly:
    """A value beyond its band. `at`: the begin of its day (UTC); of freshness, since when nothing came."""

    signal: Signal
    source: str
    stream: str
    name: str
    at: dt.datetime
    tier: Tier
    value: float
    expected: float
    low: float
    high: float
    deviation: float
    """In usual distances; negative below what was expected."""
    seen_at: dt.datetime
    ended_at: dt.datetime | None = None
    """When it was an anomaly no more: late records made up for it, or something came again."""

    @property
    def subject(self) -> Subject:
        """What it is about."""
        return self.source, self.stream, self.name


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """What was looked at of one signal at one instant, and what of it is an anomaly."""

    signal: Signal
    at: dt.datetime
    subjects: frozenset[Subject]
    found: Sequence[Anomaly]


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """n values of one signal a day. `values` (n x d): the days up to `last`, NaN where nothing is known.

    `weights` (n x d): of shares, the records that each is a share of. `also` (n x d): the same told in another way: what is
    usual in one of both is no anomaly.
    """

    signal: Signal
    scale: Scale
    subjects: Sequence[Subject]
    last: dt.date
    values: Floats
    weights: Floats | None = None
    also: Floats | None = None

    def judged(self, days: int, seen_at: dt.datetime) -> Iterator[Judged]:
        """Each of the last `days` days, by the days before it."""
        width = self.values.shape[1]
        # What was always the same is as it was expected.
        moving = np.flatnonzero(np.fmax.reduce(self.values, axis=1) > np.fmin.reduce(self.values, axis=1))
        for back in range(min(days, width)):
            end = width - 1 - back
            at = _midnight(self.last - dt.timedelta(days=back))
            known = moving[~np.isnan(self.values[moving, end])]
            parts = (known[start : start + _AT_ONCE] for start in range(0, len(known), _AT_ONCE))
            found = [one for part in parts for one in self._found(end, part, at, seen_at)]
            yield Judged(self.signal, at, frozenset(self.subjects), found)

    def _found(
        self, column: int, rows: npt.NDArray[np.intp], at: dt.datetime, seen_at: dt.datetime
    ) -> Iterator[Anomaly]:
        """Those of some rows whose value in a column is beyond its band."""
        value = self.values[rows, column]
        weight = None if self.weights is None else self.weights[rows, column]
        expected = expect(_before(self.values, rows, column), value, self.scale, weight)
        deviation = expected.deviation
        if self.also is not None:
            other = expect(_before(self.also, rows, column), self.also[rows, column], self.scale).deviation
            deviation = np.where(np.abs(other) < np.abs(deviation), other, deviation)
        for n in np.flatnonzero(np.abs(deviation) > Tier.WARN.distance).tolist():
            source, stream, name = self.subjects[rows[n]]
            tier = Tier.of(deviation[n])
            if tier is not None:
                yield Anomaly(
                    signal=self.signal,
                    source=source,
                    stream=stream,
                    name=name,
                    at=at,
                    tier=tier,
                    value=float(value[n]),
                    expected=float(expected.centre[n]),
                    low=float(expected.low[n]),
                    high=float(expected.high[n]),
                    deviation=float(deviation[n]),
                    seen_at=seen_at,
                )


def _before(values: Floats, rows: npt.NDArray[np.intp], column: int) -> Floats:
    """The days before a column, as many as are looked at."""
    past = values[rows, max(column - HISTORY, 0) : column]
    return np.pad(past, ((0, 0), (HISTORY - past.shape[1], 0)), constant_values=np.nan)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
