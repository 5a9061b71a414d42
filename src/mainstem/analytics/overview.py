"""All customers at a glance: how scores are spread, who moved.

"Before" is the daily score of an earlier day of data time, as it is known now; late data has restated it already.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from mainstem.analytics.wording import Contribution, Wording
from mainstem.store import Connection

__all__ = ["Average", "BandCount", "Mover", "Spread", "movers", "spread"]

_BINS = 20
_BIN_WIDTH = 100 // _BINS

# The newest row of a day is what is known of it now.
_BEFORE = """
    SELECT DISTINCT ON (ref) ref, id, score, band FROM score_history
    WHERE model = %(model)s AND kind = 'daily' AND as_of = %(day)s
    ORDER BY ref, id DESC
"""


@dataclasses.dataclass(frozen=True, slots=True)
class BandCount:
    """Customers in a band now, and on the earlier day; None when that day has no scores at all."""

    band: str
    count: int
    previous: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Average:
    """The mean score of all scored customers, 0 to 100; None when there are none."""

    score: Decimal | None
    previous: Decimal | None


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """All scores of a model. `histogram` is (low, high, customers) for twenty bins; a score of 100 is in the last."""

    average: Average
    bands: list[BandCount]
    histogram: list[tuple[int, int, int]]


@dataclasses.dataclass(frozen=True, slots=True)
class Mover:
    """A customer whose score moved. `reason` says what became of the component that moved most."""

    ref: uuid.UUID
    score: Decimal
    previous: Decimal
    band: str
    grade: str
    reason: str | None = None

    @property
    def change(self) -> Decimal:
        """Points gained, negative when lost."""
        return self.score - self.previous


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def spread(connection: Connection, model: str, before: dt.date) -> Spread:
    """How scores are spread now, and were on the day `before`; bands that nobody is or was in are left out."""
    present = connection.execute(
        """
        SELECT band, least(floor(score / %(width)s)::int, %(last)s), count(*), sum(score) FROM score
        WHERE model = %(model)s GROUP BY 1, 2
        """,
        {"model": model, "width": _BIN_WIDTH, "last": _BINS - 1},
    ).fetchall()
    past = connection.execute(
        f"SELECT band, count(*), sum(score) FROM ({_BEFORE}) AS before GROUP BY band",
        {"model": model, "day": _midnight(before)},
    ).fetchall()
    now, then = Counter[str](), Counter[str]()
    bins = [0] * _BINS
    for band, place, count, _ in present:
        now[band] += count
        bins[place] += count
    for band, count, _ in past:
        then[band] += count
    return Spread(
        average=Average(
            _mean(sum(row[3] for row in present), now.total()), _mean(sum(row[2] for row in past), then.total())
        ),
        bands=[BandCount(band, now[band], then[band] if past else None) for band in sorted(now | then)],
        histogram=[(n * _BIN_WIDTH, (n + 1) * _BIN_WIDTH, count) for n, count in enumerate(bins)],
    )


def _mean(total: Decimal | int, count: int) -> Decimal | None:
    return (Decimal(total) / count).quantize(Decimal("0.01"), ROUND_HALF_UP) if count else None


def movers(
    connection: Connection, wording: Wording, model: str, before: dt.date, limit: int
) -> tuple[list[Mover], list[Mover]]:
    """Those who moved most since the day `before`: who rose and who fell, the largest change first."""
    # Why is read of those few alone: the scores of a day lie in an index, what explains them does not.
    rows = connection.execute(
        f"""
        WITH before AS ({_BEFORE}), moved AS MATERIALIZED (
            SELECT score.ref, before.id, score.score - before.score AS change FROM score JOIN before USING (ref)
            WHERE score.model = %(model)s AND score.score <> before.score
        ), most AS (
            (SELECT * FROM moved WHERE change > 0 ORDER BY change DESC, ref LIMIT %(limit)s)
            UNION ALL (SELECT * FROM moved WHERE change < 0 ORDER BY change, ref LIMIT %(limit)s)
        )
        SELECT score.ref, score.score, past.score, score.band, score.grade,
               score.model_version, score.basis, past.model_version, past.basis
        FROM most
        JOIN score ON score.ref = most.ref AND score.model = %(model)s
        JOIN score_history AS past
          ON past.ref = most.ref AND past.model = %(model)s AND past.as_of = %(day)s AND past.id = most.id
        ORDER BY abs(most.change) DESC, score.ref
        """,
        {"model": model, "day": _midnight(before), "limit": limit},
    ).fetchall()
    found = [
        Mover(ref, score, previous, band, grade, _reason(now, then, rising=score > previous))
        for ref, score, previous, band, grade, *bases in rows
        for now, then in [(wording.contributions(model, *bases[:2]), wording.contributions(model, *bases[2:]))]
    ]
    return [mover for mover in found if mover.change > 0], [mover for mover in found if mover.change < 0]


def _reason(now: Sequence[Contribution], then: Sequence[Contribution], *, rising: bool) -> str | None:
    """What the component says now whose points went furthest the way the score went."""
    before = {one.component: one.points for one in then}
    moved = [(one.points - before.get(one.component, Decimal(0)), one.reason) for one in now]
    if not moved:
        return None
    pick = max if rising else min
    return pick(moved, key=lambda one: one[0])[1]
