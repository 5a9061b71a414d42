"""The door: the one way in for requests, webhooks, connectors and files.

`submit`, `submit_async` and `submit_rows` take what was brought, refuse what cannot be read and return a receipt once
everything else is durable in the log. They may be called from any number of threads and event loops; whatever arrives
while a commit is under way shares the next one. Errors: RefusedError when a body as a whole is unreadable,
PermissionDeniedError for Mainstem's own source, BackPressureError when the queue or the workers' backlog is full, and
StorageFullError or UnavailableError from the log, with nothing acknowledged. The last three pass by themselves: the
door recovers with the log and is never restarted for them.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import functools
import random
import threading
from collections.abc import Callable
from operator import attrgetter
from types import TracebackType
from typing import Self, TypeAlias

import msgspec
import numpy as np
import structlog

from mainstem.clock import Clock
from mainstem.contracts import Contract, DoorPlan, Registry
from mainstem.errors import PermissionDeniedError, RefusedError, RetryableError, StorageFullError, UnavailableError
from mainstem.eventlog import EventLog, Head
from mainstem.intake._backlog import Backlog, Positions
from mainstem.intake._columns import Segment, build
from mainstem.intake._committer import Committer, Limits, Parcel, Route
from mainstem.intake._compression import decompress
from mainstem.intake._notes import Notes
from mainstem.intake._reading import Columns, Reading, read, read_rows
from mainstem.intake._stamp import Origin, no_contract, stamp
from mainstem.intake.delivery import CANONICAL_JSON, JSON, Delivery, Receipt, Refusal, Rows
from mainstem.intake.settings import DoorSettings
from mainstem.model import MAINSTEM_SOURCE, NAME_PATTERN, Lane, is_name
from mainstem.privacy import Hasher, References
from mainstem.store import Database

__all__ = ["Door", "DoorParts"]

_log = structlog.get_logger()
# For numbers that need not be secret. To ask the kernel for each would hand the interpreter to somebody else meanwhile.
_chance = random.Random()  # noqa: S311

_REFRESH_SECONDS = 1.0
# From this many records on, the caller builds the columns: in the commit everybody else would wait for it.
_BUILT_BY_CALLER = 64
# What a record takes in memory besides its payload, roughly.
_OVERHEAD = 200
# By how much a compressed body is thought to grow, when it is decided where to decode it.
_GROWS = 16
# Telemetry's name for every stream without a contract: their own names are the senders', and without end.
_NO_CONTRACT = "no_contract"
_NAME_HINT = f"Names match {NAME_PATTERN}: lower case, digits and underscores."

AnyFuture: TypeAlias = asyncio.Future[tuple[Head, ...]] | concurrent.futures.Future[tuple[Head, ...]]


@dataclasses.dataclass(frozen=True, slots=True)
class DoorParts:
    """What a door is made of. Without `positions` (the sink's) there is no back-pressure by the workers' backlog.

    `space`, called about once a second, raises StorageFullError when a disk behind the door has no room left.
    """

    log: EventLog
    registry: Registry
    references: References
    hasher: Hasher
    clock: Clock
    database: Database
    positions: Positions | None = None
    space: Callable[[], None] = lambda: None


@dataclasses.dataclass(slots=True)
class _Prepared:
    """A delivery that was read: what goes to the log, and the receipt but for its positions."""

    segments: list[Segment]
    origin: Origin
    accepted: int
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    heartbeat: tuple[str, str] | None = None

    def receipt(self, positions: tuple[Head, ...] = ()) -> Receipt:
        return Receipt(
            self.accepted, self.refused, self.warnings, positions, self.origin.delivery, self.origin.received_at
        )


class Door:
    """See the module's text. Opened by `start`, or by `with`."""

    def __init__(self, parts: DoorParts, settings: DoorSettings | None = None) -> None:
        self.parts = parts
        self.settings = settings = settings or DoorSettings()
        self._notes = Notes(parts.database)
        self._build = functools.partial(build, references=parts.references)
        route = Route(parts.log)
        self._backlog = None if parts.positions is None else Backlog(route, parts.positions, parts.clock, settings)
        records = {Lane.LIVE: settings.commit_records, Lane.BULK: settings.bulk_commit_records}
        self._committers = {
            lane: Committer(
                lane, route, self._build, Limits(records[lane], settings.commit_bytes, settings.queue_bytes)
            )
            for lane in Lane
        }
        self._plans: dict[tuple[str, str, int], DoorPlan] = {}
        self._outage: StorageFullError | UnavailableError | None = None
        self._stopping = threading.Event()
        self._housekeeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to commit, to watch the backlog and to write down refusals."""
        self._stopping.clear()
        for committer in self._committers.values():
            committer.start()
        self._housekeeper = threading.Thread(target=self._keep_house, name="door-housekeeper", daemon=True)
        self._housekeeper.start()

    def stop(self) -> None:
        """Take nothing more, commit what was taken in, and end."""
        for committer in self._committers.values():
            committer.stop(self.settings.drain)
        self._stopping.set()
        if self._housekeeper is not None:
            self._housekeeper.join(self.settings.drain)

    def submit(self, delivery: Delivery) -> Receipt:
        """Take a delivery in; blocks until it is durable. Raises as the module's text says."""
        return self._finish(self._prepare(delivery), delivery.lane)

    async def submit_async(self, delivery: Delivery) -> Receipt:
        """As `submit`, on an event loop; small bodies are decoded on the loop itself, which is cheaper than a thread."""
        # Compressed, a small body may be a large one.
        size = len(delivery.body) * (_GROWS if delivery.content_encoding else 1)
        if size > self.settings.inline:
            prepared = await asyncio.to_thread(self._prepare, delivery)
        else:
            prepared = self._prepare(delivery)
        if not prepared.segments:
            return (
                await asyncio.to_thread(self._finish, prepared, delivery.lane)
                if prepared.heartbeat
                else prepared.receipt()
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Head, ...]] = loop.create_future()
        self._committers[delivery.lane].put(self._parcel(prepared.segments, future, loop))
        return prepared.receipt(await future)

    def submit_rows(self, rows: Rows) -> Receipt:
        """Take rows in; blocks until they are durable. `Refusal.index` counts as `rows.first` does."""
        return self._finish(self._prepare_rows(rows), rows.lane)

    def refused(self, source: str, error: RefusedError) -> None:
        """Count a body that whoever took it from the client has refused before it was whole."""
        if is_name(source) and source != MAINSTEM_SOURCE:
            self._notes.refused(source, self.parts.clock.wall().date(), error.reason)

    def append(self, segment: Segment, lane: Lane) -> tuple[Head, ...]:
        """Append records of Mainstem's own, which need no reading; blocks until they are durable."""
        future: concurrent.futures.Future[tuple[Head, ...]] = concurrent.futures.Future()
        self._committers[lane].put(self._parcel([segment], future, None))
        return future.result()

    def _finish(self, prepared: _Prepared, lane: Lane) -> Receipt:
        if prepared.heartbeat is not None:
            self._notes.heartbeat(*prepared.heartbeat, prepared.origin.received_at)
        if not prepared.segments:
            return prepared.receipt()
        future: concurrent.futures.Future[tuple[Head, ...]] = concurrent.futures.Future()
        self._committers[lane].put(self._parcel(prepared.segments, future, None))
        return prepared.receipt(future.result())

    def _prepare(self, delivery: Delivery) -> _Prepared:
        """Everything but the log: admit, decompress, read, stamp."""
        received_at = self._admit(delivery.source, delivery.lane)
        try:
            origin = Origin(
                source=delivery.source,
                origin=delivery.origin,
                delivery=self._delivery_id(delivery.source, delivery.idempotency_key, received_at),
                content_type=JSON,
                received_at=received_at,
                idempotency_key=delivery.idempotency_key,
            )
            reading = self._read(delivery)
        except RefusedError as error:
            self._notes.refused(delivery.source, received_at.date(), error.reason)
            raise
        prepared = self._stamped(reading, origin)
        if reading.records == 0 and delivery.stream is not None:
            prepared.heartbeat = (delivery.source, delivery.stream)
            if self.parts.registry.active(*prepared.heartbeat) is None:
                prepared.warnings = (no_contract(delivery.stream),)
        return prepared

    def _read(self, delivery: Delivery) -> Reading:
        settings = self.settings
        if len(delivery.body) > settings.max_body:
            raise RefusedError(
                "too_large", f"The body is larger than {settings.max_body} bytes.", hint="Send it in several bodies."
            )
        if delivery.stream is not None and not is_name(delivery.stream):
            raise RefusedError("bad_stream", "The stream's name cannot be one.", field="stream", hint=_NAME_HINT)
        body = decompress(delivery.body, delivery.content_encoding, settings)
        reading = read(body, delivery.content_type, delivery.stream, settings)
        if reading.records == 0 and delivery.stream is None:
            raise RefusedError(
                "empty_body", "An empty array is a stream's heartbeat.", hint="Say which stream's: ?stream=NAME."
            )
        return reading

    def _prepare_rows(self, rows: Rows) -> _Prepared:
        received_at = self._admit(rows.source, rows.lane)
        if not is_name(rows.stream):
            raise RefusedError("bad_stream", "The stream's name cannot be one.", field="stream", hint=_NAME_HINT)
        payloads = rows.payloads.to_numpy(zero_copy_only=False).tolist()
        if rows.readable:
            numbers = range(len(payloads))
            reading = Reading(len(payloads), [Columns(rows.stream, numbers, payloads)] if payloads else [])
        else:
            reading = read_rows(payloads, rows.stream, self.settings)
        ids = None if rows.record_ids is None else rows.record_ids.to_numpy(zero_copy_only=False)
        reading.groups = [
            msgspec.structs.replace(
                group,
                index=(np.asarray(group.index) + rows.first).tolist(),
                id=None if ids is None else ids[np.asarray(group.index)].tolist(),
            )
            for group in reading.groups
        ]
        reading.refused = [dataclasses.replace(one, index=one.index + rows.first) for one in reading.refused]
        origin = Origin(
            source=rows.source,
            origin=rows.origin,
            delivery=self._delivery_id(rows.source, rows.idempotency_key, received_at),
            content_type=CANONICAL_JSON if rows.canonical else JSON,
            received_at=received_at,
            idempotency_key=rows.idempotency_key,
        )
        return self._stamped(reading, origin)

    def _stamped(self, reading: Reading, origin: Origin) -> _Prepared:
        registry = self.parts.registry
        segments: list[Segment] = []
        warnings = reading.warnings
        for group in reading.groups:
            contract = registry.active(origin.source, group.stream)
            segment, told = stamp(group, origin, contract, None if contract is None else self._plan(contract))
            segments.append(segment)
            warnings += told
        if reading.refused:
            for reason, n in collections.Counter(refusal.reason for refusal in reading.refused).items():
                self._notes.refused(origin.source, origin.received_at.date(), reason, n)
        return _Prepared(
            segments,
            origin,
            accepted=sum(len(segment.payload) for segment in segments),
            refused=tuple(sorted(reading.refused, key=attrgetter("index"))),
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _plan(self, contract: Contract) -> DoorPlan:
        name = (contract.source, contract.stream, contract.version)
        return self._plans.get(name) or self._plans.setdefault(name, DoorPlan.compile(contract))

    def _admit(self, source: str, lane: Lane) -> dt.datetime:
        """When it was received. Raises what keeps a delivery out before it is looked at."""
        if not is_name(source):
            raise RefusedError("bad_source", "The source's name cannot be one.", field="source", hint=_NAME_HINT)
        if source == MAINSTEM_SOURCE:
            raise PermissionDeniedError(f"Nobody writes the source {MAINSTEM_SOURCE} from outside.")
        if self._outage is not None:
            outage = self._outage
            raise type(outage)(outage.message, retry_after=_REFRESH_SECONDS, hint=outage.hint)
        if self._backlog is not None:
            self._backlog.check(lane)
        return self.parts.clock.wall()

    def _delivery_id(self, source: str, idempotency_key: str | None, now: dt.datetime) -> str:
        if idempotency_key is None:
            return _uuid7(now)
        if not 0 < len(idempotency_key) <= self.settings.max_identifier or not idempotency_key.isprintable():
            raise RefusedError(
                "bad_idempotency_key",
                "The Idempotency-Key is empty, too long or not printable.",
                hint=f"Send up to {self.settings.max_identifier} printable characters.",
            )
        return "ik-" + self.parts.hasher.digest(b"delivery", [source, idempotency_key]).hex()

    def _parcel(self, segments: list[Segment], future: AnyFuture, loop: asyncio.AbstractEventLoop | None) -> Parcel:
        records = sum(len(segment.payload) for segment in segments)
        return Parcel(
            segments=segments,
            batch=self._build(segments) if records >= _BUILT_BY_CALLER else None,
            records=records,
            size=sum(sum(map(len, segment.payload)) for segment in segments) + records * _OVERHEAD,
            counts=[
                (segment.source, segment.stream if segment.contract_version else _NO_CONTRACT, len(segment.payload))
                for segment in segments
            ],
            future=future,
            loop=loop,
        )

    def _keep_house(self) -> None:
        failing = False
        while not self._stopping.wait(_REFRESH_SECONDS):
            failing = self._keep_house_once(failing=failing)
        with contextlib.suppress(RetryableError):
            self._notes.flush()

    def _keep_house_once(self, *, failing: bool) -> bool:
        """Whether it failed; what fails again is not told again."""
        try:
            self._probe()
            if self._backlog is not None:
                self._backlog.refresh()
            self._notes.flush()
        except RetryableError as error:
            if not failing:
                _log.warning("door.housekeeping_failed", error=type(error).__name__, reason=error.message)
            return True
        except Exception:  # noqa: BLE001 - told, and tried again in a second
            _log.exception("door.housekeeping_failed")
            return True
        return False

    def _probe(self) -> None:
        """Learn of new contracts, and whether the database answers and the disks have room.

        While not, deliveries are turned away at once: each would otherwise wait for the database on the event loop, or
        be acknowledged without anybody knowing when there will be room to work it off.
        """
        try:
            # First: without room the database may not answer either, and that is not what has to be mended.
            self.parts.space()
            self.parts.registry.refresh()
        except (StorageFullError, UnavailableError) as error:
            self._outage = error
            raise
        self._outage = None


def _uuid7(now: dt.datetime) -> str:
    """A version 7 UUID: rising with time, the rest random."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    chance = _chance.getrandbits(74)
    high = milliseconds << 16 | 0x7000 | chance >> 62
    digits = f"{high << 64 | 0b10 << 62 | chance & ((1 << 62) - 1):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
