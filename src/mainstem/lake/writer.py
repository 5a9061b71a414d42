"""The lake writer: the log's second reader, which puts every received copy into the raw lake exactly once.

It owns partitions by leases of its own (`lake/<epoch>/<partition>`) and keeps no state but the manifest's. For each lane
it reads behind the lake's position, makes files, puts them, puts the descriptor, and then takes the commit into the
manifest: that one transaction checks the lease, moves the position and names the files. Whatever is killed before it
leaves objects that no commit names, which the sweep removes; whatever is killed after it finds the position moved. An
epoch of the log is read to its end in all partitions before the next one is begun.

A full disk or a database that is away stops nothing but the commit: it is tried again until it succeeds, while reading
stops at the memory's bound, and the log keeps what the lake does not have.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections.abc import Iterator, Mapping

import structlog

from mainstem.errors import FencedError, IntegrityError, RetryableError
from mainstem.eventlog import EventLog, LogEpoch
from mainstem.lake.buffer import ChainBuffer
from mainstem.lake.commit import Chain
from mainstem.lake.lake import Lake
from mainstem.lake.manifest import Proof
from mainstem.model import Lane
from mainstem.store import Lease
from mainstem.telemetry import LAKE_COMMITS

__all__ = ["LakeWriter", "lease_name"]

_log = structlog.get_logger()

# Seconds before a failure that does not say so itself is tried again.
_RETRY_AFTER = 1.0
# Renewed this often within its life, a lease survives two lost renewals.
_RENEWALS = 3
# A read this far filled has more behind it (in parts of a read's bounds).
_FULL = 0.5
_FULL_BATCHES = 256


def lease_name(epoch: int, partition: int) -> str:
    """The lease that owns a partition's way into the lake."""
    return f"lake/{epoch}/{partition}"


@dataclasses.dataclass(slots=True)
class _Held:
    """A partition this writer owns, by a lease renewed last at `renewed_at`."""

    lease: Lease
    proof: Proof
    renewed_at: dt.datetime
    buffers: dict[Lane, ChainBuffer]


