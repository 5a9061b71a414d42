"""An installation for benchmarks: a PostgreSQL of its own as Mainstem runs it, with fsync, and the parts over it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mainstem.clock import SystemClock
from mainstem.contracts import Registry
from mainstem.eventlog import PostgresLog
from mainstem.intake import Door, DoorParts
from mainstem.metrics import Metrics
from mainstem.privacy import Keyring
from mainstem.processing import EmbeddedEngine, KnownParents, LocalSegments, PostgresSink, SinkParts
from mainstem.runtime.folders import keys_folder
from mainstem.runtime.installation import begin_installation
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.settings import DatabaseSettings
from mainstem.store import Database, migrate

__all__ = ["Installation", "installation"]

PARTITIONS = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Installation:
    """The parts that benchmarks drive; `folder` is a data folder, as far as its keys go."""

    folder: Path
    database: Database
    keyring: Keyring
    clock: SystemClock
    registry: Registry
    log: PostgresLog
    door: Door
    engine: EmbeddedEngine
    sink: PostgresSink


@contextlib.contextmanager
def installation() -> Iterator[Installation]:
    """A new one; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mainstem-bench-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder, DatabaseSettings(system_folder=folder / "system"))
    try:
        with Database(server.start()) as database:
            migrate(database)
            keyring = Keyring.create(keys_folder(folder))
            clock = SystemClock()
            begin_installation(database, keyring, clock)
            registry = Registry(database)
            registry.ensure_builtins(clock.wall())
            log = PostgresLog(database, keyring.sealer, clock, partitions=PARTITIONS)
            parts = DoorParts(
                log=log,
                registry=registry,
                references=keyring.references,
                hasher=keyring.hasher,
                clock=clock,
                database=database,
            )
            sink_parts = SinkParts(
                sealer=keyring.sealer,
                hasher=keyring.hasher,
                segments=LocalSegments(folder / "dedup"),
                clock=clock,
                metrics=Metrics(database),
                partitions=lambda _: PARTITIONS,
            )
            engine = EmbeddedEngine(
                registry, keyring.references, keyring.hasher, keyring.sealer, KnownParents(database)
            )
            sink = PostgresSink(database, sink_parts)
            with Door(parts) as door:
                yield Installation(folder, database, keyring, clock, registry, log, door, engine, sink)
            sink.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
