"""Group commit: whatever waits is appended together, and all who wait are told together.

Each lane has a committer of its own, so that a bulk load and live records never wait for one another here: they meet in
the log only, on different head rows. While one commit is under way the next group gathers by itself; nothing lingers.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import structlog

from mainstem.errors import BackPressureError, FencedError, RetryableError, UnavailableError
from mainstem.eventlog import Append, EventLog, Head, LogEpoch
from mainstem.intake._columns import Segment
from mainstem.model import Lane
from mainstem.telemetry import APPEND_SECONDS, RECORDS_RECEIVED

__all__ = ["Committer", "Limits", "Parcel", "Route"]

_log = structlog.get_logger()

Heads: TypeAlias = tuple[Head, ...]

# A log is repartitioned by hand; to lose this many races in a row means that something else is wrong.
_FENCED_TRIES = 5


@dataclasses.dataclass(slots=True)
class Parcel:
    """Records of one delivery that wait for their commit: as segments while they are few, or built already.

    `counts` are records by (source, stream) as telemetry names them. `loop` owns `future` when that is asyncio's.
    """

    segments: Sequence[Segment]
    batch: pa.RecordBatch | None
    records: int
    size: int
    counts: Sequence[tuple[str, str, int]]
    future: asyncio.Future[Heads] | concurrent.futures.Future[Heads]
    loop: asyncio.AbstractEventLoop | None = None
    since: float = dataclasses.field(default_factory=time.monotonic)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Most records and payload bytes of one commit, and bytes that may wait."""

    records: int
    size: int
    queue: int


class Route:
    """The log's open epoch as the door last saw it: where a slot leads."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._epoch: LogEpoch | None = None

    def epoch(self) -> LogEpoch:
        """The open epoch, remembered."""
        return self._epoch or self.refresh()[-1]

    def refresh(self) -> Sequence[LogEpoch]:
        """Ask the log for its epochs; the last one is open. Raises UnavailableError."""
        epochs = self.log.epochs()
        self._epoch = epochs[-1]
        return epochs


class Committer:
    """One thread that appends what waits for one lane."""

    def __init__(
        self, lane: Lane, route: Route, build: Callable[[Sequence[Segment]], pa.RecordBatch], limits: Limits
    ) -> None:
        self._lane = lane
        self._route = route
        self._build = build
        self._limits = limits
        self._condition = threading.Condition()
        self._waiting: collections.deque[Parcel] = collections.deque()
        self._queued = 0
        self._open = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to commit."""
        self._open = True
        self._thread = threading.Thread(target=self._run, name=f"door-{self._lane.label}", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Take nothing more, commit what waits, and end; what is not committed after `timeout` seconds is failed."""
        with self._condition:
            self._open = False
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(timeout)
        with self._condition:
            left = list(self._waiting)
            self._waiting.clear()
            self._queued -= sum(parcel.size for parcel in left)
        self._settle(left, UnavailableError("The door was closed before the records were kept.", retry_after=1.0))

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel; its future is resolved after the commit.

        Raises BackPressureError when too much waits already, UnavailableError when the committer does not run.
        """
        with self._condition:
            if not self._open:
                raise UnavailableError("The door is closed.", retry_after=1.0)
            if self._waiting and self._queued + parcel.size > self._limits.queue:
                age = time.monotonic() - self._waiting[0].since
                raise BackPressureError(
                    f"{self._queued} bytes wait for their commit, the oldest for {age:.1f} s.",
                    retry_after=1.0,
                    queue_age=age,
                )
            self._waiting.append(parcel)
            self._queued += parcel.size
            self._condition.notify()

    def _run(self) -> None:
        while group := self._next():
            try:
                self._commit(group)
            except Exception as error:  # noqa: BLE001 - whoever waits has to be told, and the thread has to live on
                self._settle(group, error)
            with self._condition:
                self._queued -= sum(parcel.size for parcel in group)

    def _next(self) -> list[Parcel]:
        """What is committed next: everything that waits, up to the bounds, at least one parcel. Empty: ended."""
        with self._condition:
            while self._open and not self._waiting:
                self._condition.wait()
            group: list[Parcel] = []
            records = size = 0
            while self._waiting:
                parcel = self._waiting[0]
                if group and (
                    records + parcel.records > self._limits.records or size + parcel.size > self._limits.size
                ):
                    break
                group.append(self._waiting.popleft())
                records += parcel.records
                size += parcel.size
            return group

    def _commit(self, group: Sequence[Parcel]) -> None:
        started = time.perf_counter()
        try:
            heads = self._append(self._together(group))
        except RetryableError as error:
            _log.warning("door.commit_failed", lane=self._lane.label, error=type(error).__name__, parcels=len(group))
            self._settle(group, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever waits
            # Nothing was kept. One parcel may be at fault: the others must not fail with it.
            _log.exception("door.commit_failed", lane=self._lane.label, parcels=len(group))
            if len(group) == 1:
                self._settle(group, error)
                return
            for parcel in group:
                self._commit([parcel])
            return
        APPEND_SECONDS.observe(time.perf_counter() - started)
        self._settle(group, heads)
        for parcel in group:
            for source, stream, n in parcel.counts:
                RECORDS_RECEIVED.labels(source, stream, self._lane.label).inc(n)

    def _together(self, group: Sequence[Parcel]) -> pa.RecordBatch:
        batches = [parcel.batch for parcel in group if parcel.batch is not None]
        segments = [segment for parcel in group if parcel.batch is None for segment in parcel.segments]
        if segments:
            batches.append(self._build(segments))
        return batches[0] if len(batches) == 1 else pa.concat_batches(batches)

    def _append(self, batch: pa.RecordBatch) -> Heads:
        slots = batch.column("slot").to_numpy()
        for _ in range(_FENCED_TRIES):
            epoch = self._route.epoch()
            appends = _by_partition(batch, slots, epoch.partitions, self._lane)
            try:
                positions = self._route.log.append(appends)
            except FencedError:
                self._route.refresh()
                continue
            return tuple(
                Head(epoch.number, append.partition, self._lane, position)
                for append, position in zip(appends, positions, strict=True)
            )
        raise UnavailableError("The log's partitions keep changing.", retry_after=1.0)

    @staticmethod
    def _settle(parcels: Sequence[Parcel], outcome: Heads | Exception) -> None:
        loops: dict[asyncio.AbstractEventLoop | None, list[Parcel]] = {}
        for parcel in parcels:
            loops.setdefault(parcel.loop, []).append(parcel)
        for loop, theirs in loops.items():
            if loop is None:
                _resolve(theirs, outcome)
            else:
                # One wake-up for all. A loop that was closed has nobody left who waits.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_resolve, theirs, outcome)


def _resolve(parcels: Sequence[Parcel], outcome: Heads | Exception) -> None:
    for parcel in parcels:
        if parcel.future.done():
            continue
        if isinstance(outcome, Exception):
            parcel.future.set_exception(outcome)
        else:
            parcel.future.set_result(outcome)


def _by_partition(batch: pa.RecordBatch, slots: np.ndarray, partitions: int, lane: Lane) -> list[Append]:
    """The records of each partition, in the order they came."""
    if partitions == 1:
        return [Append(0, lane, batch)]
    of = slots % np.uint16(partitions)
    if (of == of[0]).all():
        return [Append(int(of[0]), lane, batch)]
    order = np.argsort(of, kind="stable")
    ordered = batch.take(pa.array(order))
    bounds = np.searchsorted(of[order], np.arange(partitions + 1))
    return [
        Append(partition, lane, ordered.slice(first, last - first))
        for partition, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
        if last > first
    ]
