"""Streams whose records of one entity come by more than one partition.

The lanes of a partition take their turns again in a rebuild; partitions do not: they are folded one after the other. The
state of an entity is the same in any order, but which of its records changed something is not.
"""

from __future__ import annotations

from collections import defaultdict

from mainstem.contracts import ANY_SOURCE, Contract, Registry
from mainstem.model import EntityKind
from mainstem.store import Connection

__all__ = ["crossing_streams"]


def crossing_streams(conn: Connection, schema: str, registry: Registry) -> set[tuple[str, str]]:
    """Those of the fold's streams, as (source, stream), of which an entity may have records in several partitions.

    Either the stream is partitioned by something else than the entity's own key, as tickets by their customer, or another
    stream of the source speaks of the same kind of entity. Every version of the contracts counts.
    """
    rows = conn.execute(f"SELECT DISTINCT source, stream FROM {schema}.ledger").fetchall()
    speaking: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    crossing = set()
    for source, stream in rows:
        for contract in _states(registry, source, stream):
            speaking[source, contract.mapping.entity].add(stream)
            if contract.key != (contract.partition_key,):
                crossing.add((source, stream))
    for (source, _), streams in speaking.items():
        if len(streams) > 1:
            crossing |= {(source, stream) for stream in streams}
    return crossing


def _states(registry: Registry, source: str, stream: str) -> list[Contract]:
    versions = [one for owner in (source, ANY_SOURCE) for one in registry.versions(owner, stream)]
    return [one for one in versions if one.kind is EntityKind.STATE]
