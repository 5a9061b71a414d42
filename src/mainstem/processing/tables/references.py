"""The register of references: which value of a source each pseudonym stands for, sealed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable

import pyarrow as pa

from mainstem.privacy import Sealer
from mainstem.processing.tables.binary_copy import copy_rows
from mainstem.store import Connection

__all__ = ["ReferenceRegister", "open_reference", "reference_ids"]

# About 40 MB when full; beyond it the database is asked again.
_REMEMBERED = 250_000

_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_reference (
    ref uuid, source text COLLATE "C", kind text COLLATE "C", value_sealed bytea
) ON COMMIT DELETE ROWS
"""


def open_reference(sealer: Sealer, ref: bytes, sealed: bytes) -> str:
    """The value behind a reference, as its source wrote it. Raises IntegrityError."""
    return sealer.open(sealed, _context(ref)).decode()


def reference_ids(conn: Connection, sealer: Sealer, refs: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What references stand for: `<source>:<value>` of those that are known. Raises IntegrityError, UnavailableError."""
    rows = conn.execute("SELECT ref, source, value_sealed FROM reference WHERE ref = ANY(%s)", (list(refs),)).fetchall()
    return {ref: f"{source}:{open_reference(sealer, ref.bytes, sealed)}" for ref, source, sealed in rows}


def _context(ref: bytes) -> bytes:
    return b"mainstem.reference\0" + ref


class ReferenceRegister:
    """Adds references that are new; remembers those it met last so as not to ask for them again."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._known: dict[bytes, None] = {}

    def write(self, conn: Connection, references: pa.Table, at: dt.datetime) -> list[bytes]:
        """Add what is not there yet, inside the sink's transaction; what `remember` may be told after its commit."""
        met: list[bytes] = references["ref"].to_pylist()
        unknown = [row for row, ref in enumerate(met) if ref not in self._known]
        if not unknown:
            return []
        # Whether they are there already is for the insert to find out: asking first costs more than sealing in vain.
        new = references.take(pa.array(unknown, pa.int64()))
        pairs = zip(new["ref"].to_pylist(), new["value"].to_pylist(), strict=True)
        sealed = [self._sealer.seal(value.encode(), _context(ref)) for ref, value in pairs]
        conn.execute(_INCOMING)
        columns = {name: new[name] for name in ("ref", "source", "kind")}
        copy_rows(conn, "incoming_reference", {**columns, "value_sealed": pa.array(sealed, pa.binary())})
        # Sorted, so that two partitions which meet the same references wait for each other and never in a circle.
        conn.execute(
            """
            INSERT INTO reference (ref, source, kind, value_sealed, first_seen_at)
            SELECT ref, source, kind, value_sealed, %s FROM incoming_reference ORDER BY ref
            ON CONFLICT DO NOTHING
            """,
            [at],
        )
        return [met[row] for row in unknown]

    def remember(self, refs: list[bytes]) -> None:
        """Take these as known: they were committed."""
        self._known.update(dict.fromkeys(refs))
        for _ in range(len(self._known) - _REMEMBERED):
            del self._known[next(iter(self._known))]
