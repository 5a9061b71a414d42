"""Objectives that were missed: told once per field, day and dimension, so that somebody can be alerted.

A day's completeness is the sum over partitions, which one commit does not see. So it is looked at beside the sink, every
minute, and what was found before is not told again. Accuracy misses its objective only where all of its interval does.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Protocol

import structlog

from mainstem.clock import Clock
from mainstem.contracts import Contract
from mainstem.quality.dimensions import WHOLE, Dimension, Share, objective
from mainstem.quality.history import QualityQuery
from mainstem.quality.measurements import read_measurements
from mainstem.quality.settings import QualitySettings
from mainstem.store import Connection, Database, append_changes

__all__ = ["BREACH_CHANNEL", "Breach", "Contracts", "find_breaches", "read_breaches"]

_log = structlog.get_logger()

BREACH_CHANNEL = 32
"""Of the change stream: the scheduler's."""
# Records that waited in the log count for the day on which they were received.
_DAYS_BACK = dt.timedelta(days=7)
_PLACES = Decimal("0.000001")
_MOST = 500


class Contracts(Protocol):
    """What is asked of `contracts.Registry`."""

    def active(self, source: str, stream: str) -> Contract | None:
        """The contract in force."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Breach:
    """A received day on which a field missed its objective. `value` is as when it was first seen."""

    source: str
    stream: str
    field: str
    day: dt.date
    dimension: Dimension
    value: Decimal
    objective: Decimal
    seen_at: dt.datetime


def find_breaches(
    database: Database, contracts: Contracts, settings: QualitySettings, clock: Clock
) -> Sequence[Breach]:
    """Look for breaches of the last days, and tell the new ones as changes of the kind `quality`; these.

    Raises UnavailableError.
    """
    now = clock.wall()
    with database.transaction() as conn:
        found = [*_incomplete(conn, contracts, settings, now), *_inaccurate(conn, settings, now)]
        new = [breach for breach in found if _remember(conn, breach)]
        append_changes(conn, BREACH_CHANNEL, "quality", [_told(breach) for breach in new], now)
    for breach in new:
        _log.warning("quality_breached", **{k: str(v) for k, v in _told(breach).items()})
    return new


def _incomplete(
    conn: Connection, contracts: Contracts, settings: QualitySettings, now: dt.datetime
) -> Iterator[Breach]:
    today = now.astimezone(dt.UTC).date()
    rows = conn.execute(
        """
        SELECT source, stream, field, day, sum(checked)::bigint, sum(missing)::bigint FROM quality_count
        CROSS JOIN LATERAL unnest(fields, field_checked, field_missing) AS one (field, checked, missing)
        WHERE day >= %s GROUP BY 1, 2, 3, 4 HAVING sum(missing) > 0 ORDER BY 1, 2, 3, 4
        """,
        [today - _DAYS_BACK],
    ).fetchall()
    for source, stream, field, day, checked, missing in rows:
        held_to = objective(contracts.active(source, stream), field, settings)
        share = Share(checked - missing, checked)
        enough = day < today or checked >= settings.least_records
        if held_to is not None and enough and share.below(held_to):
            yield Breach(source, stream, field, day, Dimension.COMPLETENESS, _value(share), held_to, now)


def _inaccurate(conn: Connection, settings: QualitySettings, now: dt.datetime) -> Iterator[Breach]:
    held_to = Decimal(str(settings.accuracy))
    today = now.astimezone(dt.UTC).date()
    for one in read_measurements(conn, QualityQuery(today - _DAYS_BACK, today)):
        interval = one.interval
        missed = one.dimension is Dimension.ACCURACY and interval is not None and interval.high < held_to
        if missed and one.field != WHOLE and one.day >= today - _DAYS_BACK:
            yield Breach(
                one.source, one.stream, one.field, one.day, Dimension.ACCURACY, _value(one.share), held_to, now
            )


def _value(share: Share) -> Decimal:
    return (Decimal(share.good) / share.of).quantize(_PLACES)


def read_breaches(conn: Connection, query: QualityQuery) -> list[Breach]:
    """The breaches of these days, the latest day first; 500 at most."""
    rows = conn.execute(
        f"""
        SELECT source, stream, field, day, dimension, value, objective, seen_at FROM quality_breach
        WHERE day BETWEEN %(first)s AND %(last)s AND (%(source)s::text IS NULL OR source = %(source)s)
          AND (%(stream)s::text IS NULL OR stream = %(stream)s) AND (%(field)s::text IS NULL OR field = %(field)s)
        ORDER BY day DESC, source, stream, field LIMIT {_MOST}
        """,
        query.parameters(),
    ).fetchall()
    return [
        Breach(source, stream, field, day, Dimension(dimension), *numbers)
        for source, stream, field, day, dimension, *numbers in rows
    ]


def _remember(conn: Connection, breach: Breach) -> bool:
    """Whether it is new."""
    names = [field.name for field in dataclasses.fields(breach)]
    values = [
        str(value) if isinstance(value, Dimension) else value for value in (getattr(breach, one) for one in names)
    ]
    statement = f"""
        INSERT INTO quality_breach ({", ".join(names)}) VALUES ({", ".join(["%s"] * len(names))}) ON CONFLICT DO NOTHING
        """
    return conn.execute(statement, values).rowcount == 1


def _told(breach: Breach) -> dict[str, object]:
    """The change's body."""
    told = dataclasses.asdict(breach)
    return {
        **told,
        "day": breach.day.isoformat(),
        "seen_at": breach.seen_at.isoformat(),
        "dimension": str(breach.dimension),
    }
