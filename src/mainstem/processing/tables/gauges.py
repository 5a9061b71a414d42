"""Gauges filled: what was there before one was declared is added up, from the versions that every fold has.

Entities are gone through in the order of their references, some thousand versions at a time, each portion in a transaction
of its own in which nobody else merges. Between two portions commits go on: they move a gauge by the entities that are in
it already, and those behind come with a later portion as they are then. So it can be broken off anywhere.
"""

from __future__ import annotations

import datetime as dt
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

from mainstem.metrics import (
    FILLED,
    STEPS,
    Gauge,
    GaugeMoment,
    MetricSet,
    add_steps,
    begin_gauges,
    begin_merge,
    begun_gauges,
    clear_gauge,
    forget_gauges,
)
from mainstem.processing.entity_merge import Version
from mainstem.processing.entity_steps import steps_of
from mainstem.processing.tables.steps import write_steps
from mainstem.store import Connection, Database

__all__ = ["Histories", "brief_gauges", "fill_at_once", "start_gauges"]

# Commits wait for a portion: a tenth of a second or two.
_PORTION = 4_000
_REFS_AT_ONCE = 1_000
# And then have as long for themselves as it took.
_REST = 1.0

# Of entities that no record patches a version says all: when it was in force is found by one walk over all of them.
_FILL = """
WITH whole AS (
    SELECT v.*, min(observed_at) OVER (
        PARTITION BY ref ORDER BY version DESC, observed_at DESC, content_hash DESC) AS since
    FROM entity_version AS v
    WHERE entity = %(entity)s AND ref > %(after)s AND ref <= %(upto)s AND NOT EXISTS (
        SELECT FROM entity_version AS p WHERE (p.entity, p.ref) = (v.entity, v.ref) AND p.op = 'patch'
    )
), spans AS (
    SELECT ref, source, stream, customer, op, attributes, (since AT TIME ZONE 'UTC')::date AS first,
        (lead(since) OVER (PARTITION BY ref ORDER BY version, observed_at, content_hash) AT TIME ZONE 'UTC')::date AS after
    FROM whole
)
INSERT INTO entity_step (entity, ref, source, stream, customer, day, sign, attributes)
SELECT %(entity)s, ref, source, stream, customer, step.day, step.sign, attributes
FROM spans CROSS JOIN LATERAL (VALUES (first, 1), (after, -1)) AS step (day, sign)
WHERE op <> 'delete' AND customer IS NOT NULL AND step.day IS NOT NULL AND first IS DISTINCT FROM after
"""
_PATCHED = """
SELECT DISTINCT source, ref FROM entity_version
WHERE entity = %(entity)s AND ref > %(after)s AND ref <= %(upto)s AND op = 'patch' ORDER BY source, ref
"""

Histories = Callable[[Connection, str, Sequence[uuid.UUID]], Mapping[bytes, Sequence[Version]]]
"""The whole histories of an entity's references, as `Entities.histories` reads them."""


def start_gauges(
    database: Database,
    metrics: MetricSet,
    histories: Histories,
    known_at: dt.datetime,
    *,
    seconds: float = float("inf"),
    portion: int = _PORTION,
) -> bool:
    """Begin the gauges that are in force and fill them, for about so many seconds; whether all are filled.

    `known_at` is wall time: since then what is filled in is known. `portion` is how many versions are added up in one transaction. May be killed at any moment, and run twice at once.
    Raises StorageFullError or UnavailableError: what was filled before stays.
    """
    gauges = list(metrics.gauges.values())
    with database.autocommit() as conn:
        begun = begun_gauges(conn, gauges)
    if not (begun.new or begun.unfilled or begun.gone):
        return True
    until = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        with database.transaction() as conn:
            begin_merge(conn, alone=True)
            if begun.gone:
                forget_gauges(conn, begun_gauges(conn, gauges).gone)
            filled = _fill_portion(conn, gauges, histories, GaugeMoment(known_at), portion)
        if filled or time.monotonic() >= until:
            return filled
        time.sleep(_REST * (time.monotonic() - began))


def brief_gauges(conn: Connection, gauges: Sequence[Gauge]) -> Sequence[Gauge]:
    """Those that are not begun and can be filled by one portion, as where no record of their entity has come yet."""
    new = begun_gauges(conn, gauges).new
    entities = {gauge.entity for gauge in new}
    brief = {
        entity
        for entity in entities
        if not conn.execute(
            "SELECT FROM entity_version WHERE entity = %s OFFSET %s LIMIT 1", [entity, _PORTION]
        ).fetchall()
    }
    return [gauge for gauge in new if gauge.entity in brief]


def fill_at_once(conn: Connection, gauges: Sequence[Gauge], histories: Histories, known_at: dt.datetime) -> None:
    """Inside a transaction in which nobody else merges: fill `brief_gauges`."""
    while not _fill_portion(conn, gauges, histories, GaugeMoment(known_at), _PORTION):
        pass


def _fill_portion(
    conn: Connection, gauges: Sequence[Gauge], histories: Histories, moment: GaugeMoment, portion: int
) -> bool:
    """Do some of what is to be done before the gauges are filled, while nobody else merges; whether that was all."""
    conn.execute("SELECT set_config('statement_timeout', '0', true)")
    for gauge in begun_gauges(conn, gauges).new:
        if not clear_gauge(conn, gauge, 10 * portion):
            return False
        begin_gauges(conn, [gauge])
    unfilled = begun_gauges(conn, gauges).unfilled
    if not unfilled:
        return True
    entity, after = min((gauge.entity, filled_to) for gauge, filled_to in unfilled)
    some = [gauge for gauge, filled_to in unfilled if (gauge.entity, filled_to) == (entity, after)]
    [(upto,)] = conn.execute(
        """
        SELECT coalesce(
            (SELECT ref FROM entity_version WHERE entity = %s AND ref > %s ORDER BY ref OFFSET %s LIMIT 1), %s)
        """,
        [entity, after, portion - 1, FILLED],
    ).fetchall()
    conn.execute(STEPS)
    span = {"entity": entity, "after": after, "upto": upto}
    conn.execute(_FILL, span)
    for source, refs in _patched(conn, span):
        steps = {ref: steps_of(history) for ref, history in histories(conn, entity, refs).items()}
        write_steps(conn, entity, source, steps)
    add_steps(conn, [(gauge, upto) for gauge in some], moment)
    begin_gauges(conn, some, upto, moment.known_at)
    conn.execute("TRUNCATE entity_step")
    return upto == FILLED and len(some) == len(unfilled)


def _patched(conn: Connection, span: Mapping[str, object]) -> Iterator[tuple[str, list[uuid.UUID]]]:
    """The entities of a portion that some record patches, some at a time, by source."""
    rows = conn.execute(_PATCHED, span).fetchall()
    for source, own in itertools.groupby(rows, key=lambda row: row[0]):
        refs = [ref for _, ref in own]
        for first in range(0, len(refs), _REFS_AT_ONCE):
            yield source, refs[first : first + _REFS_AT_ONCE]
