"""What happened to a customer besides events: scores that were shown, and past days that late data put right."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from decimal import Decimal

from mainstem.store import Connection

__all__ = ["RestatedDay", "ShownScore", "restated_days", "shown_scores"]

_AGE = dt.timedelta(days=35)
_MOST = 100


@dataclasses.dataclass(frozen=True, slots=True)
class ShownScore:
    """A score as it was shown from `at` on (data time); `previous` None: nothing was shown before it."""

    at: dt.datetime
    score: Decimal
    band: str
    previous: Decimal | None
    previous_band: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class RestatedDay:
    """Metrics of a past day that became others, as (name, before, now), known at an instant of wall time.

    Of `gauges` it is by how much they moved on the day.
    """

    known_at: dt.datetime
    day: dt.date
    source: str
    stream: str
    changes: tuple[tuple[str, Decimal, Decimal], ...]
    gauges: frozenset[str] = frozenset()


def shown_scores(
    connection: Connection, ref: uuid.UUID, model: str, until: dt.datetime, known_at: dt.datetime | None
) -> list[ShownScore]:
    """Scores shown in the 35 days up to an instant of data time, among those known at `known_at`; newest first."""
    rows = connection.execute(
        """
        SELECT as_of, score, band, lag(score) OVER earlier, lag(band) OVER earlier FROM (
            SELECT as_of, id, score, band FROM score_history
            WHERE ref = %(ref)s AND model = %(model)s AND kind = 'live' AND as_of > %(from)s AND as_of <= %(until)s
              AND known_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
            ORDER BY as_of DESC, id DESC LIMIT %(most)s
        ) AS newest WINDOW earlier AS (ORDER BY as_of, id) ORDER BY as_of DESC, id DESC
        """,
        {"ref": ref, "model": model, "from": until - _AGE, "until": until, "known_at": known_at, "most": _MOST},
    ).fetchall()
    return [ShownScore(*row) for row in rows]


def restated_days(connection: Connection, ref: uuid.UUID, known: tuple[dt.datetime, dt.datetime]) -> list[RestatedDay]:
    """Corrections that became known after the first and up to the second instant of wall time; newest first.

    Metrics whose value is no number are left out.
    """
    rows = connection.execute(
        """
        SELECT one.known_at, one.day, source, stream,
               array_agg(metric ORDER BY metric), array_agg(old ORDER BY metric), array_agg(new ORDER BY metric),
               array_agg(metric) FILTER (WHERE EXISTS (
                   SELECT FROM gauge_change AS moved WHERE (moved.series, moved.ref, moved.day) = (one.series, %(ref)s, one.day)
               ))
        FROM (
            SELECT correction.known_at, (bucket AT TIME ZONE 'UTC')::date AS day, series,
                   sum(coalesce(old_value, 0)) AS old, sum(new_value) AS new
            FROM correction
            WHERE ref = %(ref)s AND correction.known_at > %(after)s AND correction.known_at <= %(until)s
            GROUP BY 1, 2, 3
        ) AS one JOIN series USING (series)
        WHERE old <> new GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 2 DESC LIMIT %(most)s
        """,
        {"ref": ref, "after": known[0], "until": known[1], "most": _MOST},
    ).fetchall()
    return [
        RestatedDay(known_at, day, source, stream, tuple(zip(metrics, old, new, strict=True)), frozenset(gauges or ()))
        for known_at, day, source, stream, metrics, old, new, gauges in rows
    ]
