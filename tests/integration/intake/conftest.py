"""A door on a real log, and streams of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mainstem.contracts import Registry
from mainstem.eventlog import EventLog, PostgresLog
from mainstem.intake import Door, DoorParts
from mainstem.model import Lane, LogBatch
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing import FixedClock

_EVENT = """
apiVersion: v3.2.0
kind: DataContract
id: {stream}
name: {stream}
version: 1.0.0
status: active
customProperties:
  - {{property: source, value: shop}}
schema:
  - name: {stream}
    logicalType: object
    customProperties:
      - {{property: partitionKey, value: customer_id}}
      - {{property: occurredAt, value: occurred_at}}
      - {{property: repeat, value: {repeat}}}
      - property: mapping
        value:
          entity: usage_event
          attributes: {{customer_id: customer_id, event: event, occurred_at: occurred_at}}
    properties:
      - {{name: customer_id, logicalType: string, required: true, customProperties: [{{property: pii, value: identifier}}]}}
      - {{name: event, logicalType: string, required: true}}
      - {{name: occurred_at, logicalType: timestamp, required: true}}
"""

_STATE = """
apiVersion: v3.2.0
kind: DataContract
id: accounts
name: accounts
version: 1.0.0
status: active
customProperties:
  - {property: source, value: shop}
schema:
  - name: accounts
    logicalType: object
    customProperties:
      - {property: partitionKey, value: account}
      - property: mapping
        value:
          entity: customer
          attributes: {customer_id: account, name: name}
    properties:
      - {name: account, physicalName: Id, logicalType: string, required: true, primaryKey: true,
         customProperties: [{property: pii, value: identifier}]}
      - {name: name, physicalName: Name, logicalType: string, customProperties: [{property: pii, value: name}]}
"""


@pytest.fixture
def database(emptied_database: Database) -> Database:
    return emptied_database


@pytest.fixture
def parts(database: Database, keyring: Keyring, clock: FixedClock) -> DoorParts:
    registry = Registry(database)
    registry.ensure_builtins(clock.wall())
    for repeat in ("body", "occurrence", "none"):
        registry.activate(_EVENT.format(stream=f"by_{repeat}", repeat=repeat), clock.wall())
    registry.activate(_STATE, clock.wall())
    return DoorParts(
        log=PostgresLog(database, keyring.sealer, clock, partitions=4),
        registry=registry,
        references=keyring.references,
        hasher=keyring.hasher,
        clock=clock,
        database=database,
    )


@pytest.fixture
def door(parts: DoorParts) -> Iterator[Door]:
    with Door(parts) as door:
        yield door


class LogView:
    """What lies in a log."""

    def __init__(self, log: EventLog) -> None:
        self.log = log

    def batches(self, lane: Lane | None = None) -> list[LogBatch]:
        """Everything, lane by lane, partition by partition."""
        return [
            batch
            for epoch in self.log.epochs()
            for head in self.log.heads(epoch.number)
            if lane is None or head.lane is lane
            for batch in self.log.read(epoch.number, head.partition, head.lane, 0, max_records=10**9, max_bytes=10**12)
        ]

    def records(self, lane: Lane | None = None) -> list[dict[str, Any]]:
        """Every record, by delivery and index, with its `partition`."""
        found = [
            {**row, "partition": batch.partition} for batch in self.batches(lane) for row in batch.records.to_pylist()
        ]
        return sorted(found, key=lambda row: (row["delivery"], row["delivery_index"]))

    def column(self, name: str) -> list[Any]:
        """One column of all records, in no order."""
        return [value for batch in self.batches() for value in batch.records.column(name).to_pylist()]


@pytest.fixture
def logged(parts: DoorParts) -> LogView:
    """What lies in the door's log."""
    return LogView(parts.log)
