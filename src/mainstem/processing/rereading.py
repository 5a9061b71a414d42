"""A quarantined record as the door would make it today, under the contract in force now.

The door lets the envelope win over the payload, and what it kept of a record does not say which of the two a value came
from. It came from the payload if the contract of then finds the same value there: then the contract of now is asked.
Anything else the sender said, and it holds, except where a correction of the payload says something new.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mainstem.contracts import Contract, DoorPlan, Picked, Repeat
from mainstem.errors import NotFoundError
from mainstem.model import ENVELOPE, EntityKind, Op
from mainstem.privacy import normalise
from mainstem.processing.embedded import Contracts
from mainstem.processing.quarantine import QuarantinedRecord

__all__ = ["as_it_was", "read_again"]

_NAMES = [field.name for field in ENVELOPE]


def read_again(
    records: Sequence[QuarantinedRecord], payloads: Sequence[bytes], contracts: Contracts
) -> list[dict[str, Any]]:
    """Rows of `ENVELOPE` columns of records of one stream, in order; `payloads` are theirs, as they are or corrected."""
    contract = contracts.active(records[0].source, records[0].stream)
    if contract is None:
        return [
            {**as_it_was(record), "payload": payload, "contract_version": 0}
            for record, payload in zip(records, payloads, strict=True)
        ]
    plan = DoorPlan.compile(contract)
    now = _Said(contract, plan.pick(payloads))
    corrected = list(payloads) != [record.payload for record in records]
    untouched = _Said(contract, plan.pick([record.payload for record in records])) if corrected else now
    then: list[dict[str, Any]] = [{}] * len(records)
    for version in {record.contract_version for record in records} - {0}:
        rows = [row for row, record in enumerate(records) if record.contract_version == version]
        said = _said_then([records[row] for row in rows], version, contracts)
        for row, values in zip(rows, said, strict=True):
            then[row] = values
    return [
        _row(contract, records[at], payloads[at], now.row(at), untouched.row(at), then[at])
        for at in range(len(records))
    ]


class _Said:
    """What payloads say, by row."""

    def __init__(self, contract: Contract, picked: Picked) -> None:
        self._event = contract.kind is EntityKind.EVENT
        self._picked = picked

    def row(self, at: int) -> dict[str, Any]:
        picked = self._picked
        return {
            "record_id": _one(picked.record_id, at),
            "key": None if self._event else _one(picked.key, at),
            "partition_key": _plain(_one(picked.partition_key, at)),
            "occurred_at": _time(picked.occurred_at, at),
            "op": None if self._event else _one(picked.op, at),
        }


def _said_then(records: Sequence[QuarantinedRecord], version: int, contracts: Contracts) -> list[dict[str, Any]]:
    """What the payloads said to the door under the contract that stamped them; nothing where that is not known."""
    try:
        contract = contracts.at(records[0].source, records[0].stream, version)
    except NotFoundError:
        return [{}] * len(records)
    said = _Said(contract, DoorPlan.compile(contract).pick([record.payload for record in records]))
    return [said.row(at) for at in range(len(records))]


def _row(
    contract: Contract,
    record: QuarantinedRecord,
    payload: bytes,
    now: dict[str, Any],
    untouched: dict[str, Any],
    then: dict[str, Any],
) -> dict[str, Any]:
    kept = as_it_was(record) | {"partition_key": _envelope_partition_key(record, contract)}
    event = contract.kind is EntityKind.EVENT

    def value(name: str) -> Any:
        spoken = None if kept[name] == then.get(name) else kept[name]
        new = now[name] is not None and now[name] != untouched[name]
        return now[name] if new or spoken is None else spoken

    return {
        **kept,
        "payload": payload,
        "contract_version": contract.version,
        "record_id": None if event and contract.repeat in {Repeat.BODY, Repeat.NONE} else value("record_id"),
        "key": None if event else value("key"),
        "partition_key": value("partition_key"),
        "occurred_at": value("occurred_at"),
        "op": record.op if event else _operation(record.op, now["op"], untouched["op"], then.get("op")),
    }


def as_it_was(record: QuarantinedRecord) -> dict[str, Any]:
    """The row of `ENVELOPE` columns that the log held."""
    return {name: getattr(record, name) for name in _NAMES}


def _envelope_partition_key(record: QuarantinedRecord, contract: Contract) -> str | None:
    """What the envelope says of the partition key, or what the payload was found to say.

    A door that knew no contract kept the customer there or, where none was named, the key; which of them a contract would
    have taken, only the contract says.
    """
    kept = _plain(record.partition_key)
    if record.contract_version:
        return kept
    key = _plain(record.key)
    named = None if kept == key else kept
    spoken = named if contract.mapping.attributes.get("customer_id") == contract.partition_key else None
    if spoken is None and contract.key == (contract.partition_key,):
        return key
    return spoken


def _operation(given: str, now: Op | None, untouched: Op | None, then: Op | None) -> str:
    """Of an entity: without a contract the door took it for an event, and a payload may have said that it is gone."""
    unspoken = given == Op.EVENT.value or (given == Op.DELETE.value and (then is Op.DELETE or now != untouched))
    return (now or Op.UPSERT).value if now is Op.DELETE or unspoken else given


def _plain(key: str | None) -> str | None:
    return (normalise("customer", key) or None) if key else None


def _one(column: Sequence[Any] | None, at: int) -> Any:
    return None if column is None else column[at]


def _time(column: pa.Array | None, at: int) -> dt.datetime | None:
    return None if column is None else column[at].as_py()
