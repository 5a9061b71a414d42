"""Gauges moved, inside the sink's transaction: what of the states that were in force is in force no more, and the reverse.

The table `entity_step` has a row for each state that begins (sign 1) or ceases (-1) to be in force on a day; what each
adds to a gauge follows from its attributes alone. So a gauge's change on a day is a sum over steps, and the order in which
they came to be known does not matter.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence

from mainstem.metrics.definition import HOUR, Bucket, Series, series_id
from mainstem.metrics.gauge import Gauge
from mainstem.metrics.merge import register_series
from mainstem.store import Connection

__all__ = [
    "FILLED",
    "STEPS",
    "BegunGauges",
    "add_steps",
    "begin_gauges",
    "begun_gauges",
    "clear_gauge",
    "forget_gauges",
]

STEPS = """
CREATE TEMPORARY TABLE IF NOT EXISTS entity_step (
    entity text COLLATE "C", ref uuid, source text COLLATE "C", stream text COLLATE "C", customer uuid, day date,
    sign smallint, attributes jsonb, position bigint, index integer, decided boolean DEFAULT false
) ON COMMIT DELETE ROWS
"""

FILLED = uuid.UUID(int=2**128 - 1)
"""Up to where a gauge is filled that counts every entity: no reference lies behind it."""

_NONE = uuid.UUID(int=0)


@dataclasses.dataclass(frozen=True, slots=True)
class BegunGauges:
    """The gauges in force as a fold stands, by name."""

    measured: Sequence[tuple[Gauge, uuid.UUID]]
    """Each with the reference up to which the entities are in it; those behind are added with a later portion."""
    new: Sequence[Gauge]
    gone: Sequence[str]
    """What the fold has begun that nobody declares now, or in another sense: its numbers stand still, and are wrong."""

    @property
    def unfilled(self) -> Sequence[tuple[Gauge, uuid.UUID]]:
        """Those of which some of the past is not added up yet."""
        return [(gauge, filled_to) for gauge, filled_to in self.measured if filled_to < FILLED]


def begun_gauges(conn: Connection, gauges: Iterable[Gauge]) -> BegunGauges:
    """How the fold stands with the gauges in force. One begun in another sense is new, and gone at the same time."""
    rows = conn.execute("SELECT metric, meaning, filled_to FROM gauge_begun ORDER BY metric").fetchall()
    begun = {(metric, meaning): filled_to for metric, meaning, filled_to in rows}
    ordered = sorted(gauges, key=lambda gauge: gauge.name)
    meant = {(gauge.name, gauge.fingerprint()): gauge for gauge in ordered}
    return BegunGauges(
        measured=[(gauge, begun[key]) for key, gauge in meant.items() if key in begun],
        new=[gauge for key, gauge in meant.items() if key not in begun],
        gone=[metric for metric, meaning in begun if (metric, meaning) not in meant],
    )


def begin_gauges(
    conn: Connection, gauges: Sequence[Gauge], filled_to: uuid.UUID = _NONE, known_at: dt.datetime | None = None
) -> None:
    """Note up to where the gauges are filled, and once they are, that they are known since `known_at` (wall time).

    Nobody else may be merging.
    """
    conn.execute(
        """
        INSERT INTO gauge_begun (metric, meaning, filled_to, filled_at) SELECT *, %s, %s FROM unnest(%s::text[], %s::text[])
        ON CONFLICT (metric) DO UPDATE SET meaning = EXCLUDED.meaning, filled_to = EXCLUDED.filled_to,
            filled_at = EXCLUDED.filled_at
        """,
        [
            filled_to,
            known_at if filled_to == FILLED else None,
            [gauge.name for gauge in gauges],
            [gauge.fingerprint() for gauge in gauges],
        ],
    )


def forget_gauges(conn: Connection, names: Sequence[str]) -> None:
    """Have gauges begin anew when they are in force again: from now on something goes by that is not added to them."""
    conn.execute("DELETE FROM gauge_begun WHERE metric = ANY(%s)", [list(names)])


def clear_gauge(conn: Connection, gauge: Gauge, most: int) -> bool:
    """Take away what an earlier sense of the gauge left, `most` rows at a time; whether all is gone."""
    deleted = conn.execute(
        """
        DELETE FROM gauge_change WHERE ctid = ANY(ARRAY(
            SELECT g.ctid FROM gauge_change AS g JOIN series USING (series) WHERE metric = %s LIMIT %s
        ))
        """,
        [gauge.name, most],
    ).rowcount
    return deleted < most


@dataclasses.dataclass(frozen=True, slots=True)
class GaugeMoment:
    """When gauges move, and what corrections say of it; without a `span` there are none (a fold's past, a rebuild)."""

    known_at: dt.datetime
    data_now: dt.datetime | None = None
    """The data clock, which decides which days are closed."""
    span: str | None = None
    """What the places of the records begin with."""
    graces: Mapping[tuple[str, str], dt.timedelta] = dataclasses.field(default_factory=dict)
    """Of the streams (source, stream) that are known here."""


def add_steps(
    conn: Connection, measured: Sequence[tuple[Gauge, uuid.UUID]], moment: GaugeMoment
) -> dict[bytes, dt.date]:
    """Move the gauges by the rows of `entity_step`, each by those of entities up to the reference given with it.

    A change of a day that is closed, and on which a movement was known, is kept as a correction, unless the gauge is still
    being filled: what it held was part of a sum. From which day on a gauge
    of each customer has changed. All writers go through gauges and rows in one order.
    """
    speaking = conn.execute("SELECT DISTINCT entity, source, stream FROM entity_step ORDER BY 1, 2, 3").fetchall()
    since: dict[bytes, dt.date] = {}
    for gauge, filled_to in measured:
        streams = [(source, stream) for entity, source, stream in speaking if entity == gauge.entity]
        if streams:
            series = _registered(conn, gauge, streams, moment)
            for customer, day in _add(conn, gauge, filled_to, series, moment):
                since[customer.bytes] = min(day, since.get(customer.bytes, day))
    return since


def _registered(
    conn: Connection, gauge: Gauge, streams: Sequence[tuple[str, str]], moment: GaugeMoment
) -> Sequence[Series]:
    """The gauge's series of the streams, known by now, each with its stream's grace."""
    ids = [series_id(gauge.name, *stream) for stream in streams]
    rows = conn.execute("SELECT series, grace FROM series WHERE series = ANY(%s)", [ids]).fetchall()
    known: dict[int, dt.timedelta] = dict(rows)
    series = [
        Series(
            one,
            gauge.name,
            *stream,
            gauge.measure,
            Bucket.DAY.length,
            moment.graces.get(stream, known.get(one, HOUR)),
        )
        for one, stream in zip(ids, streams, strict=True)
    ]
    if missing := [one for one in series if known.get(one.id) != one.grace]:
        register_series(conn, missing)
    return series


_ADD = """
WITH delta AS MATERIALIZED (
    SELECT of.series, customer AS ref, day, sum(sign * {amount}) AS value, bool_or(decided) AS decided,
        max(position) AS position,
        (array_agg(index ORDER BY position DESC NULLS LAST, index DESC))[1] AS index
    FROM entity_step JOIN unnest(%(sources)s::text[], %(streams)s::text[], %(series)s::bigint[])
        AS of (source, stream, series) USING (source, stream)
    WHERE entity = %(entity)s AND entity_step.ref <= %(filled_to)s AND ({condition})
    GROUP BY of.series, customer, day HAVING sum(sign * {amount}) <> 0
), moved AS (
    INSERT INTO gauge_change AS known (series, ref, day, value, first_known_at)
    SELECT series, ref, day, trim_scale(value), %(known_at)s FROM delta ORDER BY series, ref, day
    ON CONFLICT (series, ref, day) DO UPDATE SET value = trim_scale(known.value + EXCLUDED.value)
    RETURNING series, ref, day, value, first_known_at
), corrected AS (
    INSERT INTO correction (known_at, ref, series, bucket, old_value, new_value, cause, place)
    SELECT %(known_at)s, ref, series, moved.day::timestamp AT TIME ZONE 'UTC', trim_scale(moved.value - delta.value),
        moved.value, CASE WHEN delta.decided THEN 'decision' ELSE 'late' END,
        concat_ws('-', %(span)s::text, delta.position, delta.index)
    FROM moved JOIN delta USING (series, ref, day) JOIN series USING (series)
    WHERE %(span)s IS NOT NULL AND %(filled)s AND moved.first_known_at <> %(known_at)s
      AND (day + 1)::timestamp AT TIME ZONE 'UTC' + series.grace <= %(data_now)s
)
SELECT ref, min(day) FROM moved GROUP BY ref
"""


def _add(
    conn: Connection, gauge: Gauge, filled_to: uuid.UUID, series: Sequence[Series], moment: GaugeMoment
) -> list[tuple[uuid.UUID, dt.date]]:
    amount = "1" if gauge.amount is None else f"coalesce({gauge.amount}, 0)"
    condition = gauge.condition or "true"
    # A condition's own percent signs are no places for parameters.
    amount, condition = (text.replace("%", "%%") for text in (amount, condition))
    return conn.execute(
        _ADD.replace("{amount}", amount).replace("{condition}", condition),
        {
            "sources": [one.source for one in series],
            "streams": [one.stream for one in series],
            "series": [one.id for one in series],
            "entity": gauge.entity,
            "filled_to": filled_to,
            "filled": filled_to == FILLED,
            "known_at": moment.known_at,
            "data_now": moment.data_now,
            "span": moment.span,
        },
    ).fetchall()
