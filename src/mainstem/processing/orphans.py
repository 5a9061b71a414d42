"""Orphans: records that refer to an entity which is not known yet, and wait for it.

Sources arrive out of order, and a record and its parent may belong to two partitions. So whether the parent was known is an
accident of the moment: what the engine found then is kept with the record (`tables.orphans`), and a rebuild finds the same.
"""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import FIELD_PREFIX, Check, Contract, Reason
from mainstem.errors import UnavailableError
from mainstem.model import Op, Span
from mainstem.privacy import References
from mainstem.processing.columns import whole
from mainstem.store import Database

__all__ = ["ORPHANS", "Asked", "KnownParents", "Orphans", "Parents", "find_orphans"]

Mask = npt.NDArray[np.bool_]

ORPHANS = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("index", pa.uint32(), nullable=False),
        # The check that holds the record, and the entity that it waits for.
        pa.field("rule", pa.string(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),
        pa.field("ref", pa.binary(16), nullable=False),
        # When it has waited long enough.
        pa.field("until", pa.timestamp("us", tz="UTC"), nullable=False),
        # Whether no other check holds the record, so that it takes effect as soon as its parents are known.
        pa.field("alone", pa.bool_(), nullable=False),
    ]
)
"""A row a record and parent that it waits for."""

# About 30 MB of references that were found once; what is known stays known.
_MOST_REMEMBERED = 200_000


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What records refer to. `refs` (binary(16)) is null where a record refers to nothing; `records` has the places."""

    rule: str
    entity: str
    refs: pa.Array
    span: Span
    records: pa.Table


class Parents(Protocol):
    """Which entities are known. For any thread."""

    def unknown(self, asked: Asked) -> Mask:
        """The rows that refer to an entity which is not known, to be answered alike in a rebuild.

        Raises UnavailableError.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Orphans:
    """The rows that wait because of one field. `refs` (binary(16)) are of all rows."""

    check: Check
    rows: Mask
    entity: str
    refs: pa.Array
    until: pa.Array


class KnownParents:
    """Those that a database's fold has, tombstones included: a parent that was deleted did come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._found: set[tuple[str, bytes]] = set()

    def unknown(self, asked: Asked) -> Mask:
        encoded = asked.refs.dictionary_encode()
        refs = encoded.dictionary.to_pylist()
        with self._lock:
            missing = [ref for ref in refs if (asked.entity, ref) not in self._found]
        if missing:
            missing = self._look_up(asked.entity, missing)
        lost = pc.is_in(encoded.dictionary, value_set=pa.array(missing, pa.binary(16)))
        return np.asarray(lost.take(encoded.indices).fill_null(False))

    def _look_up(self, entity: str, refs: Sequence[bytes]) -> list[bytes]:
        """Those that the database does not have either."""
        with self._database.autocommit() as conn:
            rows = conn.execute(
                "SELECT ref FROM entity WHERE entity = %s AND ref = ANY(%s)",
                [entity, [uuid.UUID(bytes=ref) for ref in refs]],
            ).fetchall()
        found = {ref.bytes for (ref,) in rows}
        with self._lock:
            if len(self._found) + len(found) > _MOST_REMEMBERED:
                self._found.clear()
            self._found.update((entity, ref) for ref in found)
        return [ref for ref in refs if ref not in found]


def find_orphans(
    contract: Contract,
    active: Callable[[str, str], Contract | None],
    keys: tuple[References, Parents],
    batch: tuple[str, Span, pa.Table, pa.Table],
) -> list[Orphans]:
    """The rows of a batch (source, span, records and what `CheckPlan.run` made of them) whose parents are not known.

    Tombstones say nothing but their key, and wait for nothing. Raises UnavailableError, also where the contract of a
    parent's stream is only just coming into force.
    """
    references, parents = keys
    source, span, records, checked = batch
    found = []
    for field in contract.fields.values():
        if field.parent is None:
            continue
        about = active(source, field.parent.stream)
        if about is None:
            raise UnavailableError(f"The contract of {source}.{field.parent.stream} is not known yet.", retry_after=1.0)
        values = whole(checked[FIELD_PREFIX + field.name]).cast(pa.string())
        gone = pc.equal(whole(checked["op"]), Op.DELETE.value).fill_null(False)
        values = pc.if_else(gone, pa.scalar(None, pa.string()), values)
        entity = about.mapping.entity
        refs = references.refs(source, entity, values)
        rule = field.foreign_key
        rows = parents.unknown(Asked(rule, entity, refs, span, records))
        if rows.any():
            check = Check(rule, field.name, frozenset({field.name}), Reason.ORPHAN)
            until = pc.add(whole(records["received_at"]), pa.scalar(field.parent.wait, pa.duration("us")))
            found.append(Orphans(check, rows, entity, refs, until))
    return found
