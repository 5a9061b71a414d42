"""What one owner knows of the events that took effect: the judge of what is a repeat.

    new keys ──stage──▶ run in the sink's transaction ──publish──▶ memory ──seal──▶ segment ──merge──▶ larger segment

`stage` changes nothing here, so a transaction that fails leaves no trace; `publish` follows its commit. When a commit's
outcome is unknown the owner drops the whole state and loads it again. Sealing and merging are computed beside the
owner's work, from parts that never change, and take effect in one transaction that proves the lease: the catalogue has
either what was, or what replaces it.

Memory is flat: at most about `seal_keys` keys of 16 bytes an owner, twice that while they are being sealed, whatever the
retention. Segments are mapped, and a batch touches only the stretches of its own days.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

import numpy as np
import structlog

from mainstem.errors import FencedError, IntegrityError, StorageFullError
from mainstem.processing.dedup import catalogue
from mainstem.processing.dedup.catalogue import Run, SegmentRow, Slots, Unit
from mainstem.processing.dedup.keys import Keys, Mask, Space, first_occurrences, merged
from mainstem.processing.dedup.segment import Segment
from mainstem.processing.dedup.settings import DedupSettings
from mainstem.processing.dedup.store import SegmentStore
from mainstem.store import Connection, Database

__all__ = ["DedupState", "Verdict"]

_log = structlog.get_logger()

# Commits to wait after a seal that found the disk full.
_REST = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What `stage` found, in the order of the probes: `fresh` marks those that are new, `keys` are they, sorted."""

    unit: Unit
    fresh: Mask
    keys: Keys


class _Memory:
    """Keys of runs in a few sorted arrays, each at least twice as large as the next, so that adding stays cheap."""

    def __init__(self) -> None:
        self.levels: list[Keys] = []
        self.runs: list[Run] = []

    def __len__(self) -> int:
        return sum(len(level) for level in self.levels)

    def add(self, run: Run, keys: Keys) -> None:
        # The keys live on in the levels; of the run only its id and its counts are needed.
        self.runs.append(dataclasses.replace(run, keys=None))
        self.levels.append(keys)
        while len(self.levels) > 1 and len(self.levels[-2]) < 2 * len(self.levels[-1]):
            right, left = self.levels.pop(), self.levels.pop()
            self.levels.append(merged(left, right))

    def joined(self, later: _Memory) -> _Memory:
        """Both together."""
        both = _Memory()
        both.levels, both.runs = [*self.levels, *later.levels], [*self.runs, *later.runs]
        return both

    def contain(self, probes: Keys) -> Mask:
        found = np.zeros(len(probes), np.bool_)
        for level in self.levels:
            found |= level.contain(probes)
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Sealed:
    row: SegmentRow
    segment: Segment


class _Known:
    """All keys of one unit: those this owner may seal, those being sealed, those of other slots, and the sealed ones."""

    def __init__(self) -> None:
        self.memory = _Memory()
        self.sealing: _Memory | None = None
        self.foreign = _Memory()
        self.sealed: list[_Sealed] = []

    def contain(self, probes: Keys) -> Mask:
        found = self.memory.contain(probes) | self.foreign.contain(probes)
        if self.sealing is not None:
            found |= self.sealing.contain(probes)
        for sealed in self.sealed:
            found |= sealed.segment.contain(probes)
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """A segment being written from `memory` or from `inputs`."""

    unit: Unit
    memory: _Memory | None
    inputs: tuple[_Sealed, ...]
    written: Future[tuple[str, str]]


