"""Records that were fetched again, beside what is held of the same entities: how much of it is true.

The source itself is the truth then. Its records go through the stream's contract as if they had just come, and nothing comes
of it but counts. An entity that changed at its source since it was fetched is not held wrongly, but late: it is left out.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from mainstem.contracts import Contract, DoorPlan
from mainstem.errors import ConfigurationError
from mainstem.model import ENVELOPE, EntityKind, Op
from mainstem.privacy import Sealer, normalise
from mainstem.processing.embedded import EmbeddedEngine
from mainstem.processing.tables.entities import entity_context
from mainstem.processing.tables.references import open_reference
from mainstem.quality import WHOLE, Dimension, Measurement, Method
from mainstem.store import Connection

__all__ = ["FieldSample", "Sample", "compare_refetched", "sample_keys"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_RECORDS = pa.schema(
    [
        *ENVELOPE,
        pa.field("position", pa.int64()),
        pa.field("index", pa.uint32()),
        pa.field("received_at", _TIMESTAMP),
    ]
)


@dataclasses.dataclass(slots=True)
class FieldSample:
    """Of a field, or of whole records: values that are held, and those of them that the source says too."""

    good: int = 0
    n: int = 0
    missing: int = 0
    """The source has a value, and none is held."""


@dataclasses.dataclass(slots=True)
class Sample:
    """What records fetched again say of what is held. Every record is in exactly one of the counts below `fields`."""

    fields: Mapping[str, FieldSample]
    """By field; `WHOLE` are records of which no held value differs."""
    compared: int = 0
    moved: int = 0
    """By the field that orders versions it is another version than the held one."""
    absent: int = 0
    """Nothing is held of it."""
    gone: int = 0
    """The source says that it is deleted, and it is held."""
    both_gone: int = 0
    """The source says that it is deleted, and nothing is held."""
    repeated: int = 0
    """The file has the entity again, further down."""
    refused: Mapping[tuple[str, str | None], int] = dataclasses.field(default_factory=Counter)
    """Records that do not pass the contract, by reason and field."""

    def measurements(self, source: str, stream: str, at: dt.datetime) -> Iterator[Measurement]:
        """The accuracy of the fields, measured at an instant of wall time."""
        for name, one in self.fields.items():
            yield Measurement(
                source, stream, name, Dimension.ACCURACY, Method.SAMPLE, f"{source}.{stream}", at, one.good, one.n
            )


def sample_keys(conn: Connection, contract: Contract, source: str, size: int, sealer: Sealer) -> list[str]:
    """The keys of so many of the stream's entities, drawn at random, as the source wrote them; all where there are fewer.

    Raises ConfigurationError for what is neither a customer nor a person, IntegrityError, UnavailableError.
    """
    _need_states(contract, source)
    if contract.mapping.entity not in ("customer", "person"):
        raise ConfigurationError(
            f"The keys of {contract.mapping.entity!r} are kept as references only: none can be drawn.",
            hint="Draw keys at the source, fetch the records, and give them to `mainstem agreement compare`.",
        )
    rows = conn.execute(
        """
        SELECT e.ref, r.value_sealed FROM entity AS e JOIN reference AS r USING (ref)
        WHERE e.entity = %s AND e.source = %s AND NOT e.deleted AND EXISTS (
            SELECT FROM entity_version AS own WHERE (own.entity, own.ref) = (e.entity, e.ref) AND own.stream = %s
        ) ORDER BY random() LIMIT %s
        """,
        [contract.mapping.entity, source, contract.stream, size],
    ).fetchall()
    return [open_reference(sealer, ref.bytes, sealed) for ref, sealed in rows]


def compare_refetched(
    conn: Connection,
    contract: Contract,
    source: str,
    payloads: Sequence[bytes],
    tools: tuple[EmbeddedEngine, Sealer],
    now: dt.datetime,
) -> Sample:
    """Compare payloads, as the source writes them, field by field with what is held; `now` is wall time.

    Raises ConfigurationError for a stream of events, IntegrityError where a seal does not open, UnavailableError.
    """
    _need_states(contract, source)
    engine, sealer = tools
    states, failing = engine.tried(_records(contract, source, payloads, now))
    mapped = {field: name for name, field in contract.mapping.attributes.items() if isinstance(field, str)}
    found = Sample({name: FieldSample() for name in (WHOLE, *mapped)})
    found.refused = Counter((row["reason"], row["field"]) for row in failing.select(["reason", "field"]).to_pylist())
    rows = [row for group in states for row in group.rows.to_pylist()]
    latest = {row["ref"]: row for row in rows}
    found.repeated = len(rows) - len(latest)
    held = _held(conn, contract, source, list(latest))
    for ref, row in latest.items():
        deleted = row["op"] == Op.DELETE
        if ref not in held:
            found.absent += not deleted
            found.both_gone += deleted
        elif deleted:
            found.gone += 1
        elif row["version"] != held[ref].version:
            found.moved += 1
        else:
            found.compared += 1
            _compare(found.fields, mapped, held[ref].values(ref, sealer), _values(row["attributes"], row["personal"]))
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Held:
    version: str
    attributes: str
    sealed: bytes | None

    def values(self, ref: bytes, sealer: Sealer) -> dict[str, Any]:
        personal = None if self.sealed is None else sealer.open(self.sealed, entity_context(ref)).decode()
        return _values(self.attributes, personal)


def _held(conn: Connection, contract: Contract, source: str, refs: Sequence[bytes]) -> Mapping[bytes, _Held]:
    rows = conn.execute(
        """
        SELECT ref, version, attributes::text, sealed FROM entity
        WHERE entity = %s AND source = %s AND ref = ANY(%s) AND NOT deleted
        """,
        [contract.mapping.entity, source, [uuid.UUID(bytes=ref) for ref in refs]],
    ).fetchall()
    return {ref.bytes: _Held(*rest) for ref, *rest in rows}


def _values(attributes: str, personal: str | None) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(attributes)
    return decoded if personal is None else decoded | msgspec.json.decode(personal)


def _compare(
    fields: Mapping[str, FieldSample], mapped: Mapping[str, str], held: Mapping[str, Any], true: Mapping[str, Any]
) -> None:
    right = True
    for field, attribute in mapped.items():
        one, own, said = fields[field], held.get(attribute), true.get(attribute)
        if own is None:
            one.missing += said is not None
            continue
        one.n += 1
        one.good += own == said
        right &= own == said
    fields[WHOLE].n += 1
    fields[WHOLE].good += right


def _records(contract: Contract, source: str, payloads: Sequence[bytes], now: dt.datetime) -> pa.Table:
    """Rows as the door would stamp them, numbered in the column `position`."""
    picked = DoorPlan.compile(contract).pick(payloads)
    rows = []
    for at, payload in enumerate(payloads):
        partition_key = None if picked.partition_key is None else picked.partition_key[at]
        rows.append(
            {
                "source": source,
                "stream": contract.stream,
                "contract_version": contract.version,
                "key": None if picked.key is None else picked.key[at],
                "partition_key": (normalise("customer", partition_key) or None) if partition_key else None,
                "slot": 0,
                "op": (Op.UPSERT if picked.op is None else picked.op[at]).value,
                "observed_at": now,
                "received_at": now,
                "origin": "api",
                "delivery": "sample",
                "delivery_index": at,
                "content_type": "application/json",
                "payload": payload,
                "position": at,
                "index": 0,
            }
        )
    return pa.Table.from_pylist(rows, _RECORDS)


def _need_states(contract: Contract, source: str) -> None:
    if contract.kind is not EntityKind.STATE:
        raise ConfigurationError(
            f"{source}.{contract.stream} is a stream of events, of which no state is held.",
            hint="Name a stream of a state entity, such as customer or person.",
        )
