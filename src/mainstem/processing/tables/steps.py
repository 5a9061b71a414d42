"""Steps of entities brought to the table `entity_step`, which lives as long as a transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

from mainstem.processing.entity_steps import Steps
from mainstem.processing.tables.binary_copy import Jsonb, copy_rows
from mainstem.store import Connection

__all__ = ["StepCause", "write_steps"]


@dataclasses.dataclass(frozen=True, slots=True)
class StepCause:
    """The last record that moved an entity, by its place in the span, and whether a decision brought it."""

    position: int
    index: int
    decided: bool


def write_steps(
    conn: Connection,
    entity: str,
    source: str,
    steps: Mapping[bytes, Steps],
    causes: Mapping[bytes, StepCause] = MappingProxyType({}),
) -> None:
    """Put steps of an entity's states, by the entity's reference, into the table `entity_step`, which is there."""
    rows = [
        (ref, *step, 1 if n > 0 else -1)
        for ref, own in sorted(steps.items())
        for step, n in sorted(own.items())
        for _ in range(abs(n))
    ]
    if not rows:
        return
    refs, days, streams, customers, attributes, signs = zip(*rows, strict=True)
    by = [causes.get(ref) for ref in refs]
    copy_rows(
        conn,
        "entity_step",
        {
            "entity": pa.array([entity] * len(rows)),
            "ref": pa.array(refs, pa.binary(16)),
            "source": pa.array([source] * len(rows)),
            "stream": pa.array(streams),
            "customer": pa.array(customers, pa.binary(16)),
            "day": pa.array(days, pa.date32()),
            "sign": pa.array(signs, pa.int16()),
            "attributes": Jsonb(pa.array(attributes)),
            "position": pa.array([one and one.position for one in by], pa.int64()),
            "index": pa.array([one and one.index for one in by], pa.int32()),
            "decided": pa.array([one is not None and one.decided for one in by]),
        },
    )
