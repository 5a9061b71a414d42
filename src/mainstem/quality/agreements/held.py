"""The port to the entities that are held: whoever keeps them fulfils it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from mainstem.store import Connection

__all__ = ["HELD", "HeldEntities"]

HELD = pa.schema(
    [
        pa.field("ref", pa.binary(16), nullable=False),
        # When its latest content was first observed.
        pa.field("changed_at", pa.timestamp("us", tz="UTC"), nullable=False),
        # What the source calls it by.
        pa.field("key", pa.string()),
        # Mapped attributes as JSON objects: without personal data, and the personal ones, opened.
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("personal", pa.string()),
    ]
)


class HeldEntities(Protocol):
    """Reads current states."""

    def __call__(
        self, conn: Connection, entity: str, source: str, stream: str, *, personal: bool, keys: bool
    ) -> Iterator[pa.Table]:
        """The entities of this kind that the stream wrote and that are not deleted, in `HELD` columns, in batches.

        Without `personal` and `keys` nothing is opened, and these columns are null. What is opened is in memory only: it is
        for the caller not to keep it. Raises IntegrityError where a seal does not open, UnavailableError.
        """
        ...
