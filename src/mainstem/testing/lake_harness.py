"""A log and its lake under test: appended to, written, killed, reopened, compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstem.eventlog import Append, EventLog, PostgresLog
from mainstem.lake import Lake, LakeReader, LakeSettings, LakeWriter
from mainstem.lake.local import LocalObjects
from mainstem.model import Lane, LogBatch
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing.clock import FixedClock
from mainstem.testing.envelopes import make_records
from mainstem.testing.faulty_objects import FaultyObjects

__all__ = ["Chains", "LakeHarness", "assert_same_chains"]

Chains = Mapping[tuple[int, int, Lane], Sequence[LogBatch]]
"""Batches by (epoch, partition, lane)."""


@dataclasses.dataclass
class LakeHarness:
    """A log and its lake, as any number of processes would open them; faults of the objects are the test's."""

    database: Database
    clock: FixedClock
    keyring: Keyring
    log: PostgresLog
    objects: FaultyObjects
    root: Path

    @classmethod
    def open(cls, database: Database, keyring: Keyring, root: Path) -> LakeHarness:
        """A log of two partitions, and a lake in a folder."""
        clock = FixedClock()
        log = PostgresLog(database, keyring.sealer, clock, partitions=2)
        log.epochs()
        return cls(database, clock, keyring, log, FaultyObjects(LocalObjects(root)), root)

    def lake(self, **settings: Any) -> Lake:
        """The lake, opened with these settings."""
        return Lake.of(self.database, self.objects, self.keyring, self.clock, LakeSettings(**settings))

    def writer(self, owner: str, **settings: Any) -> LakeWriter:
        """A new life of a writer."""
        return LakeWriter(self.lake(**settings), self.log, owner=owner)

    def append(self, count: int, *, partition: int = 0, lane: Lane = Lane.LIVE, **values: Any) -> int:
        """Append one batch of `make_records`; its position."""
        return self.log.append([Append(partition, lane, make_records(count, partition=partition, **values))])[0]

    def logged(self) -> Chains:
        """Everything in the log."""
        return {
            (epoch.number, partition, lane): _everything(self.log, epoch.number, partition, lane)
            for epoch in self.log.epochs()
            for partition in range(epoch.partitions)
            for lane in Lane
        }

    def laked(self) -> Chains:
        """Everything in the lake."""
        reader = LakeReader(self.lake())
        return {(s.epoch, s.partition, s.lane): list(reader.read(s.epoch, s.partition, s.lane)) for s in reader.spans()}

    def expire_leases(self) -> None:
        """Let the time pass after which a vanished owner's leases are free."""
        self.execute("UPDATE lease SET expires_at = '-infinity'")

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement behind everybody's back; its rows."""
        with self.database.transaction() as connection:
            cursor = connection.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []

    def files(self, folder: str = "") -> set[str]:
        """Paths of all objects below a folder of the lake."""
        return {str(path.relative_to(self.root)) for path in (self.root / folder).rglob("*") if path.is_file()}


def assert_same_chains(left: Chains, right: Chains) -> None:
    """Both hold the same batches, in the same order, byte for byte."""
    filled = {chain: batches for chain, batches in left.items() if batches}
    assert filled.keys() == {chain for chain, batches in right.items() if batches}
    for chain, batches in filled.items():
        others = right[chain]
        assert [batch.position for batch in batches] == [batch.position for batch in others]
        for one, other in zip(batches, others, strict=True):
            assert one.received_at == other.received_at
            assert one.records.schema.equals(other.records.schema)
            assert one.records.equals(other.records), one.position


def _everything(log: EventLog, epoch: int, partition: int, lane: Lane) -> list[LogBatch]:
    batches: list[LogBatch] = []
    while new := log.read(
        epoch, partition, lane, batches[-1].position if batches else 0, max_records=10_000, max_bytes=1 << 24
    ):
        batches += new
    return batches
