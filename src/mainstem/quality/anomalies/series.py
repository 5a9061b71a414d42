"""What is counted of streams and fields, as series of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mainstem.model import sketch
from mainstem.quality.anomalies.anomaly import Series, Signal, Subject
from mainstem.quality.anomalies.expectation import HISTORY, Scale
from mainstem.store import Connection, Database

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
    SELECT source, stream, '' AS name, day, sum(n) AS n,
        coalesce(sum(n) FILTER (WHERE term IN ('accepted', 'duplicate')), 0) AS told,
        coalesce(sum(n) FILTER (WHERE term = 'duplicate'), 0) AS repeated
    FROM ledger WHERE day BETWEEN %(first)s AND %(last)s GROUP BY 1, 2, 4
    """
_RECORDS = """
    SELECT source, stream, '' AS name, day, sum(timed) AS timed, sum(late) AS late
    FROM quality_count WHERE day BETWEEN %(first)s AND %(last)s GROUP BY 1, 2, 4
    """
_FIELDS = """
    SELECT source, stream, fields, day - %(first)s::date, field_checked, field_missing, field_invalid
    FROM quality_count WHERE day BETWEEN %(first)s AND %(last)s
    """
_SKETCHES = """
    SELECT source, stream, fields, day - %(first)s::date, registers
    FROM quality_distinct WHERE day BETWEEN %(first)s AND %(last)s
    """


def read_received_series(database: Database, last: dt.date) -> list[Series]:
    """The signals that are counted by received day, up to the day `last`. Raises UnavailableError."""
    first = last - dt.timedelta(days=_DAYS - 1)
    with database.snapshot() as conn:
        ledger = _table(conn, _LEDGER, ("n", "told", "repeated"), first, last)
        records = _table(conn, _RECORDS, ("timed", "late"), first, last)
        fields = _field_table(conn, first, last)
        different = _different(conn, first, last)
    subjects, (received, told, repeated) = ledger
    series = [
        Series(Signal.VOLUME, Scale.COUNT, subjects, last, _since_first(received)),
        _shares(Signal.REPEATED, subjects, last, repeated, told),
    ]
    subjects, (timed, late) = records
    series.append(_shares(Signal.LATE, subjects, last, late, timed))
    subjects, (checked, missing, invalid) = fields
    series.append(_shares(Signal.MISSING, subjects, last, missing, checked))
    series.append(_shares(Signal.INVALID, subjects, last, invalid, checked - missing))
    series.append(_distinct(subjects, last, checked - missing, different))
    return [one for one in series if one.subjects]


def _table(
    conn: Connection, query: str, numbers: Sequence[str], first: dt.date, last: dt.date
) -> tuple[Sequence[Subject], Floats]:
    """The subjects, and of each of the numbers a table of subjects and days, 0 where there is no row."""
    columns = ", ".join(f"array_agg({name}::double precision)" for name in numbers)
    rows = conn.execute(
        f"SELECT source, stream, name, array_agg(day - %(first)s::date), {columns} FROM ({query}) AS one"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        {"first": first, "last": last},
    )
    subjects: list[Subject] = []
    tables: list[Floats] = []
    for source, stream, name, days, *values in rows:
        subjects.append((source, stream, name))
        table = np.zeros((len(numbers), _DAYS))
        table[:, days] = values
        tables.append(table)
    return subjects, np.stack(tables, axis=1) if tables else np.zeros((len(numbers), 0, _DAYS))


def _field_table(conn: Connection, first: dt.date, last: dt.date) -> tuple[Sequence[Subject], Floats]:
    """The same of fields: values checked, missing and invalid."""
    # A row has all fields of a stream, and is added up as it comes: a row a field and day would be millions.
    found: dict[tuple[str, str, tuple[str, ...]], Floats] = {}
    for source, stream, names, day, *numbers in conn.execute(_FIELDS, {"first": first, "last": last}, binary=True):
        key = (source, stream, tuple(names))
        if key not in found:
            found[key] = np.zeros((3, len(names), _DAYS))
        found[key][:, :, day] += numbers
    subjects = sorted({(source, stream, name) for source, stream, names in found for name in names})
    places = {subject: place for place, subject in enumerate(subjects)}
    tables = np.zeros((3, len(subjects), _DAYS))
    for (source, stream, names), added in found.items():
        tables[:, [places[source, stream, name] for name in names]] += added
    return subjects, tables


def _different(conn: Connection, first: dt.date, last: dt.date) -> Mapping[Subject, Floats]:
    """By field, how many different values it had on each of the days; 0 where that is not known."""
    merged: dict[Subject, npt.NDArray[np.uint8]] = {}
    for source, stream, names, day, told in conn.execute(_SKETCHES, {"first": first, "last": last}, binary=True):
        registers = np.frombuffer(told, np.uint8).reshape(len(names), -1)
        for name, own in zip(names, registers, strict=True):
            known = merged.setdefault((source, stream, name), np.zeros((_DAYS, len(own)), np.uint8))
            known[day] = sketch.merged(known[day], own)
    return {subject: sketch.estimates(days) for subject, days in merged.items()}


def _distinct(
    subjects: Sequence[Subject], last: dt.date, values: Floats, different: Mapping[Subject, Floats]
) -> Series:
    """The share of a day's values that are different ones, and how many that are.

    By its logarithm a share says as much of a field with five values as of one in which all differ.
    """
    none = np.zeros(_DAYS)
    count = np.stack([different.get(subject, none) for subject in subjects]) if subjects else np.zeros((0, _DAYS))
    known = (values >= _LEAST_RECORDS) & (count > 0)
    # An estimate may lie above what there is.
    count = np.where(known, np.minimum(count, values), np.nan)
    share = count / np.maximum(values, 1)
    return Series(Signal.DISTINCT, Scale.AMOUNT, subjects, last, share, also=count)


def _since_first(counts: Floats) -> Floats:
    """Counts, where a day without one is a day on which nothing came; but before the first day nothing is known."""
    begun = np.cumsum(counts, axis=1) > 0
    return np.where(begun, counts, np.nan)


def _shares(signal: Signal, subjects: Sequence[Subject], last: dt.date, part: Floats, whole: Floats) -> Series:
    enough = whole >= _LEAST_RECORDS
    return Series(signal, Scale.SHARE, subjects, last, np.where(enough, part / np.maximum(whole, 1), np.nan), whole)
