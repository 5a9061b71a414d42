"""The event log against a model: append, read, commit, crash, reopen, repartition, trim, in any order."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mainstem.errors import FencedError
from mainstem.eventlog import Append, EventLog, LogEpoch, PostgresLog
from mainstem.model import Lane
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing import FixedClock
from mainstem.testing.log_records import append_of

Chain = tuple[int, int, Lane]
"""(epoch, partition, lane)"""


_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclasses.dataclass
class Batch:
    """One position as the model knows it."""

    position: int
    received_at: dt.datetime
    source: str
    payloads: list[bytes]


@dataclasses.dataclass
class Chained:
    """One lane of one partition: what is kept, and how far a reader has read and committed."""

    batches: list[Batch] = dataclasses.field(default_factory=list)
    last: int = 0
    last_at: dt.datetime = _NEVER
    read: int = 0
    committed: int = 0


class LogMachine(RuleBasedStateMachine):
    """Two doors and a reader over one log; `setup` gives what the fixtures made."""

    setup: Callable[[LogMachine], None]
    clock: FixedClock
    open_log: Callable[[], EventLog]
    undecided: Callable[[list[Append]], None]

    def __init__(self) -> None:
        super().__init__()
        type(self).setup(self)
        self.doors = [self.open_log(), self.open_log()]
        # What each door was last told is open: (epoch, partitions); None before it asked.
        self.told: list[tuple[int, int] | None] = [None, None]
        self.epochs = {1: 4}
        self.chains: dict[Chain, Chained] = {}
        self.received: Counter[tuple[str, str, dt.date]] = Counter()
        self.serial = 0
        assert self.doors[0].epochs()[-1] == LogEpoch(1, 4, closed=False)
        self.told[0] = (1, 4)

    @property
    def open_epoch(self) -> int:
        return max(self.epochs)

    def chain(self, partition: int, lane: Lane, epoch: int | None = None) -> Chained:
        return self.chains.setdefault((epoch or self.open_epoch, partition, lane), Chained())

    def make(self, wanted: list[tuple[int, Lane, int, str]], partitions: int) -> list[Append]:
        appends = []
        for slot, lane, n, source in wanted:
            self.serial += 1
            texts = [b"%d-%d" % (self.serial, index) for index in range(n)]
            appends.append(append_of(*texts, partition=slot % partitions, lane=lane, source=source))
        return appends

    wanted = st.lists(
        st.tuples(
            st.integers(0, 15), st.sampled_from(Lane), st.integers(1, 4), st.sampled_from(["shop", "crm", "żółć"])
        ),
        min_size=1,
        max_size=5,
    )

    @rule(door=st.integers(0, 1), wanted=wanted)
    def append(self, door: int, wanted: list[tuple[int, Lane, int, str]]) -> None:
        told = self.told[door] or (self.open_epoch, self.epochs[self.open_epoch])
        appends = self.make(wanted, told[1])
        if told[0] != self.open_epoch:
            with pytest.raises(FencedError):
                self.doors[door].append(appends)
            assert self.doors[door].epochs()[-1].number == self.open_epoch
            self.told[door] = (self.open_epoch, self.epochs[self.open_epoch])
            return
        positions = self.doors[door].append(appends)
        self.told[door] = told
        # Each partition's time is settled once for the call: never before anything the partition already has.
        at = {
            append.partition: max(self.clock.wall(), *(self.last_at(append.partition, lane) for lane in Lane))
            for append in appends
        }
        for append, position, (_, lane, n, source) in zip(appends, positions, wanted, strict=True):
            chain = self.chain(append.partition, lane)
            assert position > chain.last
            chain.last = position
            chain.last_at = at[append.partition]
            chain.batches.append(Batch(position, chain.last_at, source, append.records.column("payload").to_pylist()))
            self.received[source, "orders", chain.last_at.date()] += n

    def last_at(self, partition: int, lane: Lane) -> dt.datetime:
        """The latest time of the lane; at the start of an epoch, of the whole epoch before."""
        earlier = [c.last_at for (epoch, _, _), c in self.chains.items() if epoch < self.open_epoch]
        return max([self.chain(partition, lane).last_at, *earlier])

    @rule(wanted=wanted)
    def append_and_die_before_the_commit(self, wanted: list[tuple[int, Lane, int, str]]) -> None:
        self.undecided(self.make(wanted, self.epochs[self.open_epoch]))

    @rule(data=st.data(), records=st.integers(1, 12), size=st.sampled_from([1, 700, 1 << 20]))
    def read(self, data: st.DataObject, records: int, size: int) -> None:
        if not self.chains:
            return
        epoch, partition, lane = data.draw(st.sampled_from(sorted(self.chains)))
        chain = self.chains[epoch, partition, lane]
        got = self.doors[0].read(epoch, partition, lane, chain.read, max_records=records, max_bytes=size)
        behind = [batch for batch in chain.batches if batch.position > chain.read]
        assert bool(got) == bool(behind)
        seen = [
            Batch(b.position, b.received_at, b.records.column("source")[0].as_py(), b.records["payload"].to_pylist())
            for b in got
        ]
        assert seen == behind[: len(seen)]
        if len(got) > 1:
            assert sum(batch.records.num_rows for batch in got) <= records
            assert sum(batch.records.nbytes for batch in got) <= size
        if got:
            chain.read = got[-1].position

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        if self.chains:
            chain = self.chains[data.draw(st.sampled_from(sorted(self.chains)))]
            chain.committed = chain.read

    @rule()
    def the_reader_crashes(self) -> None:
        for chain in self.chains.values():
            chain.read = chain.committed

    @rule(door=st.integers(0, 1))
    def a_door_crashes_and_reopens(self, door: int) -> None:
        self.doors[door] = self.open_log()
        self.told[door] = None

    @rule(seconds=st.sampled_from([-90_000, -1, 1, 40_000]))
    def the_clock_is_set(self, seconds: int) -> None:
        self.clock.advance(dt.timedelta(seconds=seconds))

    @precondition(lambda self: self.open_epoch < 4)
    @rule(partitions=st.sampled_from([1, 2, 4, 8, 16]))
    def repartition(self, partitions: int) -> None:
        number = self.open_epoch + 1
        assert self.doors[0].repartition(partitions) == LogEpoch(number, partitions, closed=False)
        self.epochs[number] = partitions
        self.told[0] = (number, partitions)

    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        if self.chains:
            key = data.draw(st.sampled_from(sorted(self.chains)))
            chain = self.chains[key]
            kept = [batch for batch in chain.batches if batch.position > chain.committed]
            assert self.doors[1].trim(*key, chain.committed) == len(chain.batches) - len(kept)
            chain.batches = kept

    @invariant()
    def counts_hold(self) -> None:
        log = self.doors[1]
        assert log.received() == self.received
        pending: Counter[tuple[str, str, dt.date]] = Counter()
        for chain in self.chains.values():
            for batch in chain.batches:
                if batch.position > chain.committed:
                    pending[batch.source, "orders", batch.received_at.date()] += len(batch.payloads)
        assert log.pending({key: chain.committed for key, chain in self.chains.items()}) == pending

    @invariant()
    def heads_and_epochs_hold(self) -> None:
        log = self.open_log()
        holding = {epoch for (epoch, _, _), chain in self.chains.items() if chain.batches} | {self.open_epoch}
        assert list(log.epochs()) == [
            LogEpoch(number, self.epochs[number], closed=number != self.open_epoch) for number in sorted(holding)
        ]
        for epoch in self.epochs:
            heads = {(head.partition, head.lane): head.position for head in log.heads(epoch)}
            assert len(heads) == 2 * self.epochs[epoch]
            for (partition, lane), position in heads.items():
                known = self.chains.get((epoch, partition, lane))
                assert position == (known.last if known else 0)


def test_the_log_behaves_as_its_model(database: Database, keyring: Keyring) -> None:
    class Machine(LogMachine):
        pass

    def setup(machine: LogMachine) -> None:
        with database.transaction() as connection:
            connection.execute("TRUNCATE log_epoch, log_head, log_batch, log_received")
        clock = machine.clock = FixedClock()
        machine.open_log = lambda: PostgresLog(database, keyring.sealer, clock, partitions=4)
        machine.undecided = undecided

    def undecided(appends: list[Append]) -> None:
        log = PostgresLog(database, keyring.sealer, FixedClock(), partitions=4)
        parameters = log._encoded(appends, log.epochs()[-1])
        with database.transaction() as connection:
            assert log._append_on(connection, parameters)
            raise psycopg.Rollback

    Machine.setup = staticmethod(setup)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=50,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
