"""The worker: reads the partitions it owns, and makes their records take effect.

    log ──read──▶ batches ──engine──▶ effects ──sink──▶ committed        (reading runs ahead of committing by one span)

Live records go first; while both lanes have some waiting, bulk still gets its share of the time. The partitions of an
epoch are finished by all workers before anyone reads the next epoch. Errors are met by what should be done: a fenced
partition is another's, a retryable error waits, anything else is logged and waits longer; the process goes on in any case.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import time
import uuid
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from mainstem.clock import Clock
from mainstem.errors import FencedError, MainstemError, RetryableError
from mainstem.eventlog import EventLog, LogEpoch
from mainstem.model import Lane
from mainstem.pace import Pace
from mainstem.processing.effects import Effects
from mainstem.processing.engine import Engine
from mainstem.processing.failures import described
from mainstem.processing.isolation import condemned
from mainstem.processing.ownership import Ownership
from mainstem.processing.settings import ProcessingSettings
from mainstem.processing.sink_postgres import Ahead, PostgresSink
from mainstem.store import Database
from mainstem.telemetry import SINK_LAG_SECONDS

__all__ = ["Worker", "WorkerParts"]

_log = structlog.get_logger()

_Partition = tuple[int, int]
"""(log epoch, partition)."""
_Chain = tuple[int, int, Lane]
"""(log epoch, partition, lane): what is read in order."""

# After another took a partition, a rebuild for example, it is asked for this often, for so long.
_ASK_SECONDS = 1.0
_ASK_FOR_SECONDS = 60.0
# While live records come in, or did a moment ago, a span of bulk takes no longer than the first of these; where they may come
# any moment, because they did within the minute, no longer than the second: the next ones wait for the span under way.
_LIVELY_SPAN_SECONDS = 0.15
_LIVELY_SECONDS = 2.0
_LIKELY_SPAN_SECONDS = 0.5
_LIKELY_SECONDS = 60.0
# Fewer records are not worth a commit of their own.
_LEAST_BULK = 10_000
_LONGEST_BACK_OFF = 30


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker drives."""

    database: Database
    log: EventLog
    engine: Engine
    sink: PostgresSink
    clock: Clock


@dataclasses.dataclass(slots=True)
class _Trouble:
    """A partition that waits after errors."""

    until: float
    times: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Flight:
    """A commit under way."""

    chain: _Chain
    done: Future[float]
    """Seconds that it took."""
    records: int
    prepared: float
    """Seconds that its effects took."""


