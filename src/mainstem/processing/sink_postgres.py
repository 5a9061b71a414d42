"""The sink into PostgreSQL: one transaction makes a span's effects true, and its position with them.

Before the transaction: what is a repeat is judged from memory, cells' changes and timeline rows are computed. Inside it:
the lease is proved, the position is moved compare-and-set, everything is written. After it: memory learns what became
known. So a failure leaves neither the database nor memory changed; when only the outcome of the commit itself is unknown,
memory is dropped and read again from what the database then says.

A partition's memory belongs to one lease epoch: whoever comes with another one starts from the database.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pyarrow as pa
import structlog

from mainstem.clock import Clock
from mainstem.errors import FencedError, UnavailableError
from mainstem.intake import QuarantineDismissed, QuarantineFixed, WaitEnded
from mainstem.metrics import (
    CellDeltas,
    Gauge,
    GaugeMoment,
    MetricSet,
    add_steps,
    begin_merge,
    begun_gauges,
    forget_gauges,
    merge_cells,
    prepare_cells,
    touch_customers,
)
from mainstem.model import Lane, Span
from mainstem.privacy import Hasher, Sealer
from mainstem.processing.accounting import Correction, Plan, change_of, commit_of, stream_times, terms_of
from mainstem.processing.dedup import DedupState, SegmentStore, Slots, insert_runs
from mainstem.processing.effects import DecisionEffect, Effects, EventEffects, StateEffects
from mainstem.processing.settings import ProcessingSettings
from mainstem.processing.sink import Commit, DecisionApplier
from mainstem.processing.tables.drift import FindingRegister, Known
from mainstem.processing.tables.entities import Entities, Merged
from mainstem.processing.tables.gauges import brief_gauges, fill_at_once
from mainstem.processing.tables.lane_order import Turn, write_turn
from mainstem.processing.tables.ledger_terms import Terms, write_stream_clocks, write_terms
from mainstem.processing.tables.orphans import write_orphans
from mainstem.processing.tables.quality_counts import write_quality
from mainstem.processing.tables.quarantine import Decided, decide_quarantine, foresee_decisions, write_quarantined
from mainstem.processing.tables.references import ReferenceRegister
from mainstem.processing.tables.remedies import write_remedies
from mainstem.processing.tables.timeline import TimelineRows, pack_timeline, write_timeline
from mainstem.processing.tables.warnings import write_warnings
from mainstem.processing.verdicts import JudgedEvents, judge_decisions, judge_events
from mainstem.store import Connection, Database, append_all, check_lease, ensure_partitions
from mainstem.telemetry import (
    COMMIT_SECONDS,
    RECORDS_ACCEPTED,
    RECORDS_DISCARDED,
    RECORDS_DUPLICATE,
    RECORDS_HELD,
    RECORDS_QUARANTINED,
)

__all__ = ["Ahead", "PostgresSink", "SinkParts", "lease_name"]

_log = structlog.get_logger()

_LIVE = "engine"


def lease_name(epoch: int, partition: int, fold: str = _LIVE) -> str:
    """The lease whose owner alone may commit a partition; another fold beside the live one has leases of its own."""
    return f"{fold}/{epoch}/{partition}"


class MetricsInForce(Protocol):
    """What the sink asks of `metrics.Metrics`."""

    def current(self) -> MetricSet:
        """The metrics in force, as of a few seconds ago."""
        ...

    def prove(self, conn: Connection, used: MetricSet) -> None:
        """Inside a transaction: these are in force until its end. Raises UnavailableError when there are others."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class SinkParts:
    """What a sink works with. `partitions` gives the number of partitions of a log epoch.

    `decisions` applies those that are not about quarantined records; without one they are only counted.
    """

    sealer: Sealer
    hasher: Hasher
    segments: SegmentStore
    clock: Clock
    metrics: MetricsInForce
    partitions: Callable[[int], int]
    decisions: DecisionApplier | None = None


