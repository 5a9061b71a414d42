"""Reading current states in batches, with what is sealed in them opened: the port of `quality.agreements`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from mainstem.privacy import Sealer
from mainstem.processing.tables.entities import entity_context
from mainstem.processing.tables.references import open_reference
from mainstem.quality.agreements import HELD
from mainstem.store import Connection

__all__ = ["EntityReader"]

_BATCH = 10_000

# When the content came: a state's own time moves with every record that says the same again.
_STATES = """
SELECT e.ref, v.observed_at, {key}, e.attributes::text, {sealed}
FROM entity AS e {references}
CROSS JOIN LATERAL (
    SELECT observed_at FROM entity_version WHERE (entity, ref) = (e.entity, e.ref)
    ORDER BY version DESC, observed_at DESC, content_hash DESC LIMIT 1
) AS v
WHERE e.entity = %s AND e.source = %s AND NOT e.deleted
  AND EXISTS (SELECT FROM entity_version AS own WHERE (own.entity, own.ref) = (e.entity, e.ref) AND own.stream = %s)
"""


class EntityReader:
    """See `quality.agreements.HeldEntities`."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def __call__(
        self, conn: Connection, entity: str, source: str, stream: str, *, personal: bool, keys: bool
    ) -> Iterator[pa.Table]:
        """The entities, in `HELD` columns; the connection is in a transaction. Raises IntegrityError, UnavailableError."""
        query = _STATES.format(
            key="r.value_sealed" if keys else "NULL::bytea",
            references="LEFT JOIN reference AS r ON r.ref = e.ref" if keys else "",
            sealed="e.sealed" if personal else "NULL::bytea",
        )
        with conn.cursor(f"held_{uuid.uuid4().hex}", binary=True) as cursor:
            # All of it is wanted: by itself the database plans for the first tenth of what a cursor gives.
            conn.execute("SET LOCAL cursor_tuple_fraction = 1")
            cursor.execute(query.encode(), [entity, source, stream])
            while rows := cursor.fetchmany(_BATCH):
                yield self._table(rows)

    def _table(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        refs, changed, keys, attributes, sealed = zip(*rows, strict=True)
        raw = [ref.bytes for ref in refs]
        sealer = self._sealer
        columns = [
            raw,
            changed,
            [None if key is None else open_reference(sealer, ref, key) for ref, key in zip(raw, keys, strict=True)],
            attributes,
            [
                None if part is None else sealer.open(part, entity_context(ref)).decode()
                for ref, part in zip(raw, sealed, strict=True)
            ],
        ]
        return pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, HELD, strict=True)], schema=HELD
        )
