"""`mainstem rebuild analytics --from-lake`: the analytics database made anew, compared with the one in use, swapped in.

Beside a running system most is folded while it goes on, and what came in meanwhile, until little is left; then the sink
pauses for the rest, the comparison and the swap, and the door takes records in throughout. Where the database was lost there is nothing to compare with: the manifest and
the log's past come from the lake, and the log goes on in a new epoch, so that no position is ever used twice.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from mainstem.analytics import restore_scores
from mainstem.errors import IntegrityError
from mainstem.eventlog import PostgresLog
from mainstem.lake import COMMITS, OBSERVED_EPOCH, LakeReader, LakeWriter, log_past, recover_manifest
from mainstem.lake.writer import lease_name as lake_lease
from mainstem.metrics import Metrics
from mainstem.model import OBSERVED_STREAMS, Lane
from mainstem.processing import (
    EmbeddedEngine,
    Entities,
    KnownParents,
    Parents,
    PostgresSink,
    SinkParts,
    lease_name,
    start_gauges,
)
from mainstem.processing.rebuild import (
    REBUILD,
    SPAN,
    Content,
    Difference,
    Fold,
    FoldClock,
    RecordedWaits,
    RefoundWaits,
    crossing_streams,
    differences,
    ensure_same_partitions,
    fold_content,
    freeze_observations,
    keep_exported_turns,
    restore_declared,
    restore_exported,
    restore_first_known,
    restore_observations,
    restore_turns,
)
from mainstem.processing.rebuild.pause import Pause
from mainstem.runtime.control_copy import restore_control
from mainstem.runtime.wiring import Runtime
from mainstem.store import Connection, Database, create_fold, drop_fold, swap_fold

__all__ = ["REBUILD_SCHEMA", "RebuildReport", "rebuild_analytics"]

_log = structlog.get_logger()

REBUILD_SCHEMA = "mainstem_rebuild"
"""Where the new fold grows."""

# What can be folded in this time may as well be folded while the sink pauses.
_BRIEF_SECONDS = 1.0

_Chains = Mapping[tuple[int, int, Lane], int]


def _unheard(done: int, total: int) -> None:
    """For nobody who watches."""


@dataclasses.dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild came to. `identical` is None when there was nothing to compare with."""

    records: int
    seconds: float
    identical: bool | None
    tables: Mapping[str, Content]
    """Of the new fold."""
    differences: Sequence[Difference]
    """The first ones of each table; when there are any, nothing was swapped."""
    paused: float
    """Seconds for which nothing took effect."""
    control: int | None
    """After a lost database: rows of accounts, API keys and declarations that came back; None when it was not lost."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Folded:
    """What folding and comparing came to; see `RebuildReport`."""

    identical: bool | None
    tables: Mapping[str, Content]
    differences: Sequence[Difference]
    paused: float


def rebuild_analytics(runtime: Runtime, *, on_progress: Callable[[int, int], None] = _unheard) -> RebuildReport:
    """Rebuild; `on_progress` is told how many records of how many are folded.

    On a difference the old fold stays in use and the new one is dropped. Raises IntegrityError when the lake is damaged
    or ends too early, UnavailableError (also when another rebuild is under way), StorageFullError.
    """
    began = time.monotonic()
    control = _recover(runtime)
    reader = LakeReader(runtime.lake)
    # First what records were stamped with; only then what this release brings, which may be of another text.
    restore_declared(reader, runtime.registry, runtime.database)
    runtime.registry.ensure_builtins(runtime.clock.wall())
    with Database(runtime.database.dsn, fold_schema=REBUILD_SCHEMA, settings=runtime.config.store) as database:
        drop_fold(runtime.database, REBUILD_SCHEMA)
        create_fold(runtime.database, REBUILD_SCHEMA)
        clock = FoldClock(runtime.clock)
        sink = _sink(runtime, database, clock)
        fold = Fold(runtime.database, reader, _engine(runtime, database, reader), sink, clock)
        totals = runtime.lake.manifest.totals()
        total = sum(total.rows for total in totals if (total.source, total.stream) not in OBSERVED_STREAMS)
        run = functools.partial(fold.run, owner=runtime.owner, on_records=lambda _: on_progress(fold.records, total))
        try:
            folded = _folded(runtime, database, reader, run)
        except BaseException:
            drop_fold(runtime.database, REBUILD_SCHEMA)
            raise
        finally:
            sink.close()
    if folded.differences:
        drop_fold(runtime.database, REBUILD_SCHEMA)
    _log.info("rebuilt", records=fold.records, identical=folded.identical, paused=round(folded.paused, 3))
    return RebuildReport(
        records=fold.records,
        seconds=time.monotonic() - began,
        identical=folded.identical,
        tables=folded.tables,
        differences=folded.differences,
        paused=folded.paused,
        control=control,
    )


def _recover(runtime: Runtime) -> int | None:
    """Accounts, manifest and log of a database that was lost, out of the lake; nothing where they are there.

    How many rows of accounts and what else the control plane had.
    """
    manifest = runtime.lake.manifest
    with runtime.database.autocommit() as conn:
        [(begun,)] = conn.execute("SELECT EXISTS (SELECT FROM log_epoch)").fetchall()
    control = None if begun else restore_control(runtime)
    # A replay may have come back with it.
    runtime.refresh_clock()
    if not manifest.positions() and next(iter(runtime.lake.objects.list(COMMITS)), None) is not None:
        recover_manifest(runtime.lake.objects, manifest)
    if not begun and isinstance(runtime.log, PostgresLog):
        epochs, received = log_past(manifest)
        runtime.log.restore(epochs, received)
    return control


def _sink(runtime: Runtime, database: Database, clock: FoldClock) -> PostgresSink:
    with runtime.database.autocommit() as conn:
        partitions = dict(conn.execute("SELECT epoch, partitions FROM log_epoch").fetchall())
    parts = SinkParts(
        sealer=runtime.keyring.sealer,
        hasher=runtime.keyring.hasher,
        segments=runtime.segments,
        clock=clock,
        metrics=Metrics(runtime.database),
        partitions=partitions.__getitem__,
    )
    return PostgresSink(database, parts, runtime.config.processing, fold=REBUILD)


def _engine(runtime: Runtime, database: Database, reader: LakeReader) -> EmbeddedEngine:
    keyring = runtime.keyring
    lost, _ = _targets(runtime)
    waits: Parents = RefoundWaits(reader, KnownParents(database)) if lost else RecordedWaits(runtime.database)
    return EmbeddedEngine(runtime.registry, keyring.references, keyring.hasher, keyring.sealer, waits)


def _folded(runtime: Runtime, database: Database, reader: LakeReader, run: Callable[[_Chains], None]) -> _Folded:
    """Fold, pause, fold the rest, compare, swap."""
    lost, until = _targets(runtime)
    if lost:
        restore_turns(reader, runtime.database)
        run(until)
        restore_exported(reader, database)
        restore_scores(database, SPAN)
    else:
        _approach(runtime, run)
        _start_gauges(runtime, database)
        _restore_first_known(runtime)
    began = time.monotonic()
    with Pause(runtime.database, _leases(runtime, lease_name), runtime.owner) as pause:
        _, until = _targets(runtime)
        _flush(runtime, until)
        run(until)
        _start_gauges(runtime, database)
        if not lost:
            _restore_first_known(runtime)
            ensure_same_partitions(runtime.database, database)
        identical: bool | None = None
        found: Sequence[Difference] = ()
        with runtime.database.snapshot() as conn:
            _patiently(conn)
            crossing = crossing_streams(conn, REBUILD_SCHEMA, runtime.registry)
            content = fold_content(conn, REBUILD_SCHEMA, crossing)
            if not lost:
                identical = content == fold_content(conn, runtime.database.fold_schema, crossing)
                if not identical:
                    found = differences(conn, runtime.database.fold_schema, REBUILD_SCHEMA, crossing)
        if identical is not False:
            with runtime.database.transaction() as conn:
                _patiently(conn)
                pause.check(conn)
                freeze_observations(conn, runtime.database.fold_schema)
                if lost:
                    # Tokens to resume from that the lost database gave out must not be mistaken for this one's.
                    conn.execute("UPDATE installation SET generation = extract(epoch FROM clock_timestamp())::bigint")
                else:
                    restore_observations(conn, runtime.database.fold_schema, REBUILD_SCHEMA)
                # The new fold has counted all of the past.
                conn.execute("DELETE FROM quality_begun")
                keep_exported_turns(conn, runtime.database.fold_schema, REBUILD_SCHEMA)
                swap_fold(conn, REBUILD_SCHEMA)
    return _Folded(identical, content, found, time.monotonic() - began)


def _start_gauges(runtime: Runtime, database: Database) -> None:
    """Have both folds filled with the gauges in force: most of it before the pause, and in it those of the last moment."""
    declared = Metrics(runtime.database).current()
    entities = Entities(runtime.keyring.sealer, runtime.keyring.hasher)
    for fold in (runtime.database, database):
        start_gauges(fold, declared, entities.histories, runtime.clock.wall())


def _restore_first_known(runtime: Runtime) -> None:
    """Most of it is done before the pause, and the rest in it."""
    with runtime.database.transaction() as conn:
        _patiently(conn)
        restore_first_known(conn, runtime.database.fold_schema, REBUILD_SCHEMA)


def _approach(runtime: Runtime, run: Callable[[_Chains], None]) -> None:
    """Fold while records go on taking effect, until little is left to be folded, or no less than before."""
    took = float("inf")
    while True:
        began = time.monotonic()
        _, until = _targets(runtime)
        _flush(runtime, until)
        run(until)
        before, took = took, time.monotonic() - began
        if took < _BRIEF_SECONDS or took > before / 2:
            return


def _targets(runtime: Runtime) -> tuple[bool, _Chains]:
    """Whether the fold in use was lost, and up to where to fold: where the sink is, or to the end of a lost log."""
    reached = dict(runtime.sink_positions())
    with runtime.database.autocommit() as conn:
        rows = conn.execute("SELECT DISTINCT epoch FROM log_head").fetchall()
    alive = {epoch for (epoch,) in rows}
    lost = False
    for chain, position in runtime.lake.manifest.positions().items():
        if chain[0] not in {*alive, OBSERVED_EPOCH} and reached.get(chain, 0) < position:
            lost = True
            reached[chain] = position
    return lost, {chain: position for chain, position in reached.items() if position}


def _leases(runtime: Runtime, name: Callable[[int, int], str]) -> list[str]:
    """The leases of every partition of every epoch that is still read."""
    return [name(epoch.number, partition) for epoch in runtime.log.epochs() for partition in range(epoch.partitions)]


def _flush(runtime: Runtime, until: _Chains) -> None:
    """Bring everything up to these positions into the lake, which its writers otherwise do in their own time.

    What the log goes on to receive is left to them: it may come in faster than it can be written.
    """

    def missing() -> bool:
        in_lake = runtime.lake.manifest.positions()
        return any(in_lake.get(chain, 0) < position for chain, position in until.items())

    if not missing():
        return
    with Pause(runtime.database, _leases(runtime, lake_lease), runtime.owner):
        writer = LakeWriter(runtime.lake, runtime.log, owner=runtime.owner)
        writer.drain(until)
        writer.stop()
    if missing():
        raise IntegrityError("The lake lacks records that are in effect.", hint="Run: mainstem lake verify --deep")


def _patiently(conn: Connection) -> None:
    """Let this transaction take its time."""
    conn.execute("SELECT set_config('statement_timeout', '0', true)")
