"""The parts of a process, made from the configuration when they are first asked for.

A role is what it asks for: `mainstem apikey` needs the database and nothing else, `work` nearly everything. Each part is
made once and shared; all are closed with the Runtime.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from mainstem.clock import Replay, ReplayClock
from mainstem.errors import NotFoundError, UnavailableError
from mainstem.privacy import Keyring
from mainstem.runtime.config import LoadedConfig, load_config
from mainstem.runtime.disk_space import DiskSpace
from mainstem.runtime.folders import keys_folder, lake_folder, run_folder
from mainstem.runtime.installation import begin_installation, check_installation, is_installed
from mainstem.runtime.placement import find_home
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.state import running_state
from mainstem.store import Database, migrate

if TYPE_CHECKING:
    # Imported by what makes them, so that a process loads the machinery of its own role only.
    from mainstem.access import ApiKeys, Users
    from mainstem.analytics import HealthModels, Scorer
    from mainstem.contracts import Registry
    from mainstem.eventlog import EventLog, Head
    from mainstem.intake import Decisions, Door
    from mainstem.lake import Lake, LakeWriter, ObjectStore
    from mainstem.metrics import Metrics
    from mainstem.model import Lane
    from mainstem.processing import Engine, Ledger, Parents, PostgresSink, Quarantine, SegmentStore, Worker
    from mainstem.quality.agreements import AgreementParts, InForce

__all__ = ["Runtime", "connect_runtime", "database_dsn", "objects_of"]

_LOOK_SECONDS = 0.1


def database_dsn(loaded: LoadedConfig) -> str:
    """Where the database is: the configured one, or that of the tree that runs on the data folder.

    Raises UnavailableError when there is neither.
    """
    url = loaded.config.database.url
    if url is not None:
        return url.get_secret_value()
    state = running_state(loaded.data_dir)
    if state is None or state.dsn is None:
        raise UnavailableError(
            f"Mainstem does not run on {loaded.data_dir}.", hint=f"Start it: mainstem up --data-dir {loaded.data_dir}"
        )
    return state.dsn


def objects_of(loaded: LoadedConfig) -> ObjectStore:
    """The object store of the raw lake. Raises ConfigurationError."""
    from mainstem.lake import open_objects

    return open_objects(loaded.config.lake.url or lake_folder(loaded.data_dir))


class Runtime:
    """What a process of this installation is made of."""

    def __init__(self, loaded: LoadedConfig, dsn: str) -> None:
        """Nothing connects before it is needed; `open` also proves that keys and database belong together."""
        self.loaded = loaded
        self.config = loaded.config
        self.data_dir = loaded.data_dir
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        """This process's life, for leases."""
        self.clock = ReplayClock()
        self.database = Database(dsn, settings=loaded.config.store)

    @classmethod
    def open(cls, loaded: LoadedConfig, dsn: str | None = None) -> Self:
        """The runtime of an installation that was set up.

        Raises MissingKeysError, UnavailableError when the database does not answer in time or was not set up.
        """
        runtime = cls(loaded, dsn or database_dsn(loaded))
        try:
            runtime.database.wait_ready(loaded.config.database.wait_seconds)
            check_installation(runtime.database, runtime.keyring)
            runtime.refresh_clock()
        except BaseException:
            runtime.close()
            raise
        return runtime

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        # A cached property that was never asked for is not in the instance.
        if "sink" in self.__dict__:
            self.sink.close()
        self.database.close()

    def refresh_clock(self) -> None:
        """Take over the replay that the store knows of, or its end. Raises UnavailableError."""
        with self.database.autocommit() as connection:
            row = connection.execute("SELECT origin, started, speed, name FROM replay").fetchone()
        self.clock.replay = None if row is None else Replay(*row)

    @functools.cached_property
    def keyring(self) -> Keyring:
        """The installation's keys. Raises MissingKeysError."""
        return Keyring.open(keys_folder(self.data_dir))

    @functools.cached_property
    def log(self) -> EventLog:
        """The event log."""
        from mainstem.eventlog import PostgresLog

        partitions = self.config.runtime.partitions
        return PostgresLog(self.database, self.keyring.sealer, self.clock, partitions=partitions)

    @functools.cached_property
    def registry(self) -> Registry:
        """The contracts in force."""
        from mainstem.contracts import Registry

        return Registry(self.database)

    @functools.cached_property
    def metrics(self) -> Metrics:
        """The metrics in force."""
        from mainstem.metrics import Metrics

        return Metrics(self.database)

    @functools.cached_property
    def door(self) -> Door:
        """The way in; whoever uses it starts and stops it."""
        from mainstem.intake import Door, DoorParts

        parts = DoorParts(
            log=self.log,
            registry=self.registry,
            references=self.keyring.references,
            hasher=self.keyring.hasher,
            clock=self.clock,
            database=self.database,
            positions=self.sink_positions,
            space=self._disk_space().check,
        )
        return Door(parts, self.config.intake)

    @functools.cached_property
    def decisions(self) -> Decisions:
        """The way for decisions, through the door."""
        from mainstem.intake import Decisions

        return Decisions(self.door, self.keyring.references, self.clock)

    @functools.cached_property
    def quarantine(self) -> Quarantine:
        """What waits for a decision, and deciding; for the latter the door has to be started."""
        from mainstem.processing import Quarantine, QuarantineParts

        parts = QuarantineParts(
            database=self.database,
            contracts=self.registry,
            references=self.keyring.references,
            hasher=self.keyring.hasher,
            sealer=self.keyring.sealer,
            parents=self.parents,
            decisions=self.decisions,
        )
        return Quarantine(parts)

    @functools.cached_property
    def segments(self) -> SegmentStore:
        """What deduplication has put aside."""
        from mainstem.processing import LocalSegments

        return LocalSegments(lake_folder(self.data_dir) / "dedup")

    @functools.cached_property
    def sink(self) -> PostgresSink:
        """The one committer."""
        from mainstem.processing import PostgresSink, SinkParts

        parts = SinkParts(
            sealer=self.keyring.sealer,
            hasher=self.keyring.hasher,
            segments=self.segments,
            clock=self.clock,
            metrics=self.metrics,
            partitions=self.partitions_of,
        )
        return PostgresSink(self.database, parts, self.config.processing)

    @functools.cached_property
    def engine(self) -> Engine:
        """Records in, effects out."""
        from mainstem.processing import EmbeddedEngine

        keyring = self.keyring
        return EmbeddedEngine(self.registry, keyring.references, keyring.hasher, keyring.sealer, self.parents)

    @functools.cached_property
    def parents(self) -> Parents:
        """Which entities are known, for records that refer to them."""
        from mainstem.processing import KnownParents

        return KnownParents(self.database)

    @functools.cached_property
    def worker(self) -> Worker:
        """Reads the log into effect."""
        from mainstem.processing import Worker, WorkerParts

        parts = WorkerParts(database=self.database, log=self.log, engine=self.engine, sink=self.sink, clock=self.clock)
        return Worker(parts, self.config.processing)

    @functools.cached_property
    def agreement_parts(self) -> AgreementParts:
        """What evaluating agreements takes."""
        from mainstem.processing import EntityReader
        from mainstem.quality.agreements import AgreementParts

        keyring = self.keyring
        folder = run_folder(self.data_dir) / "comparing"
        return AgreementParts(self.database, self.registry, EntityReader(keyring.sealer), keyring.hasher, folder)

    def agreements(self) -> list[InForce]:
        """The agreements in force, by name. Raises UnavailableError."""
        from mainstem.metrics import active_declarations
        from mainstem.quality.agreements import AGREEMENT, read_in_force

        with self.database.autocommit() as conn:
            declared = active_declarations(conn, AGREEMENT)
        return read_in_force((one.name, one.version, one.text) for one in declared)

    @functools.cached_property
    def health_models(self) -> HealthModels:
        """The health model in force."""
        from mainstem.analytics import HealthModels

        return HealthModels(self.database)

    @functools.cached_property
    def scorer(self) -> Scorer:
        """Keeps the scores what they should be."""
        from mainstem.analytics import Scorer, ScorerParts

        def parts() -> ScorerParts:
            return ScorerParts(
                clock=self.clock,
                contracts=self.registry,
                metrics=self.metrics.current(),
                model=self.health_models.current(),
                metrics_settings=self.config.metrics,
                settings=self.config.analytics,
            )

        return Scorer(self.database, parts)

    @functools.cached_property
    def lake_writer(self) -> LakeWriter:
        """Reads the log into the lake."""
        from mainstem.lake import LakeWriter

        return LakeWriter(self.lake, self.log, owner=self.owner)

    @functools.cached_property
    def ledger(self) -> Ledger:
        """Where every received record is."""
        from mainstem.processing import Ledger

        return Ledger(self.database, self.log, self.segments)

    @functools.cached_property
    def users(self) -> Users:
        """Who signs in to the dashboard."""
        from mainstem.access import Users

        return Users(self.database, self.clock, self.keyring.derive("session"))

    @functools.cached_property
    def api_keys(self) -> ApiKeys:
        """The keys of programs that call the API."""
        from mainstem.access import ApiKeys

        return ApiKeys(self.database, self.clock)

    def _disk_space(self) -> DiskSpace:
        """Of what an installation keeps on disks of this machine."""
        from mainstem.lake import LocalObjects

        objects = objects_of(self.loaded)
        folders = {"lake": objects.root} if isinstance(objects, LocalObjects) else {}
        if lake_folder(self.data_dir) not in folders.values():
            folders["deduplication"] = lake_folder(self.data_dir)
        home = find_home(self.data_dir) if self.config.database.url is None else None
        if home is not None:
            folders["database"] = home.data
        return DiskSpace(folders, self.config.runtime.least_free_mb << 20)

    def sink_positions(self) -> Mapping[tuple[int, int, Lane], int]:
        """How far records are in effect, by (epoch, partition, lane). Raises UnavailableError."""
        from mainstem.model import Lane

        with self.database.autocommit() as connection:
            rows = connection.execute("SELECT epoch, partition, lane, position FROM sink_position").fetchall()
        return {(epoch, partition, Lane(lane)): position for epoch, partition, lane, position in rows}

    def await_effect(self, heads: Sequence[Head], seconds: float) -> bool:
        """Wait until the log is in effect up to these positions; False when it is not after that long."""
        end = time.monotonic() + seconds
        while True:
            reached = self.sink_positions()
            if all(reached.get((one.epoch, one.partition, one.lane), 0) >= one.position for one in heads):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_SECONDS)

    def partitions_of(self, epoch: int) -> int:
        """The number of partitions of an epoch of the log. Raises NotFoundError, UnavailableError."""
        for each in self.log.epochs():
            if each.number == epoch:
                return each.partitions
        raise NotFoundError(f"The log has no epoch {epoch}.")

    @functools.cached_property
    def lake(self) -> Lake:
        """The raw lake."""
        from mainstem.lake import Lake

        return Lake.of(self.database, objects_of(self.loaded), self.keyring, self.clock, self.config.lake)


