"""Reading the counts of quality: by stream and day, by field over spans of days, by field and day."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from mainstem.quality.dimensions import Counted
from mainstem.store import Connection

__all__ = [
    "TREND_DAYS",
    "QualityQuery",
    "RemedyTotal",
    "Spans",
    "read_field_days",
    "read_fields",
    "read_remedied",
    "read_remedies",
    "read_streams",
]

TREND_DAYS = 7
"""A trend is these last days against as many before."""

_SELECTED = """
    day BETWEEN %(since)s AND %(last)s AND (%(source)s::text IS NULL OR source = %(source)s)
    AND (%(stream)s::text IS NULL OR stream = %(stream)s)
"""
_BY_FIELD = """
    quality_count CROSS JOIN LATERAL unnest(fields, field_checked, field_missing, field_invalid, field_inconsistent)
        AS one (field, checked, missing, bad, torn)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class QualityQuery:
    """Received days `first` to `last`, of everything or of a source, a stream, a field."""

    first: dt.date
    last: dt.date
    source: str | None = None
    stream: str | None = None
    field: str | None = None

    @property
    def recent(self) -> dt.date:
        """The first of the last days of a trend."""
        return self.last - dt.timedelta(days=TREND_DAYS - 1)

    @property
    def before(self) -> dt.date:
        """The first of the days that they are compared with."""
        return self.recent - dt.timedelta(days=TREND_DAYS)

    def parameters(self) -> dict[str, Any]:
        """For SQL; `since` reaches back for the trend."""
        since = min(self.first, self.before)
        return {**dataclasses.asdict(self), "since": since, "recent": self.recent, "before": self.before}


@dataclasses.dataclass(frozen=True, slots=True)
class RemedyTotal:
    """Over days: of `records` of the stream's `of` copies a remedy changed or marked a field's value, last on `latest`."""

    source: str
    stream: str
    field: str
    remedy: str
    records: int
    of: int
    latest: dt.date


@dataclasses.dataclass(frozen=True, slots=True)
class Spans:
    """Counts over all days asked for, over the last days, and over those before them."""

    total: Counted
    recent: Counted
    before: Counted

    @classmethod
    def of(cls, days: Mapping[dt.date, Counted], query: QualityQuery) -> Spans:
        """Added up from days."""
        return cls(
            _sum(days, query.first, query.last),
            _sum(days, query.recent, query.last),
            _sum(days, query.before, query.recent - dt.timedelta(days=1)),
        )

    def __add__(self, other: Spans) -> Spans:
        return Spans(self.total + other.total, self.recent + other.recent, self.before + other.before)


Streams = Mapping[tuple[str, str], Mapping[dt.date, Counted]]
Fields = Mapping[tuple[str, str, str], Spans]


def read_streams(conn: Connection, query: QualityQuery) -> Streams:
    """Whole records by (source, stream) and day, those for the trend included."""
    found: defaultdict[tuple[str, str], defaultdict[dt.date, Counted]] = defaultdict(lambda: defaultdict(Counted))
    rows = conn.execute(
        f"""
        SELECT source, stream, day, sum(records)::bigint, sum(incomplete)::bigint, sum(invalid)::bigint,
            sum(inconsistent)::bigint, sum(timed)::bigint, sum(late)::bigint
        FROM quality_count WHERE {_SELECTED} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        query.parameters(),
    ).fetchall()
    for source, stream, day, *counts in rows:
        found[source, stream][day] = Counted(*counts)
    # Repeats are the ledger's: nobody counts them a second time.
    repeats = conn.execute(
        f"""
        SELECT source, stream, day, coalesce(sum(n), 0)::bigint,
            coalesce(sum(n) FILTER (WHERE term = 'duplicate'), 0)::bigint
        FROM ledger WHERE term IN ('accepted', 'duplicate') AND {_SELECTED} GROUP BY 1, 2, 3
        """,
        query.parameters(),
    ).fetchall()
    for source, stream, day, told, repeated in repeats:
        if (source, stream) in found:
            found[source, stream][day] += Counted(told=told, repeated=repeated)
    return found


def read_fields(conn: Connection, query: QualityQuery) -> Fields:
    """Fields by (source, stream, field)."""
    spans = {
        "total": "day BETWEEN %(first)s AND %(last)s",
        "recent": "day >= %(recent)s",
        "before": "day >= %(before)s AND day < %(recent)s",
    }
    sums = ", ".join(
        f"coalesce(sum({name}) FILTER (WHERE {condition}), 0)::bigint"
        for condition in spans.values()
        for name in ("checked", "missing", "bad", "torn")
    )
    rows = conn.execute(
        f"""
        SELECT source, stream, field, {sums} FROM {_BY_FIELD}
        WHERE {_SELECTED} AND (%(field)s::text IS NULL OR field = %(field)s) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        query.parameters(),
    ).fetchall()
    return {
        (source, stream, field): Spans(Counted(*sums[:4]), Counted(*sums[4:8]), Counted(*sums[8:]))
        for source, stream, field, *sums in rows
    }


def read_field_days(conn: Connection, query: QualityQuery) -> Mapping[tuple[str, str, str], Mapping[dt.date, Counted]]:
    """Fields by (source, stream, field) and day, those for the trend included."""
    found: defaultdict[tuple[str, str, str], dict[dt.date, Counted]] = defaultdict(dict)
    rows = conn.execute(
        f"""
        SELECT source, stream, field, day, sum(checked)::bigint, sum(missing)::bigint, sum(bad)::bigint, sum(torn)::bigint
        FROM {_BY_FIELD}
        WHERE {_SELECTED} AND (%(field)s::text IS NULL OR field = %(field)s) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        query.parameters(),
    ).fetchall()
    for source, stream, field, day, *counts in rows:
        found[source, stream, field][day] = Counted(*counts)
    return found


def read_remedied(conn: Connection, query: QualityQuery) -> Mapping[tuple[str, str, str], Mapping[str, int]]:
    """By (source, stream, field), over the days asked for, of how many copies each remedy changed or marked a value."""
    found: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    rows = conn.execute(
        f"""
        SELECT source, stream, field, remedy, sum(n)::bigint FROM remedy_count
        WHERE {_SELECTED} AND day >= %(first)s AND (%(field)s::text IS NULL OR field = %(field)s)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        query.parameters(),
    ).fetchall()
    for source, stream, field, remedy, n in rows:
        found[source, stream, field][remedy] = n
    return found


def read_remedies(conn: Connection, query: QualityQuery) -> list[RemedyTotal]:
    """Every remedy that did something on the days asked for, of which most copies come first."""
    rows = conn.execute(
        f"""
        WITH checked AS (
            SELECT source, stream, sum(records)::bigint AS n FROM quality_count
            WHERE {_SELECTED} AND day >= %(first)s GROUP BY 1, 2
        )
        SELECT r.source, r.stream, r.field, r.remedy, sum(r.n)::bigint, coalesce(c.n, 0), max(r.day)
        FROM (SELECT * FROM remedy_count WHERE {_SELECTED} AND day >= %(first)s) AS r
        LEFT JOIN checked AS c USING (source, stream)
        GROUP BY r.source, r.stream, r.field, r.remedy, c.n ORDER BY 5 DESC, 1, 2, 3, 4
        """,
        query.parameters(),
    ).fetchall()
    return [RemedyTotal(*row) for row in rows]


def _sum(days: Mapping[dt.date, Counted], first: dt.date, last: dt.date) -> Counted:
    return sum((counted for day, counted in days.items() if first <= day <= last), Counted())
