"""What is counted of streams and fields, as series of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from mainstem.quality.anomalies.anomaly import Series, Signal, Subject
from mainstem.quality.anomalies.expectation import HISTORY, Scale
from mainstem.store import Database

__all__ = ["DAYS_JUDGED", "SeriesReader", "read_received_series"]

Floats = npt.NDArray[np.float64]

DAYS_JUDGED = 7
"""Days that are looked at again: what waited in the log, or came late, belongs to them."""

SeriesReader = Callable[[Database], Iterable[Series]]
"""Reads series whose last day is over, each with the days before it."""

_DAYS = HISTORY + DAYS_JUDGED
# Fewer say little of a share.
_LEAST_RECORDS = 50
_LEDGER = """
    SELECT source, stream, '' AS name, day, sum(n)::bigint,
        coalesce(sum(n) FILTER (WHERE term IN ('accepted', 'duplicate')), 0)::bigint,
        coalesce(sum(n) FILTER (WHERE term = 'duplicate'), 0)::bigint
    FROM ledger WHERE day BETWEEN %s AND %s GROUP BY 1, 2, 4 ORDER BY 1, 2
    """
_RECORDS = """
    SELECT source, stream, '' AS name, day, sum(timed)::bigint, sum(late)::bigint
    FROM quality_count WHERE day BETWEEN %s AND %s GROUP BY 1, 2, 4 ORDER BY 1, 2
    """
_FIELDS = """
    SELECT source, stream, field, day, sum(checked)::bigint, sum(missing)::bigint, sum(checked - missing)::bigint,
        sum(bad)::bigint
    FROM quality_count CROSS JOIN LATERAL unnest(fields, field_checked, field_missing, field_invalid)
        AS one (field, checked, missing, bad)
    WHERE day BETWEEN %s AND %s GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
    """

_Row = tuple[str, str, str, dt.date, *tuple[int, ...]]


def read_received_series(database: Database, last: dt.date) -> list[Series]:
    """The signals that are counted by received day, up to the day `last`. Raises UnavailableError."""
    first = last - dt.timedelta(days=_DAYS - 1)
    with database.snapshot() as conn:
        ledger, records, fields = (
            conn.execute(query, [first, last]).fetchall() for query in (_LEDGER, _RECORDS, _FIELDS)
        )
    subjects, (received, told, repeated) = _table(ledger, first, 3)
    series = [
        Series(Signal.VOLUME, Scale.COUNT, subjects, last, _since_first(received)),
        _shares(Signal.REPEATED, subjects, last, repeated, told),
    ]
    subjects, (timed, late) = _table(records, first, 2)
    series.append(_shares(Signal.LATE, subjects, last, late, timed))
    subjects, (checked, missing, present, invalid) = _table(fields, first, 4)
    series.append(_shares(Signal.MISSING, subjects, last, missing, checked))
    series.append(_shares(Signal.INVALID, subjects, last, invalid, present))
    return [one for one in series if one.subjects]


def _table(rows: Sequence[_Row], first: dt.date, width: int) -> tuple[Sequence[Subject], Floats]:
    """The subjects, and of each of the `width` numbers of a row a table of subjects and days, 0 where there is no row."""
    subjects = list(dict.fromkeys(row[:3] for row in rows))
    places = {subject: place for place, subject in enumerate(subjects)}
    tables = np.zeros((width, len(subjects), _DAYS))
    for row in rows:
        tables[:, places[row[:3]], (row[3] - first).days] = row[4:]
    return subjects, tables


def _since_first(counts: Floats) -> Floats:
    """Counts, where a day without one is a day on which nothing came; but before the first day nothing is known."""
    begun = np.cumsum(counts, axis=1) > 0
    return np.where(begun, counts, np.nan)


def _shares(signal: Signal, subjects: Sequence[Subject], last: dt.date, part: Floats, whole: Floats) -> Series:
    enough = whole >= _LEAST_RECORDS
    return Series(signal, Scale.SHARE, subjects, last, np.where(enough, part / np.maximum(whole, 1), np.nan), whole)
