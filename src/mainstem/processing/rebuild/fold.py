"""The fold: the lake's records through the same engine and the same sink, into a schema beside the one in use.

Partitions come one after the other, those of an epoch before those of the next. The two lanes of a partition take the turns
that they took when they were in effect first (`lane_order`), so that of two records with one identity the same one counts.
Where no turns are known (the database was lost before they were in the lake) they are merged by the minute in which their
batches were received; within it the live lane comes first, so that lanes which were filled at the same time do not make a commit of every batch. A
database knows when something came to be known; here that is when it was received, so that a rebuild a year later says the
same: to the hour, because what is committed together is known together.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence

from mainstem.clock import Clock, Replay
from mainstem.errors import FencedError, IntegrityError, UnavailableError
from mainstem.lake import LakeReader
from mainstem.model import Lane, LogBatch
from mainstem.processing.engine import Engine
from mainstem.processing.sink_postgres import PostgresSink, lease_name
from mainstem.processing.tables.lane_order import Turn, read_turns
from mainstem.store import Database, Lease

__all__ = ["REBUILD", "SPAN", "Chains", "Fold", "FoldClock"]

REBUILD = "rebuild"
"""The name of the fold beside the live one."""

Chains = Mapping[tuple[int, int, Lane], int]
"""Positions by (epoch, partition, lane)."""

SPAN = dt.timedelta(hours=1)
"""What was received within it may be committed together, and then is known since the first of it was received.

Shorter would say more exactly when something came to be known, at the price of more commits: a year of a slow stream
takes 8,760 of them.
"""

_RECORDS = 100_000
_BYTES = 64 * 1024 * 1024
_TTL = dt.timedelta(minutes=2)


class FoldClock:
    """Wall time is that of the record being folded; data time is the installation's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.received_at = clock.wall()

    @property
    def replay(self) -> Replay | None:
        """The installation's replay."""
        return self._clock.replay

    def wall(self) -> dt.datetime:
        """When the span being folded began to be received."""
        return self.received_at

    def data(self) -> dt.datetime:
        """The installation's data time: what is closed or too old for a timeline is so now."""
        return self._clock.data()


class Fold:
    """Folds the lake into the fold that `sink` writes (a `PostgresSink` of the name `REBUILD`). Used by one thread."""

    def __init__(
        self, database: Database, reader: LakeReader, engine: Engine, sink: PostgresSink, clock: FoldClock
    ) -> None:
        self._database = database
        self._reader = reader
        self._engine = engine
        self._sink = sink
        self._clock = clock
        self.records = 0
        """Folded so far."""

    def run(self, until: Chains, *, owner: str, on_records: Callable[[int], None]) -> None:
        """Fold on to exactly these positions, where both lanes of each partition stood at one time.

        `on_records` is told of every commit's records. Raises FencedError when another rebuild is under way,
        IntegrityError when the lake ends before a position, StorageFullError or UnavailableError.
        """
        partitions = sorted({(epoch, partition) for epoch, partition, _ in until})
        with self._database.autocommit() as conn:
            turns = read_turns(conn)
        for number, (epoch, partition) in enumerate(partitions):
            lease = Lease(self._database, lease_name(epoch, partition, REBUILD), owner, _TTL)
            lease_epoch = lease.acquire()
            if lease_epoch is None:
                raise UnavailableError("Another rebuild is under way.", retry_after=_TTL.total_seconds())
            try:
                for batches in self._spans(epoch, partition, until, turns.get((epoch, partition), ())):
                    if not lease.renew():
                        raise FencedError("Another rebuild has taken over.")
                    self._clock.received_at = batches[0].received_at
                    effects = self._engine.process(batches)
                    self._sink.commit(effects, lease_epoch=lease_epoch)
                    self._sink.maintain(epoch, partition, lease_epoch=lease_epoch)
                    self.records += effects.records
                    on_records(effects.records)
                last = number + 1 == len(partitions)
                if not last and any(later > epoch for later, _ in partitions[number + 1 :]):
                    # Other shares of the slots come after this epoch: they then need only map what this one knows.
                    self._sink.maintain(epoch, partition, lease_epoch=lease_epoch, settle=True)
            finally:
                self._sink.forget(epoch, partition)
                lease.release()
        self._check(until)

    def _spans(self, epoch: int, partition: int, until: Chains, turns: Sequence[Turn]) -> Iterator[list[LogBatch]]:
        """Batches of one lane that are committed together."""
        reached = self._sink.positions()
        live, bulk = (_Lane(self._lane((epoch, partition, lane), reached, until)) for lane in (Lane.LIVE, Lane.BULK))
        span: list[LogBatch] = []
        records = size = 0
        for batch in _taking_turns(live, bulk, turns):
            full = records + batch.records.num_rows > _RECORDS or size + batch.records.nbytes > _BYTES
            if span and (full or span[0].lane != batch.lane or batch.received_at - span[0].received_at > SPAN):
                yield span
                span, records, size = [], 0, 0
            span.append(batch)
            records += batch.records.num_rows
            size += batch.records.nbytes
        if span:
            yield span

    def _lane(self, chain: tuple[int, int, Lane], reached: Chains, until: Chains) -> Iterator[LogBatch]:
        if reached.get(chain, 0) >= until.get(chain, 0):
            return
        for batch in self._reader.read(*chain, reached.get(chain, 0)):
            if batch.position > until[chain]:
                return
            yield batch

    def _check(self, until: Chains) -> None:
        reached = self._sink.positions()
        for chain, position in until.items():
            if position and reached.get(chain, 0) != position:
                epoch, partition, lane = chain
                raise IntegrityError(
                    f"The lake ends at {reached.get(chain, 0)} of {epoch}/{partition}/{lane.label} and not at {position}.",
                    hint="Run: mainstem lake verify --deep",
                )


class _Lane:
    """The batches of one lane, of which the next can be looked at."""

    def __init__(self, batches: Iterator[LogBatch]) -> None:
        self._batches = batches
        self._next = next(batches, None)

    def through(self, position: int) -> Iterator[LogBatch]:
        """Those up to a position."""
        while self._next is not None and self._next.position <= position:
            batch, self._next = self._next, next(self._batches, None)
            yield batch

    def rest(self) -> Iterator[LogBatch]:
        """All that are left."""
        while self._next is not None:
            yield from self.through(self._next.position)


def _taking_turns(live: _Lane, bulk: _Lane, turns: Sequence[Turn]) -> Iterator[LogBatch]:
    """The batches of both lanes in the order in which they took effect."""
    for turn in turns:
        yield from live.through(turn.live)
        yield from bulk.through(turn.bulk)
    yield from heapq.merge(live.rest(), bulk.rest(), key=_minute)


def _minute(batch: LogBatch) -> tuple[dt.datetime, Lane]:
    """Where a batch comes between those of both lanes when their turns are not known."""
    return batch.received_at.replace(second=0, microsecond=0), batch.lane