class LakeWriter:
    """Runs in a thread of its own between `start` and `stop`; or step by step, by `run_once`.

    `owner` names this process's life. Any number of writers may run: each takes the partitions it finds free.
    """

    def __init__(self, lake: Lake, log: EventLog, *, owner: str) -> None:
        self._lake = lake
        self._log = log
        self._owner = owner
        self._settings = lake.settings
        self._epoch: int | None = None
        self._held: dict[int, _Held] = {}
        self._turn = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.name = "lake-writer"
        self.failure: BaseException | None = None
        """What its thread died of; None as long as it lives."""
        self.waits_for: str | None = None
        """What keeps it from reading or committing now; None when nothing does."""

    def start(self) -> None:
        """Begin to write."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what has been read, give the partitions up, and end. What cannot be committed stays in the log."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._turn:
            for held, buffer in self._lanes():
                if buffer.since is not None:
                    self._try_commit(held, buffer)
            self._give_up()

    def drain(self, through: Mapping[tuple[int, int, Lane], int] | None = None) -> None:
        """Read every partition that can be had to the log's end and commit it.

        With `through`, only up to these positions, by (epoch, partition, lane), or a little behind: the log may grow faster
        than it is read. Raises StorageFullError, UnavailableError or FencedError when that fails; nothing is lost.
        """
        with self._turn:
            while True:
                more = self._read_round(through)
                committed = False
                for held, buffer in self._lanes():
                    if buffer.since is not None and (not more or buffer.bytes >= self._settings.flush_bytes):
                        self._commit(held, buffer)
                        committed = True
                if not more and not committed and not (self._held and self._current_epoch().number != self._epoch):
                    return

    def run_once(self) -> bool:
        """One round over all partitions: leases, reading, commits that are due. Whether there is more to read at once.

        Raises RetryableError when the log or the manifest cannot be reached, IntegrityError when the log lacks
        positions that the lake has.
        """
        with self._turn:
            self.waits_for = None
            more = self._read_round()
            now = self._lake.clock.wall()
            for held, buffer in self._lanes():
                if buffer.waits(now):
                    self.waits_for = buffer.failure
                elif self._due(buffer, now):
                    self._try_commit(held, buffer)
            return more

    def _run(self) -> None:
        pause = 0.0
        try:
            while not self._stop.wait(pause):
                try:
                    pause = 0.0 if self.run_once() else self._settings.poll_seconds
                except RetryableError as error:
                    self.waits_for = error.message
                    _log.warning("lake_writer_waits", error=type(error).__name__, reason=error.message)
                    pause = error.retry_after or _RETRY_AFTER
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the role has to know
            _log.exception("lake_writer_failed")
            self.failure = error

    def _read_round(self, through: Mapping[tuple[int, int, Lane], int] | None = None) -> bool:
        """Look after epochs and leases, and read one step of every lane, or of those short of `through`. Whether one has more."""
        epoch = self._current_epoch()
        if epoch.number != self._epoch:
            self._give_up()
            self._epoch = epoch.number
        self._look_after_leases(epoch)
        more = False
        for held, buffer in self._lanes():
            chain = buffer.chain
            if through is None or buffer.read_through < through.get((chain.epoch, chain.partition, chain.lane), 0):
                more |= self._read(held, buffer, last=epoch.closed)
        return more

    def _lanes(self) -> Iterator[tuple[_Held, ChainBuffer]]:
        """Every lane held, live before bulk; those of a partition that is dropped on the way are left out."""
        for partition, held in list(self._held.items()):
            for lane in Lane:
                if self._held.get(partition) is held:
                    yield held, held.buffers[lane]

    def _current_epoch(self) -> LogEpoch:
        """The first epoch that the lake does not have wholly, or the open one."""
        epochs = self._log.epochs()
        for epoch in epochs[:-1]:
            positions = self._lake.manifest.positions()
            heads = self._log.heads(epoch.number)
            if any(head.position > positions.get((head.epoch, head.partition, head.lane), 0) for head in heads):
                return epoch
        return epochs[-1]

    def _look_after_leases(self, epoch: LogEpoch) -> None:
        ttl = dt.timedelta(seconds=self._settings.lease_seconds)
        now = self._lake.clock.wall()
        for partition in range(epoch.partitions):
            held = self._held.get(partition)
            if held is None:
                name = lease_name(epoch.number, partition)
                lease = Lease(self._lake.database, name, self._owner, ttl)
                lease_epoch = lease.acquire()
                if lease_epoch is not None:
                    buffers = self._buffers(epoch.number, partition)
                    self._held[partition] = _Held(lease, Proof(name, lease_epoch), now, buffers)
            elif not dt.timedelta() <= now - held.renewed_at < ttl / _RENEWALS:
                if held.lease.renew():
                    held.renewed_at = now
                else:
                    _log.info("lake_lease_lost", lease=held.proof.lease)
                    del self._held[partition]

    def _buffers(self, epoch: int, partition: int) -> dict[Lane, ChainBuffer]:
        positions = self._lake.manifest.positions()
        heads = {head.lane: head.position for head in self._log.heads(epoch) if head.partition == partition}
        buffers = {}
        for lane in Lane:
            position = positions.get((epoch, partition, lane), 0)
            chain = Chain(epoch, partition, lane)
            if position > heads.get(lane, 0):
                raise IntegrityError(
                    f"The lake has {chain} up to {position}, the log only up to {heads.get(lane, 0)}.",
                    hint="The log was replaced under its lake: rebuild from the lake, which opens a new epoch.",
                )
            buffers[lane] = ChainBuffer(self._lake.codec, chain, position)
        return buffers

    def _read(self, held: _Held, buffer: ChainBuffer, *, last: bool) -> bool:
        """Read one step behind what the buffer has. Whether there is more. `last`: nothing will be appended any more."""
        memory = sum(one.memory for _, one in self._lanes())
        if buffer.prepared is not None or buffer.bytes >= self._settings.flush_bytes:
            return False
        if memory >= self._settings.buffer_bytes:
            return self._relieve()
        chain, settings = buffer.chain, self._settings
        batches = self._log.read(
            chain.epoch,
            chain.partition,
            chain.lane,
            buffer.read_through,
            max_records=settings.read_records,
            max_bytes=settings.read_bytes,
        )
        now = self._lake.clock.wall()
        if batches:
            buffer.add(batches, now)
        elif last and buffer.since is not None and not buffer.waits(now):
            self._try_commit(held, buffer)
        return (
            len(batches) >= _FULL_BATCHES
            or sum(batch.records.num_rows for batch in batches) >= settings.read_records * _FULL
            or sum(batch.records.nbytes for batch in batches) >= settings.read_bytes * _FULL
        )

    def _relieve(self) -> bool:
        """Memory is at its bound: commit what holds the most of it. Whether that gave room."""
        now = self._lake.clock.wall()
        ready = [one for one in self._lanes() if one[1].since is not None and not one[1].waits(now)]
        if not ready:
            return False
        held, buffer = max(ready, key=lambda one: one[1].memory)
        self._try_commit(held, buffer)
        return buffer.since is None

    def _due(self, buffer: ChainBuffer, now: dt.datetime) -> bool:
        longest = dt.timedelta(seconds=self._settings.flush_seconds)
        return buffer.due(now, most_bytes=self._settings.flush_bytes, longest=longest)

    def _try_commit(self, held: _Held, buffer: ChainBuffer) -> None:
        try:
            self._commit(held, buffer)
        except FencedError as error:
            _log.info("lake_writer_fenced", chain=str(buffer.chain), reason=error.message)
            self._drop(held)
        except RetryableError as error:
            _log.warning("lake_commit_waits", chain=str(buffer.chain), error=type(error).__name__, reason=error.message)
            self.waits_for = error.message
            retry_after = dt.timedelta(seconds=error.retry_after or _RETRY_AFTER)
            buffer.failed(self._lake.clock.wall(), retry_after, error.message)

    def _commit(self, held: _Held, buffer: ChainBuffer) -> None:
        now = self._lake.clock.wall()
        prepared = buffer.prepare(now)
        if now - prepared.prepared_at > dt.timedelta(seconds=self._settings.orphan_seconds / 2):
            # The sweep may soon take these objects for orphans; others are made from the log.
            self._drop(held)
            return
        if not prepared.published:
            self._lake.publish(prepared.commit, prepared.files)
            prepared.published = True
        self._lake.manifest.commit(prepared.commit, held.proof)
        LAKE_COMMITS.inc()
        _log.debug("lake_committed", commit=prepared.commit.descriptor, records=prepared.commit.records)
        buffer.committed()

    def _drop(self, held: _Held) -> None:
        """Let go of what was read of a partition; it is taken up again from the manifest."""
        self._held = {partition: other for partition, other in self._held.items() if other is not held}

    def _forget(self) -> None:
        self._held = {}
        self._epoch = None

    def _give_up(self) -> None:
        for held in self._held.values():
            try:
                held.lease.release()
            except RetryableError:
                # It runs out by itself.
                _log.info("lake_lease_left", lease=held.proof.lease)
        self._forget()
