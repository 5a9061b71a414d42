"""A whole installation behind the door: log, engine, sink and worker over a real database."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest

from mainstem.contracts import Contract, ContractField, EntityMapping
from mainstem.errors import NotFoundError, UnavailableError
from mainstem.eventlog import Append, PostgresLog
from mainstem.metrics import MetricSet, builtin_metrics
from mainstem.model import ENVELOPE, EntityKind, FieldType, Lane, LogBatch, PiiClass
from mainstem.privacy import Keyring
from mainstem.processing import (
    DedupSettings,
    EmbeddedEngine,
    Ledger,
    LocalSegments,
    PostgresSink,
    ProcessingSettings,
    SinkParts,
    Worker,
    WorkerParts,
)
from mainstem.processing.sink_postgres import lease_name
from mainstem.store import Connection, Database, Lease
from mainstem.testing import FixedClock
from mainstem.testing.parents import AllKnown

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
PARTITIONS = 4


class TornDatabase(Database):
    """Loses the connection of the next transaction, before or after its commit."""

    torn: str | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        torn, self.torn = self.torn, None
        with super().transaction() as conn:
            yield conn
            if torn == "before":
                raise UnavailableError("The connection was lost.")
        if torn == "after":
            raise UnavailableError("The connection was lost, and whether it committed is not known.")


def _fields(*fields: ContractField) -> Mapping[str, ContractField]:
    return MappingProxyType({field.name: field for field in fields})


def _field(name: str, kind: FieldType = FieldType.STRING, **more: Any) -> ContractField:
    return ContractField(name=name, type=kind, path=(name,), **more)


USAGE = Contract(
    source="app",
    stream="usage",
    version=1,
    kind=EntityKind.EVENT,
    fields=_fields(
        _field("customer", required=True, pii=PiiClass.IDENTIFIER),
        _field("person", pii=PiiClass.IDENTIFIER),
        _field("event", required=True),
        _field("at", FieldType.TIMESTAMP, required=True),
        _field("n", FieldType.NUMBER),
        _field("page"),
        _field("id"),
    ),
    partition_key="customer",
    mapping=EntityMapping(
        "usage_event",
        MappingProxyType(
            {
                "customer_id": "customer",
                "person_id": "person",
                "event": "event",
                "occurred_at": "at",
                "quantity": "n",
                "object": "page",
            }
        ),
    ),
    text="",
    fingerprint="",
    record_id="id",
    occurred_at="at",
)
ACCOUNTS = Contract(
    source="crm",
    stream="accounts",
    version=1,
    kind=EntityKind.STATE,
    fields=_fields(
        _field("id", required=True, pii=PiiClass.IDENTIFIER),
        _field("name", pii=PiiClass.NAME),
        _field("plan"),
        _field("seats", FieldType.INTEGER),
        _field("started", FieldType.TIMESTAMP),
        _field("modified", FieldType.INTEGER),
        _field("gone", FieldType.BOOLEAN),
    ),
    partition_key="id",
    mapping=EntityMapping(
        "customer",
        MappingProxyType(
            {"customer_id": "id", "name": "name", "plan": "plan", "seats": "seats", "started_at": "started"}
        ),
    ),
    text="",
    fingerprint="",
    key=("id",),
    entity_version="modified",
    deleted="gone",
)


class KnownContracts:
    """The contracts of a test, by source, stream and version."""

    def __init__(self, *contracts: Contract) -> None:
        self._known = {(one.source, one.stream, one.version): one for one in contracts}

    def add(self, contract: Contract) -> Contract:
        self._known[contract.source, contract.stream, contract.version] = contract
        return contract

    def active(self, source: str, stream: str) -> Contract | None:
        versions = [one for one in self._known.values() if (one.source, one.stream) == (source, stream)]
        return max(versions, key=lambda one: one.version, default=None)

    def at(self, source: str, stream: str, version: int) -> Contract:
        try:
            return self._known[source, stream, version]
        except KeyError:
            raise NotFoundError("no such contract") from None


@dataclasses.dataclass
class Kit:
    """What makes records and effects; it needs no database."""

    keyring: Keyring
    clock: FixedClock
    contracts: KnownContracts

    @staticmethod
    def variant(contract: Contract, **changes: Any) -> Contract:
        """The contract with other properties."""
        return dataclasses.replace(contract, **changes)

    def engine(self) -> EmbeddedEngine:
        keys = self.keyring
        return EmbeddedEngine(self.contracts, keys.references, keys.hasher, keys.sealer, AllKnown())

    def records(self, contract: Contract, payloads: Sequence[Any], **envelope: Any) -> pa.RecordBatch:
        """Records as the door would stamp them. Payloads are objects or bytes; `envelope` may hold lists."""
        rows = []
        for number, payload in enumerate(payloads):
            body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            fields = payload if isinstance(payload, dict) else {}
            key = fields.get(contract.partition_key)
            row: dict[str, Any] = {
                "source": contract.source,
                "stream": contract.stream,
                "contract_version": contract.version,
                "record_id": fields.get(contract.record_id or ""),
                "key": None,
                "partition_key": key,
                "op": "event" if contract.kind is EntityKind.EVENT else "upsert",
                "occurred_at": None,
                "observed_at": self.clock.wall(),
                "origin": "api",
                "delivery": "d",
                "delivery_index": number,
                "content_type": "application/json",
                "payload": body,
            }
            row |= {name: value[number] if isinstance(value, list) else value for name, value in envelope.items()}
            references = self.keyring.references
            slot = (
                references.slot(str(row["source"]), str(row["stream"]), key)
                if key
                else references.delivery_slot("d", number)
            )
            rows.append({"slot": slot, **row})
        return pa.RecordBatch.from_pylist(rows, ENVELOPE)


class OnlyEvents:
    """One metric, and never another."""

    def __init__(self) -> None:
        self._metrics = MetricSet(metric for metric in builtin_metrics() if metric.name == "events")

    def current(self) -> MetricSet:
        return self._metrics

    def prove(self, conn: Connection, used: MetricSet) -> None:
        """Nothing comes between."""


@dataclasses.dataclass
class Plant(Kit):
    """Everything behind the door; `deliver` is the door, `run` the worker without its threads."""

    database: Database
    folder: Path
    settings: ProcessingSettings
    log: PostgresLog
    opened: list[PostgresSink] = dataclasses.field(default_factory=list)
    metrics: Any = dataclasses.field(default_factory=OnlyEvents)

    def sink(self, database: Database | None = None) -> PostgresSink:
        """A sink with a memory of its own, as another process would have it."""
        parts = SinkParts(
            sealer=self.keyring.sealer,
            hasher=self.keyring.hasher,
            segments=LocalSegments(self.folder),
            clock=self.clock,
            metrics=self.metrics,
            partitions=lambda number: next(e.partitions for e in self._epochs() if e.number == number),
        )
        sink = PostgresSink(database or self.database, parts, self.settings)
        self.opened.append(sink)
        return sink

    def worker(self, **settings: Any) -> Worker:
        merged = self.settings.model_copy(update=settings)
        return Worker(WorkerParts(self.database, self.log, self.engine(), self.sink(), self.clock), merged)

    def ledger(self) -> Ledger:
        return Ledger(self.database, self.log, LocalSegments(self.folder))

    def lease(self, partition: int = 0, owner: str = "me", epoch: int = 1) -> int:
        """Take over a partition, whoever had it."""
        with self.database.autocommit() as conn:
            conn.execute("UPDATE lease SET expires_at = '-infinity' WHERE name = %s", [lease_name(epoch, partition)])
        taken = Lease(self.database, lease_name(epoch, partition), owner, dt.timedelta(minutes=5)).acquire()
        assert taken is not None
        return taken

    def deliver(self, records: pa.RecordBatch, lane: Lane = Lane.LIVE) -> None:
        """Append records, each to its partition."""
        epoch = self._epochs()[-1]
        slots = records.column("slot").to_numpy() % epoch.partitions
        self.log.append(
            [
                Append(partition, lane, records.filter(pa.array(slots == partition)))
                for partition in range(epoch.partitions)
                if (slots == partition).any()
            ]
        )

    def batches(self, partition: int, after: int = 0, lane: Lane = Lane.LIVE, epoch: int = 1) -> Sequence[LogBatch]:
        return self.log.read(epoch, partition, lane, after, max_records=10**6, max_bytes=10**9)

    def run(self, sink: PostgresSink | None = None) -> PostgresSink:
        """Commit everything there is, partition after partition, as their owner."""
        sink = sink or self.sink()
        engine = self.engine()
        for epoch in self._epochs():
            for partition in range(epoch.partitions):
                lease = self.lease(partition, epoch=epoch.number)
                for lane in Lane:
                    after = sink.positions().get((epoch.number, partition, lane), 0)
                    for batch in self.batches(partition, after, lane, epoch.number):
                        sink.commit(engine.process([batch]), lease_epoch=lease)
                        sink.maintain(epoch.number, partition, lease_epoch=lease)
        return sink

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.database.autocommit() as conn:
            return conn.execute(statement, parameters or None).fetchall()

    def totals(self) -> dict[str, int]:
        """The ledger's terms over all streams."""
        lines = self.ledger().status()
        names = ("received", "accepted", "duplicate", "quarantined", "pending")
        return {name: sum(getattr(line, name) for line in lines) for name in names}

    def events(self) -> int:
        """What the metric `events` counts in all cells."""
        [(total,)] = self.query(
            "SELECT coalesce(sum(value), 0) FROM cell JOIN series USING (series) WHERE metric = 'events'"
        )
        return int(total)

    def _epochs(self) -> Any:
        return self.log.epochs()


