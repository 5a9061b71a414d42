"""The event log: the contract that every implementation keeps.

Life of a position. The door calls `append`; when it returns, every record in it is durable (it survives `kill -9` of any
process) and has a place. A position holds one batch. Within one lane of one partition positions rise, and a position is
visible only after every lower one has been decided: a reader that has seen 106 will never be shown 105 as new.
`received_at` never falls within a partition. Positions need not be dense.

Readers keep their own positions (the sink in its transaction, the lake writer in its manifest); the log keeps none. A
reader owns a partition by a lease (`store.leases`) and proves it at its own commit; the log does not know owners.

Epochs. A change of the number of partitions mints a new epoch: appends go to it from then on, and a reader must have
finished every partition of an epoch before it reads the next one. Places of different epochs never meet.

Errors. `append` raises StorageFullError or UnavailableError with nothing kept, or with an outcome unknown to the caller
(a connection that broke during commit): the caller must not acknowledge, and the client's repeat is removed downstream.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from mainstem.model import Lane, LogBatch

__all__ = ["Append", "Counts", "EventLog", "Head", "LogEpoch"]

Counts = Mapping[tuple[str, str, dt.date], int]
"""Records by (source, stream, received day)."""


@dataclasses.dataclass(frozen=True, slots=True)
class LogEpoch:
    """A span of the log's life with one number of partitions."""

    number: int
    partitions: int
    closed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Append:
    """Records for one lane of one partition, in `model.ENVELOPE` columns; never empty."""

    partition: int
    lane: Lane
    records: pa.RecordBatch


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """The last decided position of a lane of a partition; 0 when nothing was appended."""

    epoch: int
    partition: int
    lane: Lane
    position: int


class EventLog(Protocol):
    """See the module's text for what must hold."""

    def epochs(self) -> Sequence[LogEpoch]:
        """All epochs that still hold records or are open, in order; the last one is open."""
        ...

    def append(self, appends: Sequence[Append]) -> Sequence[int]:
        """Append all or nothing, to the open epoch; the positions, in the order given. Durable on return.

        Raises FencedError when the epoch that `epochs` last named as open is closed by now, or when a record's `slot`
        does not belong in its partition (slot modulo the epoch's partitions): the caller must ask `epochs` again and
        distribute anew. Raises ValueError for records that are none or not in `ENVELOPE` columns.
        """
        ...

    def read(
        self, epoch: int, partition: int, lane: Lane, after: int, *, max_records: int, max_bytes: int
    ) -> Sequence[LogBatch]:
        """Batches behind `after` in rising order: at least one when there is one, and never more than the bounds.

        `max_bytes` is of the records before compression, as they will lie in memory. Fewer than the bounds allow may
        come although more are there; none means that there is none. Raises IntegrityError for a batch that was damaged.
        """
        ...

    def heads(self, epoch: int) -> Sequence[Head]:
        """The last decided position of every lane of every partition of the epoch."""
        ...

    def received(self) -> Counts:
        """All records ever appended, counted at append."""
        ...

    def pending(self, positions: Mapping[tuple[int, int, Lane], int]) -> Counts:
        """Records behind the given positions, by (epoch, partition, lane); an absent one counts from the start."""
        ...

    def oldest(self, epoch: int, partition: int, lane: Lane, after: int) -> dt.datetime | None:
        """When the first batch behind `after` was received; None when there is none."""
        ...

    def repartition(self, partitions: int) -> LogEpoch:
        """Close the open epoch and open one with this many partitions. Raises ValueError for a number that cannot be."""
        ...

    def trim(self, epoch: int, partition: int, lane: Lane, through: int) -> int:
        """Forget positions up to `through`; the caller has made sure that every reader is past it. Batches forgotten."""
        ...

    def wait(self, timeout: float) -> None:
        """Return when something may have been appended, or after `timeout` seconds."""
        ...

    def wake(self) -> None:
        """Have this process's callers of `wait` return now."""
        ...
