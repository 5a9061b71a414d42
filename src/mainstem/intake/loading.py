"""Loading files: through the same door as everything else, in chunks, as often as one likes.

Every row has an identity that does not depend on when, in which order or by how many clients it is brought, so that a
load which was broken off is simply run again. Where the contract numbers occurrences, a row is known by its body and by
which of the unit's equal bodies it is; where a row has no id although the contract asks for one, by its file (content
and name) and its number there; elsewhere the engine knows it by id, key or body.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import structlog

from mainstem.contracts import Repeat
from mainstem.errors import IntegrityError, RetryableError
from mainstem.intake._files import DataFile, Unit, find_files
from mainstem.intake._numbering import Numbering
from mainstem.intake._rows import BadLine, Chunk, RowReader
from mainstem.intake.delivery import Receipt, Rows
from mainstem.intake.door import Door
from mainstem.intake.loads import Loads, load_id
from mainstem.intake.settings import LoadSettings
from mainstem.model import EntityKind, HeldLoad, Lane
from mainstem.privacy import Hasher

__all__ = ["Load", "LoadProgress", "LoadReport", "load_files", "occurrence_ids"]

_log = structlog.get_logger()

# Decoding holds the interpreter's lock; hashing, compressing and waiting for the disk do not.
_CARRIERS = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What to load: a file, folder or glob, as records of a stream."""

    path: str
    source: str
    stream: str
    lane: Lane = Lane.BULK


@dataclasses.dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is: `numbering` or `counting` (where the contract needs it), then `loading`; `done` of its bytes, 0 to 1."""

    phase: str
    done: float
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of all rows: `rows` were read, each accepted or in `bad`, where lines that are no rows are too."""

    files: int
    rows: int
    accepted: int
    bad: tuple[BadLine, ...]
    warnings: tuple[str, ...]
    skipped: tuple[Path, ...]
    seconds: float
    held: HeldLoad | None = None
    """Where the stream's contract expects another number of rows: nothing of it takes effect until somebody says so."""


def load_files(
    load: Load,
    door: Door,
    settings: LoadSettings | None = None,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
) -> LoadReport:
    """Load files; returns when every accepted row is durable.

    Raises ConfigurationError for a path with nothing to load or a CSV without usable names, RefusedError for a source
    or stream that cannot be one, and RetryableError when the door was closed to it for longer than the settings'
    patience: run it again, what was loaded counts once.
    """
    settings = settings or LoadSettings()
    unit = find_files(load.path)
    with tempfile.TemporaryDirectory(prefix="mainstem-load-") as folder:
        loader = _Loader(load, door, settings, on_progress)
        with contextlib.closing(RowReader(unit.files, Path(folder), settings, door.settings.max_record)) as reader:
            return loader.run(unit, reader, Path(folder))


