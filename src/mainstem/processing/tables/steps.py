"""Steps of entities brought to the table `entity_step`, which lives as long as a transaction."""

from __future__ import annotations

import pyarrow as pa

from mainstem.processing.entity_steps import Steps
from mainstem.processing.tables.binary_copy import Jsonb, copy_rows
from mainstem.store import Connection

__all__ = ["write_steps"]


def write_steps(conn: Connection, entity: str, source: str, steps: Steps) -> None:
    """Put steps of an entity's states into the table `entity_step`, which is there."""
    rows = [(step, 1 if n > 0 else -1) for step, n in sorted(steps.items()) for _ in range(abs(n))]
    if not rows:
        return
    count = len(rows)
    copy_rows(
        conn,
        "entity_step",
        {
            "entity": pa.array([entity] * count),
            "source": pa.array([source] * count),
            "stream": pa.array([stream for (_, stream, _, _), _ in rows]),
            "customer": pa.array([customer for (_, _, customer, _), _ in rows], pa.binary(16)),
            "day": pa.array([day for (day, _, _, _), _ in rows], pa.date32()),
            "sign": pa.array([sign for _, sign in rows], pa.int16()),
            "attributes": Jsonb(pa.array([attributes for (_, _, _, attributes), _ in rows])),
        },
    )
