"""From what a body says to what the log keeps: identities, keys and times as the stream's contract names them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow.compute as pc

from mainstem.contracts import Contract, DoorPlan, Picked, Repeat
from mainstem.intake._columns import Segment
from mainstem.intake._reading import Columns, Texts, Times
from mainstem.model import EntityKind, Op
from mainstem.privacy import normalise

__all__ = ["Origin", "no_contract", "stamp"]


# Without counts, so that a load of a thousand chunks says it once.
_NO_IDENTITY = "Stream {stream}: no id and no Idempotency-Key: a repeat of this request would count twice."


class Origin(msgspec.Struct, frozen=True):
    """What all records of a delivery share."""

    source: str
    origin: str
    delivery: str
    content_type: str
    received_at: dt.datetime
    idempotency_key: str | None


def stamp(
    columns: Columns, origin: Origin, contract: Contract | None, plan: DoorPlan | None
) -> tuple[Segment, list[str]]:
    """The records of one stream as the log keeps them, and warnings; `plan` is the contract's own."""
    if contract is None or plan is None:
        segment = _segment(
            columns,
            origin,
            0,
            op=Op.EVENT,
            given_op=columns.op,
            record_id=_filled(columns.id, _by_idempotency_key(columns, origin)),
            key=columns.key,
            partition_key=_partition_keys(_filled(columns.customer_id, columns.key)),
            occurred_at=columns.occurred_at,
        )
        return segment, [no_contract(columns.stream)]
    is_event = contract.kind is EntityKind.EVENT
    spoken = _spoken_partition_keys(columns, contract)
    wanted: list[Sequence[Any] | None] = [spoken, columns.id if is_event else columns.key]
    if contract.deleted is not None:
        wanted.append(columns.op)
    timeless = contract.occurred_at is not None and (columns.occurred_at is None or columns.occurred_at.null_count)
    lacking = timeless or any(column is None or None in column for column in wanted)
    picked = plan.pick(columns.payload) if lacking else Picked()
    record_id, warnings = _identities(columns, picked, origin, contract)
    partition_key = _partition_keys(_filled(spoken, picked.partition_key))
    if partition_key is None or None in partition_key:
        warnings.append(f"A record of {columns.stream} without {contract.partition_key} goes to quarantine.")
    segment = _segment(
        columns,
        origin,
        contract.version,
        op=Op.EVENT if is_event else Op.UPSERT,
        given_op=columns.op if is_event else _filled(columns.op, picked.op),
        record_id=record_id,
        key=None if is_event else _filled(columns.key, picked.key),
        partition_key=partition_key,
        occurred_at=_filled_times(columns.occurred_at, picked.occurred_at),
    )
    return segment, warnings


def no_contract(stream: str) -> str:
    """The warning for a stream that nobody has declared, or whose name was misspelt."""
    return f"{stream} has no contract: its records wait in quarantine until one is activated."


def _segment(columns: Columns, origin: Origin, version: int, *, op: Op, given_op: Texts, **fields: Any) -> Segment:
    """`op` is what records are that do not say."""
    observed_at: Times = columns.observed_at
    if op is Op.EVENT:
        observed_at = _filled_times(observed_at, fields["occurred_at"])
    return Segment(
        source=origin.source,
        stream=columns.stream,
        contract_version=version,
        origin=origin.origin,
        delivery=origin.delivery,
        content_type=origin.content_type,
        received_at=origin.received_at,
        index=columns.index,
        payload=columns.payload,
        op=op.value if given_op is None else [given or op.value for given in given_op],
        observed_at=observed_at,
        **fields,
    )


def _filled(first: Sequence[Any] | None, second: Sequence[Any] | None) -> Sequence[Any] | None:
    """Where the first column has nothing, the second one."""
    if first is None or second is None:
        return second if first is None else first
    if None not in first:
        return first
    return [there if here is None else here for here, there in zip(first, second, strict=True)]


def _filled_times(first: Times, second: Times) -> Times:
    if first is None or second is None:
        return second if first is None else first
    return first if first.null_count == 0 else pc.coalesce(first, second)


def _spoken_partition_keys(columns: Columns, contract: Contract) -> Texts:
    """What the envelope says of the contract's partition key: the customer, or the key of the entity itself."""
    spoken: Texts = None
    if contract.mapping.attributes.get("customer_id") == contract.partition_key:
        spoken = columns.customer_id
    if contract.key == (contract.partition_key,):
        spoken = _filled(spoken, columns.key)
    return spoken


def _partition_keys(keys: Texts) -> Texts:
    """In the form in which references are computed, so that one reference never has two slots; blank is none."""
    if keys is None:
        return None
    present = [key for key in keys if key is not None]
    # Nearly always nothing is to be done, which whole columns tell at once.
    if "".join(present).isascii() and "" not in present and list(map(str.strip, present)) == present:
        return keys
    plain = {key: normalise("customer", key) or None for key in set(present)}
    return [None if key is None else plain[key] for key in keys]


def _identities(columns: Columns, picked: Picked, origin: Origin, contract: Contract) -> tuple[Texts, list[str]]:
    """What tells a record from its repeat, before the log; null where content or nothing does."""
    if contract.kind is not EntityKind.EVENT:
        return columns.id, []
    if contract.repeat in {Repeat.BODY, Repeat.NONE}:
        return None, []
    identities = _filled(columns.id, picked.record_id)
    if identities is not None and None not in identities:
        return identities, []
    if origin.idempotency_key is not None:
        return _filled(identities, _by_idempotency_key(columns, origin)), []
    return identities, [_NO_IDENTITY.format(stream=columns.stream)]


def _by_idempotency_key(columns: Columns, origin: Origin) -> Texts:
    if origin.idempotency_key is None:
        return None
    return [f"ik:{origin.idempotency_key}:{index}" for index in columns.index]