@dataclasses.dataclass(slots=True)
class _Owned:
    """What is remembered of a partition while one lease epoch lasts."""

    lease_epoch: int
    dedup: DedupState
    positions: dict[Lane, int]
    repeats: bool = False
    """Whether the last commit had some."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ahead:
    """Changes of cells computed before it is known what is a repeat: right for the groups that have none."""

    metrics: MetricSet
    deltas: Sequence[CellDeltas]


@dataclasses.dataclass(frozen=True, slots=True)
class _Written:
    """What a transaction wrote: to be remembered when it is committed, and to be told."""

    commit: Commit
    terms: Terms
    run_ids: Sequence[int]
    references: list[bytes]
    findings: Known


class PostgresSink:
    """See the module's text. One thread commits; any may ask for positions.

    `fold` other than `engine` is for a rebuild: it owns its partitions by leases of that name, and it makes no
    corrections, because what was shown before is restored and not made anew.
    """

    def __init__(
        self,
        database: Database,
        parts: SinkParts,
        settings: ProcessingSettings | None = None,
        *,
        fold: str = _LIVE,
    ) -> None:
        self._database = database
        self._parts = parts
        self._settings = settings or ProcessingSettings()
        self._fold = fold
        self._owned: dict[tuple[int, int], _Owned] = {}
        self._entities = Entities(parts.sealer, parts.hasher)
        self._references = ReferenceRegister(parts.sealer)
        self._findings = FindingRegister()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="mainstem-dedup")

    def close(self) -> None:
        """Forget all partitions and end the thread that writes segments."""
        for key in list(self._owned):
            self.forget(*key)
        self._writer.shutdown()

    def positions(self) -> Mapping[tuple[int, int, Lane], int]:
        with self._database.autocommit() as conn:
            rows = conn.execute("SELECT epoch, partition, lane, position FROM sink_position").fetchall()
        return {(epoch, partition, Lane(lane)): position for epoch, partition, lane, position in rows}

    def forget(self, epoch: int, partition: int) -> None:
        """Drop what is remembered of a partition, after its lease was lost."""
        owned = self._owned.pop((epoch, partition), None)
        if owned is not None:
            owned.dedup.drop()

    def maintain(self, epoch: int, partition: int, *, lease_epoch: int, settle: bool = False) -> None:
        """Seal and merge what deduplication knows where that is due; `settle`: all of it, before an epoch is left.

        Raises as `commit` does.
        """
        owned = self._own(epoch, partition, lease_epoch)
        try:
            owned.dedup.maintain(
                self._database,
                lambda conn: check_lease(conn, lease_name(epoch, partition, self._fold), lease_epoch),
                settle=settle,
            )
        except BaseException:
            self.forget(epoch, partition)
            raise

    def prepare(self, effects: Effects) -> Ahead | None:
        """What `commit` can be spared, computed while another commit is under way; None where it would be in vain.

        May be called by another thread than the one that commits.
        """
        owned = self._owned.get((effects.span.epoch, effects.span.partition))
        if owned is not None and owned.repeats:
            return None
        metrics = self._parts.metrics.current()
        return Ahead(metrics, [_deltas(metrics, group) for group in effects.events])

    def commit(
        self, effects: Effects, *, lease_epoch: int, ahead: Ahead | None = None, rehearse: bool = False
    ) -> Commit:
        """See `Sink.commit`. `ahead` is what `prepare` gave for the effects; `rehearse` does everything, and undoes it."""
        span = effects.span
        with COMMIT_SECONDS.time():
            owned = self._own(span.epoch, span.partition, lease_epoch)
            if span.first <= owned.positions.get(span.lane, 0):
                raise FencedError(f"{span} is committed already.")
            plan = self._planned(effects, owned.dedup, ahead)
            complete = False
            try:
                with self._database.transaction() as conn:
                    with conn.transaction(force_rollback=True) if rehearse else contextlib.nullcontext():
                        written = self._write(conn, effects, plan, owned)
                    complete = not rehearse
            except BaseException as error:
                if complete or isinstance(error, FencedError):
                    # The commit's outcome is unknown, or somebody else's commits are: the database knows.
                    self.forget(span.epoch, span.partition)
                raise
            if rehearse:
                return written.commit
            owned.positions[span.lane] = span.last
            owned.repeats = written.commit.duplicate > 0
            owned.dedup.publish(plan.runs, written.run_ids)
            self._references.remember(written.references)
            self._findings.remember(written.findings)
        _count(effects, written.terms)
        return written.commit

    def _own(self, epoch: int, partition: int, lease_epoch: int) -> _Owned:
        """What is remembered of the partition, read from the database when nothing is."""
        owned = self._owned.get((epoch, partition))
        if owned is not None and owned.lease_epoch == lease_epoch:
            return owned
        self.forget(epoch, partition)
        slots = Slots(self._parts.partitions(epoch), partition)
        dedup = DedupState(slots, self._parts.segments, self._writer, self._settings.dedup)
        with self._database.snapshot() as conn:
            dedup.load(conn)
            rows = conn.execute(
                "SELECT lane, position FROM sink_position WHERE epoch = %s AND partition = %s", [epoch, partition]
            ).fetchall()
        owned = _Owned(lease_epoch, dedup, {Lane(lane): position for lane, position in rows})
        self._owned[epoch, partition] = owned
        _log.info("sink_partition_loaded", epoch=epoch, partition=partition, keys=len(dedup))
        return owned

    def _planned(self, effects: Effects, dedup: DedupState, ahead: Ahead | None) -> Plan:
        known_at, now = self._parts.clock.wall(), self._parts.clock.data()
        decisions = judge_decisions(effects.decisions, dedup)
        corrections = self._foreseen(effects.span, decisions.fresh)
        corrected = list(_taking_effect(effects, corrections))
        fixed = [group for group in corrected if isinstance(group, EventEffects)]
        events, runs = judge_events([*effects.events, *fixed], dedup)
        metrics = self._parts.metrics.current()
        deltas = self._changes(metrics, effects, events, ahead)
        usual, restated = (
            CellDeltas.joined(some) for some in (deltas[: len(effects.events)], deltas[len(effects.events) :])
        )
        timeline = [self._timeline(judged.fresh, now) for judged in events]
        for one in (usual, restated):
            prepare_cells(self._database, one, known_at)
        if metrics.gauges:
            ensure_partitions(self._database, "correction", [known_at.date()])
        ensure_partitions(self._database, "timeline", {day for rows in timeline for day in rows.days})
        return Plan(
            now=now,
            known_at=known_at,
            decisions=decisions,
            corrections=corrections,
            events=events,
            runs=[*decisions.runs, *runs],
            metrics=metrics,
            deltas=usual,
            corrected_deltas=restated,
            corrected_states=[group for group in corrected if isinstance(group, StateEffects)],
            timeline=timeline,
            beginning=self._begins(metrics),
        )

    def _begins(self, metrics: MetricSet) -> Sequence[Gauge]:
        """The gauges to be begun, in a transaction that nobody else merges beside. What takes longer is a job's."""
        if not metrics.gauges:
            return ()
        with self._database.autocommit() as conn:
            return brief_gauges(conn, list(metrics.gauges.values()))

    @staticmethod
    def _changes(
        metrics: MetricSet, effects: Effects, events: Sequence[JudgedEvents], ahead: Ahead | None
    ) -> list[CellDeltas]:
        """Changes of cells by each group without its repeats; those computed ahead where there were none."""
        known: list[CellDeltas | None] = [None] * len(events)
        if ahead is not None and ahead.metrics is metrics:
            for number, (judged, group) in enumerate(zip(events, effects.events, strict=False)):
                known[number] = ahead.deltas[number] if judged.fresh is group else None
        return [
            _deltas(metrics, judged.fresh) if deltas is None else deltas
            for judged, deltas in zip(events, known, strict=True)
        ]

    def _timeline(self, group: EventEffects, now: dt.datetime) -> TimelineRows:
        settings = self._settings
        since = now - settings.timeline_age
        return pack_timeline(
            group.rows,
            group.source,
            group.contract.stream,
            since=since,
            keep=settings.timeline_events,
            sealer=self._parts.sealer,
        )

    def _foreseen(self, span: Span, decisions: Sequence[DecisionEffect]) -> list[Correction]:
        """The decisions about quarantined records that can be applied, in order."""
        about = [
            (span.place(one.position, one.index), one, one.decision)
            for one in decisions
            if isinstance(one.decision, QuarantineDismissed | WaitEnded)
            or (isinstance(one.decision, QuarantineFixed) and one.good)
        ]
        if not about:
            return []
        with self._database.autocommit() as conn:
            terms = foresee_decisions(conn, [decision for _, _, decision in about])
        return [
            Correction(place, decision, effect.received_at, left)
            for (place, effect, decision), left in zip(about, terms, strict=True)
        ]

    def _write(self, conn: Connection, effects: Effects, plan: Plan, owned: _Owned) -> _Written:
        """The transaction."""
        span = effects.span
        begin_merge(conn, alone=plan.again)
        check_lease(conn, lease_name(span.epoch, span.partition, self._fold), owned.lease_epoch)
        self._parts.metrics.prove(conn, plan.metrics)
        self._advance(conn, span, owned, plan.known_at)
        self._apply_decisions(conn, span, plan)
        references = self._references.write(conn, effects.references, effects.received_at)
        run_ids = insert_runs(conn, plan.runs)
        merged, corrected = self._merge_states(conn, effects, plan)
        self._merge_cells(conn, plan, span)
        for rows in plan.timeline:
            write_timeline(conn, rows)
        write_quarantined(conn, span, effects.quarantined, effects.sealed)
        write_orphans(conn, span, effects.orphans)
        write_warnings(conn, span, effects.warnings)
        write_remedies(conn, span, effects.remedies)
        write_quality(conn, span, effects.quality)
        noticed, findings = self._findings.write(conn, span, effects.drift, plan.known_at)
        terms = terms_of(effects, plan, merged, corrected)
        write_terms(conn, span, terms)
        write_stream_clocks(conn, span, stream_times(effects, plan))
        concerned = merged.customers | corrected.customers
        touch_customers(conn, (plan.deltas, plan.corrected_deltas), concerned, plan.now, moved=merged.moved)
        commit = commit_of(effects, plan, merged)
        changes = [("ledger", change_of(span, terms)), *(("drift", one) for one in noticed)]
        append_all(conn, [(span.partition, kind, body) for kind, body in changes], plan.known_at)
        return _Written(commit, terms, run_ids, references, findings)

    def _advance(self, conn: Connection, span: Span, owned: _Owned, at: dt.datetime) -> None:
        """Move the position, if it is still where this sink left it."""
        moved = conn.execute(
            """
            INSERT INTO sink_position AS p (epoch, partition, lane, position, lease_epoch, committed_at)
            VALUES (%(epoch)s, %(partition)s, %(lane)s, %(last)s, %(lease_epoch)s, %(at)s)
            ON CONFLICT (epoch, partition, lane) DO UPDATE SET
                position = excluded.position, lease_epoch = excluded.lease_epoch, committed_at = excluded.committed_at
            WHERE p.position = %(known)s
            """,
            {
                "epoch": span.epoch,
                "partition": span.partition,
                "lane": int(span.lane),
                "last": span.last,
                "lease_epoch": owned.lease_epoch,
                "at": at,
                "known": owned.positions.get(span.lane, 0),
            },
        ).rowcount
        if not moved:
            raise FencedError(f"{span} does not follow the position, which another owner has moved.")
        if span.lane is Lane.BULK:
            write_turn(conn, span.epoch, span.partition, Turn(owned.positions.get(Lane.LIVE, 0), span.last))

    def _apply_decisions(self, conn: Connection, span: Span, plan: Plan) -> None:
        decided = [Decided(one.place, one.decision, one.at, one.changes) for one in plan.corrections]
        if not decide_quarantine(conn, decided):
            raise UnavailableError("Another partition decided about the same record.", retry_after=0.05)
        if self._parts.decisions is None:
            return
        for effect in plan.decisions.fresh:
            if not isinstance(effect.decision, QuarantineFixed | QuarantineDismissed | WaitEnded):
                place = span.place(effect.position, effect.index)
                self._parts.decisions.apply(conn, effect.decision, place, plan.known_at)

    def _merge_states(self, conn: Connection, effects: Effects, plan: Plan) -> tuple[Merged, Merged]:
        """Merge versions of entities, and move the gauges over them."""
        if plan.beginning:
            fill_at_once(conn, plan.beginning, self._entities.histories, plan.known_at)
        groups = [*effects.states, *plan.corrected_states]
        spoken = {group.contract.mapping.entity for group in groups}
        if not spoken:
            return Merged(), Merged()
        begun = begun_gauges(conn, plan.metrics.gauges.values())
        if begun.gone:
            forget_gauges(conn, begun.gone)
        watched = spoken & {gauge.entity for gauge, _ in begun.measured}
        merged, corrected = self._entities.merge(conn, effects.states, plan.corrected_states, watched=watched)
        if watched:
            moment = GaugeMoment(
                plan.known_at,
                plan.now,
                str(effects.span.place(0, 0)).removesuffix("-0-0") if self._fold == _LIVE else None,
                {(group.source, group.contract.stream): group.contract.grace for group in groups},
            )
            merged.moved = add_steps(conn, begun.measured, moment)
        return merged, corrected

    def _merge_cells(self, conn: Connection, plan: Plan, span: Span) -> None:
        for deltas, cause in ((plan.deltas, "late"), (plan.corrected_deltas, "decision")):
            merge_cells(
                conn,
                deltas,
                known_at=plan.known_at,
                data_now=plan.now,
                span=span,
                cause=cause if self._fold == _LIVE else None,
            )


