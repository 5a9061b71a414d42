"""Gauges moved, inside the sink's transaction: what of the states that were in force is in force no more, and the reverse.

The table `entity_step` has a row for each state that begins (sign 1) or ceases (-1) to be in force on a day; what each
adds to a gauge follows from its attributes alone. So a gauge's change on a day is a sum over steps, and the order in which
they came to be known does not matter.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Sequence

from mainstem.metrics.definition import Bucket, Series, series_id
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
    sign smallint, attributes jsonb
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


def begin_gauges(conn: Connection, gauges: Sequence[Gauge], filled_to: uuid.UUID = _NONE) -> None:
    """Note up to where the gauges are filled. Nobody else may be merging."""
    conn.execute(
        """
        INSERT INTO gauge_begun (metric, meaning, filled_to) SELECT *, %s FROM unnest(%s::text[], %s::text[])
        ON CONFLICT (metric) DO UPDATE SET meaning = EXCLUDED.meaning, filled_to = EXCLUDED.filled_to
        """,
        [filled_to, [gauge.name for gauge in gauges], [gauge.fingerprint() for gauge in gauges]],
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


def add_steps(conn: Connection, measured: Sequence[tuple[Gauge, uuid.UUID]]) -> dict[bytes, dt.date]:
    """Move the gauges by the rows of `entity_step`, each by those of entities up to the reference given with it.

    From which day on a gauge of each customer has changed. All writers go through gauges and rows in one order.
    """
    speaking = conn.execute("SELECT DISTINCT entity, source, stream FROM entity_step ORDER BY 1, 2, 3").fetchall()
    since: dict[bytes, dt.date] = {}
    for gauge, filled_to in measured:
        streams = [(source, stream) for entity, source, stream in speaking if entity == gauge.entity]
        if streams:
            for customer, day in _add(conn, gauge, filled_to, streams):
                since[customer.bytes] = min(day, since.get(customer.bytes, day))
    return since


def _add(
    conn: Connection, gauge: Gauge, filled_to: uuid.UUID, streams: Sequence[tuple[str, str]]
) -> list[tuple[uuid.UUID, dt.date]]:
    series = [
        Series(
            series_id(gauge.name, source, stream),
            gauge.name,
            source,
            stream,
            gauge.measure,
            Bucket.DAY.length,
            dt.timedelta(0),
        )
        for source, stream in streams
    ]
    ids = [one.id for one in series]
    known = {one for (one,) in conn.execute("SELECT series FROM series WHERE series = ANY(%s)", [ids]).fetchall()}
    if missing := [one for one in series if one.id not in known]:
        register_series(conn, missing)
    amount = "1" if gauge.amount is None else f"coalesce({gauge.amount}, 0)"
    condition = gauge.condition or "true"
    # A condition's own percent signs are no places for parameters.
    amount, condition = (text.replace("%", "%%") for text in (amount, condition))
    return conn.execute(
        f"""
        WITH moved AS (
        INSERT INTO gauge_change AS known (series, ref, day, value)
        SELECT of.series, customer, day, trim_scale(sum(sign * {amount}))
        FROM entity_step JOIN unnest(%(sources)s::text[], %(streams)s::text[], %(series)s::bigint[])
            AS of (source, stream, series) USING (source, stream)
        WHERE entity = %(entity)s AND ref <= %(filled_to)s AND ({condition})
        GROUP BY of.series, customer, day HAVING sum(sign * {amount}) <> 0 ORDER BY of.series, customer, day
        ON CONFLICT (series, ref, day) DO UPDATE SET value = trim_scale(known.value + EXCLUDED.value)
        RETURNING ref, day
        ) SELECT ref, min(day) FROM moved GROUP BY ref
        """,
        {
            "sources": [source for source, _ in streams],
            "streams": [stream for _, stream in streams],
            "series": ids,
            "entity": gauge.entity,
            "filled_to": filled_to,
        },
    ).fetchall()