@pytest.fixture
def kit(keyring: Keyring, clock: FixedClock) -> Kit:
    return Kit(keyring, clock, KnownContracts(USAGE, ACCOUNTS))


@pytest.fixture
def plant(kit: Kit, database: Database, tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(
        kit.keyring,
        kit.clock,
        kit.contracts,
        database,
        tmp_path / "lake",
        ProcessingSettings(dedup=DedupSettings(seal_keys=60, merge_segments=2, seal_runs=12)),
        PostgresLog(database, kit.keyring.sealer, kit.clock, partitions=PARTITIONS),
    )
    plant.log.epochs()
    yield plant
    for sink in plant.opened:
        sink.close()


def usage(n: int, *, customers: int = 7, first: int = 0, at: dt.datetime = NOW) -> list[dict[str, Any]]:
    """Usage events with ids of their own."""
    return [
        {
            "id": f"e{number}",
            "customer": f"c{number % customers}",
            "person": f"p{number % (customers * 2)}@example.org",
            "event": ("open", "save", "share")[number % 3],
            "at": (at - dt.timedelta(minutes=number % 50)).isoformat(),
            "n": number % 10,
            "page": f"/p/{number % 5}",
        }
        for number in range(first, first + n)
    ]


@pytest.fixture
def make_usage() -> Callable[..., list[dict[str, Any]]]:
    return usage


@pytest.fixture
def usage_contract() -> Contract:
    return USAGE


@pytest.fixture
def accounts_contract() -> Contract:
    return ACCOUNTS


@pytest.fixture
def personal_contract(kit: Kit) -> Contract:
    """As `usage`, but what is used may name a person."""
    page = dataclasses.replace(USAGE.fields["page"], pii=PiiClass.EMAIL)
    return kit.contracts.add(kit.variant(USAGE, version=2, fields=MappingProxyType({**USAGE.fields, "page": page})))
