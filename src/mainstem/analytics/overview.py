"""All customers at a glance: how scores are spread, who moved.

"Before" is the daily score of an earlier day of data time, as it is known now; late data has restated it already.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mainstem.store import Connection

__all__ = ["Average", "BandCount", "Mover", "average", "band_counts", "histogram", "movers"]

_BINS = 20
_BIN_WIDTH = 100 // _BINS

# The newest row of a day is what is known of it now.
_BEFORE = """
    SELECT DISTINCT ON (ref) ref, score, band, contributions FROM score_history
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


def band_counts(connection: Connection, model: str, before: dt.date) -> list[BandCount]:
    """Customers by band, now and on the day `before`; bands that nobody is in are left out."""
    rows = connection.execute(
        f"""
        WITH before AS ({_BEFORE}),
             past AS (SELECT band, count(*) AS n FROM before GROUP BY band),
             present AS (SELECT band, count(*) AS n FROM score WHERE model = %(model)s GROUP BY band)
        SELECT coalesce(present.band, past.band), coalesce(present.n, 0),
               CASE WHEN EXISTS (SELECT FROM past) THEN coalesce(past.n, 0) END
        FROM present FULL JOIN past ON past.band = present.band
        ORDER BY 1
        """,
        {"model": model, "day": _midnight(before)},
    ).fetchall()
    return [BandCount(*row) for row in rows]


def average(connection: Connection, model: str, before: dt.date) -> Average:
    """The mean score, now and on the day `before`, to two decimals."""
    row = connection.execute(
        f"""
        SELECT (SELECT round(avg(score), 2) FROM score WHERE model = %(model)s),
               (SELECT round(avg(score), 2) FROM ({_BEFORE}) AS before)
        """,
        {"model": model, "day": _midnight(before)},
    ).fetchone()
    return Average(*row) if row else Average(None, None)


def histogram(connection: Connection, model: str) -> list[tuple[int, int, int]]:
    """(low, high, customers) for twenty bins of five points; a score of 100 is in the last."""
    counted: dict[int, int] = dict(
        connection.execute(
            "SELECT least(floor(score / %(width)s)::int, %(last)s), count(*) FROM score WHERE model = %(model)s GROUP BY 1",
            {"model": model, "width": _BIN_WIDTH, "last": _BINS - 1},
        ).fetchall()
    )
    return [(n * _BIN_WIDTH, (n + 1) * _BIN_WIDTH, counted.get(n, 0)) for n in range(_BINS)]


def movers(connection: Connection, model: str, before: dt.date, *, rising: bool, limit: int) -> list[Mover]:
    """Those who moved most since the day `before`, up or down, the largest change first."""
    order = "DESC" if rising else "ASC"
    comparison = ">" if rising else "<"
    rows = connection.execute(
        f"""
        WITH before AS ({_BEFORE})
        SELECT score.ref, score.score, before.score, score.band, score.grade, score.contributions, before.contributions
        FROM score JOIN before USING (ref)
        WHERE score.model = %(model)s AND score.score {comparison} before.score
        ORDER BY score.score - before.score {order}, score.ref
        LIMIT %(limit)s
        """,
        {"model": model, "day": _midnight(before), "limit": limit},
    ).fetchall()
    return [
        Mover(ref, score, previous, band, grade, _reason(now, then, rising=rising))
        for ref, score, previous, band, grade, now, then in rows
    ]


def _reason(now: Sequence[Mapping[str, Any]], then: Sequence[Mapping[str, Any]], *, rising: bool) -> str | None:
    """What the component says now whose points went furthest the way the score went."""
    before = {each["component"]: each["points"] for each in then}
    moved = [(each["points"] - before.get(each["component"], 0), each["reason"]) for each in now]
    if not moved:
        return None
    pick = max if rising else min
    return str(pick(moved, key=lambda one: one[0])[1])
