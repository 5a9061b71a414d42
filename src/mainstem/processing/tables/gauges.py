"""Gauges begun: what was there before one was declared is added up, from the versions that every fold has."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from mainstem.metrics import STEPS, Gauge, MetricSet, add_steps, begin_gauges, begin_merge, begun_gauges
from mainstem.processing.entity_merge import Version
from mainstem.processing.entity_steps import Steps, steps_of
from mainstem.processing.tables.steps import write_steps
from mainstem.store import Connection, Database

__all__ = ["Histories", "fill_gauges", "start_gauges"]

_REFS_AT_ONCE = 1_000

# Of entities that no record patches a version says all: when it was in force is found by one walk over all of them.
_FILL = """
WITH whole AS (
    SELECT v.*, min(observed_at) OVER (
        PARTITION BY ref ORDER BY version DESC, observed_at DESC, content_hash DESC) AS since
    FROM entity_version AS v
    WHERE entity = %(entity)s AND NOT EXISTS (
        SELECT FROM entity_version AS p WHERE (p.entity, p.ref) = (v.entity, v.ref) AND p.op = 'patch'
    )
), spans AS (
    SELECT source, stream, customer, op, attributes, (since AT TIME ZONE 'UTC')::date AS first,
        (lead(since) OVER (PARTITION BY ref ORDER BY version, observed_at, content_hash) AT TIME ZONE 'UTC')::date AS after
    FROM whole
)
INSERT INTO entity_step (entity, source, stream, customer, day, sign, attributes)
SELECT %(entity)s, source, stream, customer, step.day, step.sign, attributes
FROM spans CROSS JOIN LATERAL (VALUES (first, 1), (after, -1)) AS step (day, sign)
WHERE op <> 'delete' AND customer IS NOT NULL AND step.day IS NOT NULL AND first IS DISTINCT FROM after
"""
_PATCHED = """
SELECT DISTINCT source, ref FROM entity_version WHERE entity = %s AND op = 'patch' ORDER BY source, ref
"""

Histories = Callable[[Connection, str, Sequence[uuid.UUID]], Mapping[bytes, Sequence[Version]]]
"""The whole histories of an entity's references, as `Entities.histories` reads them."""


def start_gauges(database: Database, metrics: MetricSet, histories: Histories) -> int:
    """Begin the gauges that are in force and not measured yet; how many. Raises StorageFullError or UnavailableError."""
    with database.autocommit() as conn:
        _, new = begun_gauges(conn, metrics.gauges.values())
    if not new:
        return 0
    with database.transaction() as conn:
        begin_merge(conn, alone=True)
        return len(fill_gauges(conn, metrics, histories))


def fill_gauges(conn: Connection, metrics: MetricSet, histories: Histories) -> Sequence[Gauge]:
    """Inside a transaction in which nobody else merges: add up what is there for gauges that are new; which those are."""
    _, new = begun_gauges(conn, metrics.gauges.values())
    if not new:
        return ()
    conn.execute("SELECT set_config('statement_timeout', '0', true)")
    conn.execute(STEPS)
    for entity in sorted({gauge.entity for gauge in new}):
        conn.execute(_FILL, {"entity": entity})
        for source, refs in _patched(conn, entity):
            steps: Steps = Counter()
            for history in histories(conn, entity, refs).values():
                steps.update(steps_of(history))
            write_steps(conn, entity, source, steps)
    add_steps(conn, new)
    begin_gauges(conn, new)
    conn.execute("TRUNCATE entity_step")
    return new


def _patched(conn: Connection, entity: str) -> Iterator[tuple[str, list[uuid.UUID]]]:
    """The entities that some record patches, some at a time, by source."""
    rows = conn.execute(_PATCHED, [entity]).fetchall()
    for source, own in itertools.groupby(rows, key=lambda row: row[0]):
        refs = [ref for _, ref in own]
        for first in range(0, len(refs), _REFS_AT_ONCE):
            yield source, refs[first : first + _REFS_AT_ONCE]