class DedupState:
    """The keys of one owner's slots. Not thread-safe: one thread stages, commits and publishes."""

    def __init__(self, slots: Slots, store: SegmentStore, executor: Executor, settings: DedupSettings) -> None:
        """Knows nothing before `load`. `executor` writes segments beside the owner's work."""
        self.slots = slots
        self._store = store
        self._executor = executor
        self._settings = settings
        self._known: dict[Unit, _Known] = {}
        self._job: _Job | None = None
        self._receipts = 0
        self._resting = 0

    def load(self, conn: Connection) -> None:
        """Take up what the tables say, dropping what was known before.

        Raises IntegrityError when a run contradicts itself, a segment is damaged, or one that the catalogue names is gone.
        """
        self.drop()
        for run in catalogue.read_runs(conn, self.slots):
            self._take(run, run.keys)
        for row in catalogue.read_segments(conn, self.slots):
            self._of(row.unit).sealed.append(_Sealed(row, self._open(row.name)))

    def drop(self) -> None:
        """Forget everything; what is being written is thrown away."""
        self._known.clear()
        self._receipts = 0
        job, self._job = self._job, None
        if job is not None:
            job.written.add_done_callback(self._discard)

    def stage(self, unit: Unit, keys: Keys) -> Verdict:
        """Which keys are new: not known, and the first of their kind in this order. Changes nothing."""
        fresh = first_occurrences(keys)
        order = np.argsort(keys.hi, kind="stable")
        order = order[fresh[order]]
        candidates = keys.take(order)
        known = self._known.get(unit)
        if known is not None:
            found = known.contain(candidates)
            fresh[order[found]] = False
            candidates = candidates.take(~found)
        return Verdict(unit, fresh, candidates)

    def publish(self, runs: Sequence[Run], ids: Sequence[int]) -> None:
        """Know the keys of committed runs, in the order of `catalogue.insert_runs`."""
        for run, id_ in zip(runs, ids, strict=True):
            self._take(dataclasses.replace(run, id=id_), run.keys)

    def __len__(self) -> int:
        return sum(len(known.memory) + len(known.sealing or ()) + len(known.foreign) for known in self._known.values())

    def maintain(self, database: Database, prove: Callable[[Connection], None], *, settle: bool = False) -> None:
        """Catalogue a segment that has been written, and begin the next when one is due; cheap when nothing is.

        `prove` raises FencedError inside the transaction when the lease is lost. `settle`: seal whatever is in memory, and
        return only when nothing is due. Raises FencedError, StorageFullError or UnavailableError: the state must then be
        loaded again before it is used.
        """
        while True:
            if self._job is not None and (settle or self._job.written.done()):
                self._finish(self._job, database, prove)
            if self._resting:
                self._resting -= 1
                break
            if self._job is None and not self._begin(0 if settle else self._settings.seal_keys):
                break
            if not settle:
                break
        if self._receipts >= self._settings.seal_runs:
            with database.transaction() as conn:
                prove(conn)
                catalogue.squash_receipts(conn, self.slots)
            self._receipts = 0

    def _give_up(self, job: _Job) -> None:
        """A full disk stops no stream: what could not be sealed stays in memory, and is tried again later."""
        known = self._known[job.unit]
        if job.memory is not None:
            known.memory, known.sealing = job.memory.joined(known.memory), None
        self._job = None
        self._resting = _REST
        _log.warning("dedup_not_sealed", source=job.unit.source, stream=job.unit.stream, reason="storage full")

    def _of(self, unit: Unit) -> _Known:
        return self._known.setdefault(unit, _Known())

    def _take(self, run: Run, keys: Keys | None) -> None:
        if keys is None:
            self._receipts += 1
            return
        known = self._of(run.unit)
        # Keys of slots that are not all ours are another owner's too: only whoever owns them all may seal them.
        (known.memory if self.slots.covers(run.slots) else known.foreign).add(run, keys)

    def _open(self, name: str) -> Segment:
        try:
            return Segment(self._store.path(name))
        except FileNotFoundError as error:
            raise IntegrityError(
                f"The deduplication segment {name} is gone.",
                hint="Restore it, or make it anew with: mainstem rebuild analytics --from-lake",
            ) from error

    def _discard(self, written: Future[tuple[str, str]]) -> None:
        # Whatever went wrong with a segment nobody wants is nobody's concern.
        with contextlib.suppress(Exception):
            self._store.remove(written.result()[0])

    def _begin(self, limit: int) -> bool:
        """Start the job that is due; whether there was one."""
        seal = self._due_to_seal(limit)
        if seal is not None:
            unit, known = seal
            known.sealing, known.memory = known.memory, _Memory()
            self._job = _Job(unit, known.sealing, (), self._write(unit, known.sealing.levels))
            return True
        merge = self._due_to_merge()
        if merge is not None:
            unit, inputs = merge
            self._job = _Job(unit, None, inputs, self._write(unit, [sealed.segment.keys for sealed in inputs]))
            return True
        return False

    def _due_to_seal(self, limit: int) -> tuple[Unit, _Known] | None:
        """The unit with most keys, when all together are too many or one has too many runs."""
        units = [(unit, known) for unit, known in self._known.items() if len(known.memory)]
        if not units:
            return None
        largest = max(units, key=lambda item: len(item[1].memory))
        if sum(len(known.memory) for _, known in units) > limit:
            return largest
        busiest = max(units, key=lambda item: len(item[1].memory.runs))
        return busiest if len(busiest[1].memory.runs) >= self._settings.seal_runs else None

    def _due_to_merge(self) -> tuple[Unit, tuple[_Sealed, ...]] | None:
        """Segments of one size class, when there are enough of them."""
        fan = self._settings.merge_segments
        for unit, known in self._known.items():
            classes: dict[int, list[_Sealed]] = {}
            for sealed in known.sealed:
                if self.slots.covers(sealed.row.slots) and sealed.row.n * fan <= self._settings.segment_keys:
                    classes.setdefault(int(math.log(sealed.row.n, fan)), []).append(sealed)
            for alike in classes.values():
                if len(alike) >= fan:
                    return unit, tuple(alike[:fan])
        return None

    def _write(self, unit: Unit, sources: Sequence[Keys]) -> Future[tuple[str, str]]:
        folder = f"dedup/{unit.source}/{unit.stream}"
        return self._executor.submit(self._store.write, folder, list(sources), unit.space or Space.WHOLE)

    def _finish(self, job: _Job, database: Database, prove: Callable[[Connection], None]) -> None:
        """Catalogue what was written, in the place of what it was made from, and search it from now on."""
        try:
            name, content_hash = job.written.result()
        except StorageFullError:
            self._give_up(job)
            return
        runs = job.memory.runs if job.memory is not None else []
        days = catalogue.added([*(run.days for run in runs), *(sealed.row.days for sealed in job.inputs)])
        row = SegmentRow(job.unit, name, sum(days.values()), days, content_hash, self.slots)
        inputs = [sealed.row.id for sealed in job.inputs]
        segment = self._open(name)
        try:
            with database.transaction() as conn:
                prove(conn)
                row = dataclasses.replace(row, id=catalogue.replace(conn, [run.id for run in runs], inputs, row))
        except FencedError:
            self._store.remove(name)
            raise
        known = self._known[job.unit]
        known.sealed = [sealed for sealed in known.sealed if sealed not in job.inputs]
        known.sealed.append(_Sealed(row, segment))
        known.sealing = None if job.memory is not None else known.sealing
        self._job = None
        for sealed in job.inputs:
            self._store.remove(sealed.row.name)
        _log.info("dedup_sealed", source=job.unit.source, stream=job.unit.stream, keys=row.n, segment=name)