class Worker:
    """See the module's text. `start` and `stop` from anywhere; everything else happens in its own two threads."""

    def __init__(self, parts: WorkerParts, settings: ProcessingSettings | None = None) -> None:
        self._parts = parts
        self._settings = settings or ProcessingSettings()
        owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._ownership = Ownership(parts.database, owner, self._settings.lease)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mainstem-worker", daemon=True)
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="mainstem-sink")
        self._cursors: dict[_Chain, int] = {}
        self._trouble: dict[_Partition, _Trouble] = {}
        self._suspects: set[_Chain] = set()
        self._spent: defaultdict[Lane, float] = defaultdict(float)
        self._bulk = Pace(_LEAST_BULK)
        self._flight: _Flight | None = None
        self._balanced = float("-inf")
        self._ask_until = float("-inf")
        self._lively = float("-inf")
        self._epoch: LogEpoch | None = None
        self._turn = 0

    @property
    def name(self) -> str:
        """The owner its leases name."""
        return self._ownership.owner

    @property
    def alive(self) -> bool:
        """Whether it is working; False before `start`, after `stop`, and when it has ended for whatever reason."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Finish the commit under way, give the partitions back and end; at most `timeout` seconds."""
        self._stopping.set()
        self._parts.log.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        times = 0
        while not self._stopping.is_set():
            try:
                if not self._step():
                    self._parts.log.wait(self._settings.idle.total_seconds())
                times = 0
            except Exception as error:  # noqa: BLE001 - the process has to stay alive whatever one step meets
                times += 1
                self._report(error, None)
                self._stopping.wait(self._pause(error, times))
        self._drain()

    def _step(self) -> bool:
        """Read and hand on one span, or wait for the one under way; False when there is nothing to do."""
        epoch = self._epoch or self._enter_epoch()
        now, pause = time.monotonic(), self._settings.lease.total_seconds() / 3
        if now - self._balanced >= (min(pause, _ASK_SECONDS) if now < self._ask_until else pause):
            epoch = self._enter_epoch()
            self._balance(epoch)
        chain = self._next(epoch)
        if chain is not None:
            if chain in self._suspects:
                self._isolate(chain)
            else:
                self._process(chain)
            return True
        waited = self._flight is not None
        self._land()
        return waited or self._enter_epoch().number != epoch.number

    def _enter_epoch(self) -> LogEpoch:
        """Go to the first epoch that is not finished; the open one never is."""
        epochs = self._parts.log.epochs()
        epoch = next((one for one in epochs if not (one.closed and self._finished(one))), epochs[-1])
        if self._epoch is not None and epoch.number != self._epoch.number:
            self._seal()
            self._balanced = float("-inf")
        self._epoch = epoch
        return epoch

    def _finished(self, epoch: LogEpoch) -> bool:
        """Whether every partition of a closed epoch is committed to its end, whoever did it."""
        self._land()
        positions = self._parts.sink.positions()
        return all(
            positions.get((head.epoch, head.partition, head.lane), 0) >= head.position
            for head in self._parts.log.heads(epoch.number)
        )

    def _balance(self, epoch: LogEpoch) -> None:
        self._land()
        before = self._ownership.held()
        self._ownership.balance(epoch.number, epoch.partitions)
        held = self._ownership.held()
        for key, lease_epoch in before.items():
            if held.get(key) != lease_epoch:
                self._ask_until = time.monotonic() + _ASK_FOR_SECONDS
                self._forget(key)
                self._parts.sink.forget(*key)
        self._balanced = time.monotonic()
        self._publish_lag()

    def _next(self, epoch: LogEpoch) -> _Chain | None:
        """What to read next: live before bulk, unless bulk has had less than its share; partitions in turn."""
        waiting = self._waiting(epoch)
        lane = self._lane(waiting)
        if lane is None:
            return None
        self._turn += 1
        return (epoch.number, waiting[lane][self._turn % len(waiting[lane])], lane)

    def _waiting(self, epoch: LogEpoch) -> dict[Lane, list[int]]:
        """The partitions with records that nobody has read yet, lane by lane."""
        waiting: dict[Lane, list[int]] = {lane: [] for lane in Lane}
        now = time.monotonic()
        held = self._ownership.held()
        for head in self._parts.log.heads(epoch.number):
            key = (head.epoch, head.partition)
            trouble = self._trouble.get(key)
            if key not in held or (trouble is not None and now < trouble.until):
                continue
            if head.position > self._cursor((head.epoch, head.partition, head.lane)):
                waiting[head.lane].append(head.partition)
        if waiting[Lane.LIVE]:
            self._lively = now
        return waiting

    def _lane(self, waiting: dict[Lane, list[int]]) -> Lane | None:
        lanes = [lane for lane in Lane if waiting[lane]]
        if len(lanes) < len(Lane):
            # Whoever waits alone gets all of the time, and owes none of it.
            self._spent.clear()
            return lanes[0] if lanes else None
        total = sum(self._spent.values())
        return Lane.BULK if self._spent[Lane.BULK] < self._settings.bulk_share * total else Lane.LIVE

    def _cursor(self, chain: _Chain) -> int:
        """The position read up to, which may be under way to being committed."""
        if chain not in self._cursors:
            self._land()
            positions = self._parts.sink.positions()
            for lane in Lane:
                self._cursors[chain[0], chain[1], lane] = positions.get((chain[0], chain[1], lane), 0)
        return self._cursors[chain]

    def _process(self, chain: _Chain) -> None:
        """Read a span, make effects of it, and hand them to the committing thread when that is free."""
        epoch, partition, lane = chain
        began = time.monotonic()
        after = self._cursor(chain)
        try:
            batches = self._parts.log.read(
                epoch,
                partition,
                lane,
                after,
                max_records=self._records(lane, began),
                max_bytes=self._settings.batch_bytes,
            )
            if not batches:
                return
            effects = self._parts.engine.process(batches)
            # Work that either thread can do is done here only while the other one is still busy.
            ahead = self._parts.sink.prepare(effects) if self._flight and not self._flight.done.done() else None
            prepared = time.monotonic() - began
        except Exception as error:  # noqa: BLE001 - the partition waits, the others go on
            self._fail((epoch, partition), error)
            return
        if lane is Lane.BULK:
            self._let_pass()
        self._land()
        lease_epoch = self._ownership.held().get((epoch, partition))
        if lease_epoch is None or self._cursors.get(chain) != after:
            # The commit before this one failed meanwhile: what it left undone comes first.
            return
        self._cursors[chain] = effects.span.last
        done = self._committer.submit(self._commit, effects, lease_epoch, ahead)
        self._flight = _Flight(chain, done, effects.records, prepared)
        self._spent[lane] += prepared

    def _let_pass(self) -> None:
        """Before a span of bulk is committed, which takes its time: live records that came while it was prepared."""
        epoch = self._epoch
        if epoch is None:
            return
        for partition in self._waiting(epoch)[Lane.LIVE]:
            chain = (epoch.number, partition, Lane.LIVE)
            if chain not in self._suspects:
                self._process(chain)

    def _isolate(self, chain: _Chain) -> None:
        """Commit one batch of a chain whose commit met an unexpected error; records that provoke one are quarantined."""
        self._land()
        epoch, partition, lane = chain
        try:
            batches = self._parts.log.read(epoch, partition, lane, self._cursor(chain), max_records=1, max_bytes=1)
            lease_epoch = self._ownership.held().get((epoch, partition))
            if not batches or lease_epoch is None:
                return
            guilty = condemned(self._parts.engine, self._parts.sink, batches[0], lease_epoch)
            effects = self._parts.engine.process(batches[:1], condemned=guilty)
            self._parts.sink.commit(effects, lease_epoch=lease_epoch)
        except Exception as error:  # noqa: BLE001 - the partition waits, the others go on
            self._fail((epoch, partition), error)
            return
        self._cursors[chain] = effects.span.last
        self._trouble.pop((epoch, partition), None)
        # What was wrong may have been in a later batch of the span that failed: then that one fails, and comes here too.
        self._suspects.discard(chain)

    def _records(self, lane: Lane, now: float) -> int:
        settings = self._settings
        if lane is Lane.LIVE:
            return settings.batch_records
        seconds, since = settings.bulk_seconds, now - self._lively
        if since < _LIVELY_SECONDS:
            seconds = min(seconds, _LIVELY_SPAN_SECONDS)
        elif since < _LIKELY_SECONDS:
            seconds = min(seconds, _LIKELY_SPAN_SECONDS)
        return self._bulk.size(seconds, settings.batch_records)

    def _commit(self, effects: Effects, lease_epoch: int, ahead: Ahead | None) -> float:
        began = time.monotonic()
        span = effects.span
        self._parts.sink.commit(effects, lease_epoch=lease_epoch, ahead=ahead)
        self._parts.sink.maintain(span.epoch, span.partition, lease_epoch=lease_epoch)
        return time.monotonic() - began

    def _land(self) -> None:
        """Wait for the commit under way, and meet its error."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        began = time.monotonic()
        error = flight.done.exception()
        epoch, partition, lane = flight.chain
        self._spent[lane] += time.monotonic() - began
        if error is None:
            self._trouble.pop((epoch, partition), None)
            if lane is Lane.BULK:
                self._bulk.took(flight.records, flight.prepared + flight.done.result())
            return
        if not isinstance(error, MainstemError):
            self._suspects.add(flight.chain)
        self._fail((epoch, partition), error)

    def _fail(self, partition: _Partition, error: BaseException) -> None:
        """Begin anew from what the database says, at once or later."""
        self._forget(partition)
        if isinstance(error, FencedError):
            _log.warning("worker_fenced", epoch=partition[0], partition=partition[1])
            self._ownership.drop(*partition)
            self._ask_until = time.monotonic() + _ASK_FOR_SECONDS
            return
        trouble = self._trouble.get(partition)
        times = 1 if trouble is None else trouble.times + 1
        self._report(error, partition, times)
        self._trouble[partition] = _Trouble(time.monotonic() + self._pause(error, times), times)

    def _forget(self, partition: _Partition) -> None:
        for lane in Lane:
            self._cursors.pop((*partition, lane), None)

    def _pause(self, error: BaseException, times: int) -> float:
        """Seconds to wait after the error when it is the `times`-th in a row."""
        if isinstance(error, RetryableError) and error.retry_after is not None and times == 1:
            return error.retry_after
        return float(self._settings.back_off.total_seconds() * min(2 ** (times - 1), _LONGEST_BACK_OFF))

    def _report(self, error: BaseException, partition: _Partition | None, times: int = 1) -> None:
        where = {} if partition is None else {"epoch": partition[0], "partition": partition[1]}
        if isinstance(error, RetryableError):
            # What is over at the next try, as a metric that comes into force meanwhile, is nothing to worry about.
            expected = error.retry_after is not None and times == 1
            (_log.info if expected else _log.warning)("worker_waits", error=str(error), **where)
        elif isinstance(error, MainstemError):
            _log.error("worker_failed", error=str(error), **where)
        else:
            _log.error("worker_failed", **described(error), **where)

    def _seal(self) -> None:
        """Before an epoch is left: seal what deduplication knows, so that other shares of the slots need only map it."""
        for (epoch, partition), lease_epoch in self._ownership.held().items():
            try:
                self._parts.sink.maintain(epoch, partition, lease_epoch=lease_epoch, settle=True)
            except Exception as error:  # noqa: BLE001 - what is not sealed is read from the database instead
                self._report(error, (epoch, partition))

    def _publish_lag(self) -> None:
        now = self._parts.clock.wall()
        for epoch, partition in self._ownership.held():
            for lane in Lane:
                oldest = self._parts.log.oldest(epoch, partition, lane, self._cursor((epoch, partition, lane)))
                age = 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
                SINK_LAG_SECONDS.labels(str(partition), lane.label).set(age)

    def _drain(self) -> None:
        """Let the commit under way end, and give everything back."""
        try:
            self._land()
            self._ownership.close()
        except Exception as error:  # noqa: BLE001 - it ends anyway; leases that were not given back run out
            self._report(error, None)
        self._committer.shutdown()
        self._parts.sink.close()