@contextlib.contextmanager
def connect_runtime(
    data_dir: Path, file: Path | None = None, *, start: bool = False, anew: bool = False
) -> Iterator[Runtime]:
    """The runtime for a command on an installation that runs.

    With `start`, one that does not run gets its embedded database for as long as the block lasts. With `anew` a database
    that was lost is begun again: for the command that then rebuilds it from the lake.

    Raises ConfigurationError, MissingKeysError, UnavailableError when nothing runs (and `start` is not given).
    """
    loaded = load_config(data_dir, file)
    if not structlog.is_configured():
        # What a command prints is read by programs; what it logs goes elsewhere.
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    with contextlib.ExitStack() as stack:
        dsn = None
        if start and loaded.config.database.url is None and running_state(data_dir) is None:
            # Before the server: a data folder that lost its keys does not get a database.
            Keyring.open(keys_folder(data_dir))
            server = EmbeddedPostgres(data_dir, loaded.config.database)
            dsn = server.start()
            stack.callback(server.stop)
        if start or anew:
            with Runtime(loaded, dsn or database_dsn(loaded)) as runtime:
                migrate(runtime.database)
                if anew:
                    if not is_installed(runtime.database):
                        from mainstem.lake import prove_keys

                        # Before it becomes these keys' database.
                        prove_keys(runtime.lake)
                    begin_installation(runtime.database, runtime.keyring, runtime.clock)
        yield stack.enter_context(Runtime.open(loaded, dsn))