def _deltas(metrics: MetricSet, group: EventEffects) -> CellDeltas:
    contract = group.contract
    return metrics.deltas(group.rows, group.source, contract.stream, contract.mapping.entity, grace=contract.grace)


def _taking_effect(effects: Effects, corrections: Sequence[Correction]) -> Iterator[EventEffects | StateEffects]:
    """What corrections come to that change what they are about."""
    taking = {
        one.place.position << 32 | one.place.index
        for one in corrections
        if one.changes and isinstance(one.decision, QuarantineFixed)
    }
    for group in effects.corrected:
        positions, indexes = (group.rows[name].to_pylist() for name in ("position", "index"))
        mask = [position << 32 | index in taking for position, index in zip(positions, indexes, strict=True)]
        if any(mask):
            yield dataclasses.replace(group, rows=group.rows.filter(pa.array(mask)))


def _count(effects: Effects, terms: Terms) -> None:
    """Publish what a commit did."""
    counters = {"accepted": RECORDS_ACCEPTED, "duplicate": RECORDS_DUPLICATE, "discarded": RECORDS_DISCARDED}
    for (source, stream, _, term), n in terms.items():
        if term in counters:
            counters[term].labels(source, stream).inc(n)
    for row in effects.set_aside("held").group_by(["source", "stream"]).aggregate([([], "count_all")]).to_pylist():
        RECORDS_HELD.labels(row["source"], row["stream"]).inc(row["count_all"])
    reasons = effects.set_aside("quarantined").group_by(["source", "stream", "reason"]).aggregate([([], "count_all")])
    for row in reasons.to_pylist():
        RECORDS_QUARANTINED.labels(row["source"], row["stream"], row["reason"]).inc(row["count_all"])