class _Loader:
    def __init__(
        self, load: Load, door: Door, settings: LoadSettings, on_progress: Callable[[LoadProgress], None]
    ) -> None:
        self._load = load
        self._door = door
        self._settings = settings
        self._on_progress = on_progress
        self._bad: list[BadLine] = []
        self._warnings: dict[str, None] = {}
        self._accepted = 0
        self._rows = 0
        self._over = threading.Event()
        self._identities: dict[Path, str] = {}
        self._origin = "load"
        self._loads = Loads(door.parts.database)

    def run(self, unit: Unit, reader: RowReader, folder: Path) -> LoadReport:
        started = time.monotonic()
        contract = self._door.parts.registry.active(self._load.source, self._load.stream)
        occurrences = (
            contract is not None and contract.kind is EntityKind.EVENT and contract.repeat is Repeat.OCCURRENCE
        )
        with contextlib.ExitStack() as stack:
            numbering, rows, id_, held = None, None, None, None
            if contract is not None and contract.volume is not None:
                # Before they are counted: files that grow are then another load when they are brought again.
                id_ = self._id(unit)
            if occurrences:
                numbering = stack.enter_context(contextlib.closing(Numbering(folder, self._settings.memory)))
                rows = self._number(unit, reader, numbering)
            if contract is not None and id_ is not None:
                rows = self._counted(unit, reader) if rows is None else rows
                held = self._loads.announce(id_, self._load.source, contract, rows)
                self._origin = "load" if held is None else held.origin
            carriers = stack.enter_context(concurrent.futures.ThreadPoolExecutor(_CARRIERS, "load"))
            self._bring(unit, reader, numbering, carriers, rows)
            if rows is not None and rows != self._rows:
                raise _changed()
            if id_ is not None:
                self._loads.complete(id_)
        self._warn_of_folders(unit)
        return LoadReport(
            files=len(unit.files),
            rows=self._rows,
            accepted=self._accepted,
            bad=tuple(self._bad),
            warnings=tuple(self._warnings),
            skipped=unit.skipped,
            seconds=time.monotonic() - started,
            held=held,
        )

    def _id(self, unit: Unit) -> uuid.UUID:
        """By what the files hold, whatever order and folder they come in."""
        self._identities = {file.path: file.identity() for file in unit.files}
        return load_id(self._door.parts.hasher, self._load.source, self._load.stream, list(self._identities.values()))

    def _counted(self, unit: Unit, reader: RowReader) -> int:
        """The rows of the unit, before the first of them is brought."""
        rows = 0
        for chunk, _, done in self._chunks(unit, reader, []):
            rows += len(chunk.payloads)
            self._on_progress(LoadProgress("counting", done, rows))
        return rows

    def _number(self, unit: Unit, reader: RowReader, numbering: Numbering) -> int:
        for chunk, _, done in self._chunks(unit, reader, []):
            numbering.add(chunk.payloads)
            self._on_progress(LoadProgress("numbering", done, numbering.rows))
        numbering.number()
        return numbering.rows

    def _bring(
        self,
        unit: Unit,
        reader: RowReader,
        numbering: Numbering | None,
        carriers: concurrent.futures.Executor,
        announced: int | None,
    ) -> None:
        under_way: collections.deque[concurrent.futures.Future[Receipt]] = collections.deque()
        told: collections.deque[tuple[DataFile, Chunk, float]] = collections.deque()
        identities = self._identities
        try:
            for chunk, file, done in self._chunks(unit, reader, self._bad):
                if file.path not in identities:
                    identities[file.path] = file.identity()
                numbers = None
                if numbering is not None:
                    numbers = numbering.numbers(self._rows, len(chunk.payloads))
                self._rows += len(chunk.payloads)
                if announced is not None and self._rows > announced:
                    raise _changed()
                under_way.append(carriers.submit(self._carry, chunk, identities[file.path], numbers))
                told.append((file, chunk, done))
                if len(under_way) >= self._settings.chunks_under_way:
                    self._settle(under_way.popleft(), *told.popleft())
            while under_way:
                self._settle(under_way.popleft(), *told.popleft())
        finally:
            # Without failure there is nothing left; with one, nobody waits any longer.
            self._over.set()
            for future in under_way:
                future.cancel()

    def _chunks(self, unit: Unit, reader: RowReader, bad: list[BadLine]) -> Iterator[tuple[Chunk, DataFile, float]]:
        """All chunks of the unit, each with how much of all bytes is read with it."""
        total = max(sum(file.size for file in unit.files), 1)
        before = 0
        for file in unit.files:
            for chunk in reader.chunks(file, bad):
                yield chunk, file, (before + chunk.done * file.size) / total
            before += file.size

    def _carry(self, chunk: Chunk, identity: str, numbers: np.ndarray | None) -> Receipt:
        """Bring a chunk to the door, and again while the door cannot take it. Runs in a carrier."""
        record_ids = None
        if numbers is not None:
            record_ids = occurrence_ids(self._door.parts.hasher, chunk.payloads, pa.array(numbers))
        rows = Rows(
            source=self._load.source,
            stream=self._load.stream,
            payloads=chunk.payloads,
            first=chunk.first,
            idempotency_key=identity,
            record_ids=record_ids,
            canonical=chunk.canonical,
            readable=chunk.readable,
            lane=self._load.lane,
            origin=self._origin,
        )
        deadline = time.monotonic() + self._settings.patience
        while True:
            try:
                return self._door.submit_rows(rows)
            except RetryableError as error:
                wait = error.retry_after or 1.0
                if time.monotonic() + wait > deadline or self._over.wait(wait):
                    raise
                _log.info("load.waits", error=type(error).__name__, seconds=wait)

    def _settle(self, future: concurrent.futures.Future[Receipt], file: DataFile, chunk: Chunk, done: float) -> None:
        receipt = future.result()
        self._accepted += receipt.accepted
        self._warnings.update(dict.fromkeys(receipt.warnings))
        for refusal in receipt.refused:
            row = refusal.index - chunk.first
            line = None if chunk.lines is None else chunk.lines[row]
            self._bad.append(BadLine(str(file.path), line, f"{refusal.reason}: {refusal.hint}", refusal.index + 1))
        self._on_progress(LoadProgress("loading", done, self._accepted))

    def _warn_of_folders(self, unit: Unit) -> None:
        names = {name for file in unit.files if file.format == "ndjson" for name in file.columns}
        if names:
            listed = ", ".join(sorted(names))
            self._warnings[f"Lines of NDJSON are kept as they are: the folders' {listed} was not added to them."] = None


def _changed() -> IntegrityError:
    return IntegrityError("The files changed while they were loaded.", hint="Load them again.")


def occurrence_ids(hasher: Hasher, payloads: pa.Array, numbers: pa.Array) -> pa.Array:
    """Ids (strings) of rows by their payload (binary) and which of the unit's equal ones each is (integer, from 1)."""
    return _hexadecimal(hasher.hashes(b"occurrence", [payloads, numbers]))


def _hexadecimal(hashes: pa.Array) -> pa.Array:
    """Hashes (binary(16)) as strings of 32 digits."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    data = np.frombuffer(hashes.buffers()[1], np.uint8, 16 * len(hashes), 16 * hashes.offset)
    text = np.stack([digits[data >> 4], digits[data & 15]], axis=1)
    ends = pa.array(32 * np.arange(len(hashes) + 1, dtype=np.int32))
    return pa.StringArray.from_buffers(len(hashes), ends.buffers()[1], pa.py_buffer(text.tobytes()))
