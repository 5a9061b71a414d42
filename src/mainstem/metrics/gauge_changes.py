"""Gauges moved, inside the sink's transaction: what of the states that were in force is in force no more, and the reverse.

The table `entity_step` has a row for each state that begins (sign 1) or ceases (-1) to be in force on a day; what each
adds to a gauge follows from its attributes alone. So a gauge's change on a day is a sum over steps, and the order in which
they came to be known does not matter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from mainstem.metrics.definition import Bucket, Series, series_id
from mainstem.metrics.gauge import Gauge
from mainstem.metrics.merge import register_series
from mainstem.store import Connection

__all__ = ["STEPS", "add_steps", "begin_gauges", "begun_gauges"]

STEPS = """
CREATE TEMPORARY TABLE IF NOT EXISTS entity_step (
    entity text COLLATE "C", source text COLLATE "C", stream text COLLATE "C", customer uuid, day date, sign smallint,
    attributes jsonb
) ON COMMIT DELETE ROWS
"""


def begun_gauges(conn: Connection, gauges: Iterable[Gauge]) -> tuple[list[Gauge], list[Gauge]]:
    """Those that the fold measures already, and those that it does not yet, by name."""
    ordered = sorted(gauges, key=lambda gauge: gauge.name)
    if not ordered:
        return [], []
    begun = {name for (name,) in conn.execute("SELECT metric FROM gauge_begun").fetchall()}
    return [one for one in ordered if one.name in begun], [one for one in ordered if one.name not in begun]


def begin_gauges(conn: Connection, gauges: Sequence[Gauge]) -> None:
    """Note that the gauges are measured from now on, once what was there has been added up."""
    names = [gauge.name for gauge in gauges]
    conn.execute("INSERT INTO gauge_begun (metric) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", [names])


def add_steps(conn: Connection, gauges: Sequence[Gauge]) -> None:
    """Move the gauges by the rows of `entity_step`. All writers go through gauges and rows in one order."""
    speaking = conn.execute("SELECT DISTINCT entity, source, stream FROM entity_step ORDER BY 1, 2, 3").fetchall()
    for gauge in gauges:
        streams = [(source, stream) for entity, source, stream in speaking if entity == gauge.entity]
        if streams:
            _add(conn, gauge, streams)


def _add(conn: Connection, gauge: Gauge, streams: Sequence[tuple[str, str]]) -> None:
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
    conn.execute(
        f"""
        INSERT INTO gauge_change AS known (series, ref, day, value)
        SELECT of.series, customer, day, trim_scale(sum(sign * {amount}))
        FROM entity_step JOIN unnest(%(sources)s::text[], %(streams)s::text[], %(series)s::bigint[])
            AS of (source, stream, series) USING (source, stream)
        WHERE entity = %(entity)s AND ({condition})
        GROUP BY of.series, customer, day HAVING sum(sign * {amount}) <> 0 ORDER BY of.series, customer, day
        ON CONFLICT (series, ref, day) DO UPDATE SET value = trim_scale(known.value + EXCLUDED.value)
        """,
        {
            "sources": [source for source, _ in streams],
            "streams": [stream for _, stream in streams],
            "series": ids,
            "entity": gauge.entity,
        },
    )
