"""The embedded engine: DuckDB over Arrow micro-batches, in the worker's own process.

A span is cut into groups of one (source, stream, contract version). A group is parsed and checked by its contract's plan
and mapped to effects, all rows at once. When that fails for whatever reason the group is halved, and halved again, until
the record at fault stands alone and goes to quarantine.

Bounds against past and future are measured from `received_at`, which is part of the record, and never from now: a rebuild
a year later judges alike. (In a replay of history data time lies before wall time; what happened between the two is
accepted, because it did happen.)
"""

from __future__ import annotations

import dataclasses
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from mainstem.contracts import SURPLUS, CheckPlan, Contract, Reason
from mainstem.contracts.duck import connect
from mainstem.errors import FatalError, NotFoundError, RetryableError
from mainstem.intake import CorrectedRecord, Decision, QuarantineFixed, decode_decision
from mainstem.model import DECISIONS_STREAM, ENVELOPE, MAINSTEM_SOURCE, EntityKind, HeldLoad, Lane, LogBatch, Span
from mainstem.privacy import Hasher, References, Sealer
from mainstem.processing.aside import Told, set_aside, sort_rows, told, waiting
from mainstem.processing.drift.discarding import discards_of
from mainstem.processing.drift.effects import DISCARDED
from mainstem.processing.drift.watching import Checked, DriftWatch, Seen, drift_effects
from mainstem.processing.effects import (
    QUARANTINE_EFFECTS,
    REFERENCES,
    REMEDY_EFFECTS,
    SEALED,
    WARNING_EFFECTS,
    DecisionEffect,
    Effects,
    EventEffects,
    StateEffects,
)
from mainstem.processing.failures import described
from mainstem.processing.orphans import ORPHANS, Orphans, Parents, find_orphans
from mainstem.processing.quarantine import seal_record
from mainstem.processing.shaping import Shaped, shape_events, shape_states
from mainstem.processing.verdicts import count_days
from mainstem.quality import Refused, StreamCounts, Tally, seed_of

__all__ = ["Contracts", "EmbeddedEngine"]

_log = structlog.get_logger()

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_PLACED = pa.schema(
    [
        *ENVELOPE,
        pa.field("position", pa.int64()),
        pa.field("index", pa.uint32()),
        pa.field("received_at", _TIMESTAMP),
    ]
)
_DECISIONS = (MAINSTEM_SOURCE, DECISIONS_STREAM)


class Contracts(Protocol):
    """What the engine asks of `contracts.Registry`."""

    def active(self, source: str, stream: str) -> Contract | None:
        """The contract in force."""
        ...

    def at(self, source: str, stream: str, version: int) -> Contract:
        """The contract of a version, whether in force or not. Raises NotFoundError."""
        ...


@dataclasses.dataclass(slots=True)
class _Parts:
    """The effects of a span while they come together."""

    span: Span
    events: list[EventEffects] = dataclasses.field(default_factory=list)
    states: list[StateEffects] = dataclasses.field(default_factory=list)
    decisions: list[DecisionEffect] = dataclasses.field(default_factory=list)
    corrected: list[EventEffects | StateEffects] = dataclasses.field(default_factory=list)
    quarantined: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    orphans: list[pa.Table] = dataclasses.field(default_factory=list)
    sealed: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    references: list[pa.Table] = dataclasses.field(default_factory=list)
    warnings: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    remedies: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    quality: list[StreamCounts] = dataclasses.field(default_factory=list)
    discarded: list[pa.Table] = dataclasses.field(default_factory=list)
    drift: list[Seen] = dataclasses.field(default_factory=list)
    tried: bool = False
    """Nothing comes of it by itself: drift is not looked for, and nothing is discarded but kept where it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """Records of one contract version, with their places."""

    source: str
    stream: str
    version: int
    records: pa.Table
    released: frozenset[str] = frozenset()
    """The checks that do not hold them: somebody released them."""
    waits: bool = True
    """Whether they wait for what they refer to; not so what was decided about."""


class EmbeddedEngine:
    """See the module's text. Safe to share between threads, each of which gets a DuckDB of its own."""

    def __init__(
        self, contracts: Contracts, references: References, hasher: Hasher, sealer: Sealer, parents: Parents
    ) -> None:
        self._contracts = contracts
        self._parents = parents
        self._references = references
        self._hasher = hasher
        self._sealer = sealer
        self._watch = DriftWatch()
        self._seed = seed_of(hasher)
        self._tallies: dict[tuple[str, str, int], Tally] = {}
        self._local = threading.local()

    def process(self, batches: Sequence[LogBatch], *, condemned: Collection[tuple[int, int]] = ()) -> Effects:
        first, last = batches[0], batches[-1]
        parts = _Parts(Span(first.epoch, first.partition, first.lane, first.position, last.position))
        records = _records(batches)
        if condemned:
            spared = _spared(records, condemned)
            for group in _groups(records.filter(pa.array(~spared))):
                each = [told(Reason.UNPROCESSABLE, None)] * group.records.num_rows
                self._set_aside(parts, group, range(len(each)), each)
            records = records.filter(pa.array(spared))
        for group in _groups(records):
            effect = self._decide if (group.source, group.stream) == _DECISIONS else self._check
            self._halving(parts, group, effect)
        return Effects(
            span=parts.span,
            events=tuple(parts.events),
            states=tuple(parts.states),
            decisions=tuple(parts.decisions),
            corrected=tuple(parts.corrected),
            quarantined=pa.Table.from_pylist(parts.quarantined, QUARANTINE_EFFECTS),
            sealed=pa.Table.from_pylist(parts.sealed, SEALED),
            orphans=pa.concat_tables([ORPHANS.empty_table(), *parts.orphans]),
            references=_distinct(parts.references),
            received_at=last.received_at,
            records=sum(batch.records.num_rows for batch in batches),
            warnings=pa.Table.from_pylist(parts.warnings, WARNING_EFFECTS),
            remedies=pa.Table.from_pylist(parts.remedies, REMEDY_EFFECTS),
            quality=tuple(parts.quality),
            discarded=pa.concat_tables([DISCARDED.empty_table(), *parts.discarded]),
            drift=drift_effects(parts.drift),
        )

    def failing(self, records: pa.Table, released: Collection[str] = ()) -> pa.Table:
        """Those that do not pass their contract, in `QUARANTINE_EFFECTS` columns; nothing comes of it.

        `records` has `ENVELOPE` columns and `position`, `index` and `received_at`, by which the answer names them. The
        checks named in `released` hold none of them.
        """
        parts = self._checked(Span(0, 0, Lane.LIVE, 0, 0), records, frozenset(released), waits=True)
        return pa.Table.from_pylist(parts.quarantined, QUARANTINE_EFFECTS)

    def tried(self, records: pa.Table) -> tuple[Sequence[StateEffects], pa.Table]:
        """What records of entities come to, and those that do not pass their contract; nothing comes of it. As `failing`."""
        parts = self._checked(Span(0, 0, Lane.LIVE, 0, 0), records, frozenset(), waits=False)
        return parts.states, pa.Table.from_pylist(parts.quarantined, QUARANTINE_EFFECTS)

    def _checked(self, span: Span, records: pa.Table, released: frozenset[str], *, waits: bool) -> _Parts:
        """What records of no decision come to."""
        parts = _Parts(span, tried=True)
        for group in _groups(records):
            self._halving(parts, dataclasses.replace(group, released=released, waits=waits), self._check)
        return parts

    def _halving(self, parts: _Parts, group: _Group, effect: Callable[[_Parts, _Group], None]) -> None:
        """Apply `effect` to a group; what makes it fail ends up alone in quarantine."""
        done = _Parts(parts.span, tried=parts.tried)
        try:
            effect(done, group)
        except (RetryableError, FatalError):
            # A store that cannot be reached and a broken installation are not the record's fault.
            raise
        except Exception as error:  # noqa: BLE001 - whatever a record does to us, its neighbours are not at fault
            # A DuckDB that met an internal error answers nothing any more.
            self._local.connection = None
            if group.records.num_rows == 1:
                _log.error("engine_record_failed", source=group.source, stream=group.stream, **described(error))
                message = f"{Reason.UNPROCESSABLE.message()} ({type(error).__name__})"
                self._set_aside(parts, group, [0], [Told(Reason.UNPROCESSABLE, None, message)])
                return
            middle = group.records.num_rows // 2
            for half in (group.records.slice(0, middle), group.records.slice(middle)):
                self._halving(parts, dataclasses.replace(group, records=half), effect)
            return
        for one in dataclasses.fields(_Parts):
            if isinstance(getattr(parts, one.name), list):
                getattr(parts, one.name).extend(getattr(done, one.name))

    def _check(self, parts: _Parts, group: _Group) -> None:
        """Check and map the records of one contract."""
        contract = self._contract(group)
        if contract is None:
            rows = range(group.records.num_rows)
            self._set_aside(parts, group, rows, [told(Reason.NO_CONTRACT, None)] * len(rows))
            return
        records = group.records
        tally = self._tally(contract, group)
        plan, asked = tally.plan, _plan_input(records)
        checked = plan.run(self._connection(), asked)
        counted = tally.count(self._connection(), asked, checked, parts.span.lane)
        orphans = self._orphans(parts.span, group, contract, checked)
        by_fate = sort_rows(plan, checked, records["origin"], group.released, orphans, discards=not parts.tried)
        parts.orphans += waiting(orphans, by_fate, records)
        seen = Seen()
        if not parts.tried:
            seen = self._watch.look(Checked(group.source, plan, records, checked, by_fate.discarded))
        parts.drift.append(seen)
        checked = checked.drop_columns([SURPLUS])
        if not by_fate.good.all():
            if by_fate.discarded.any():
                gone = records.filter(pa.array(by_fate.discarded))
                parts.discarded.append(discards_of(group.source, group.stream, gone))
            if (by_fate.wrong | by_fate.held).any():
                self._set_aside(parts, group, *set_aside(plan, checked, by_fate, seen.undeclared))
            good = pa.array(by_fate.good)
            checked, records = checked.filter(good), records.filter(good)
        if not records.num_rows:
            parts.quality += counted.of(group.source, group.stream, group.version)
            return
        shaped = self._shape(plan, group.source, records, checked)
        parts.warnings += _warnings(plan, group, records, checked, shaped)
        parts.remedies += _remedies(plan, group, records, checked, shaped)
        if shaped.defects:
            found = [told(defect.reason, defect.field) for defect in shaped.defects]
            rest = dataclasses.replace(group, records=records)
            self._set_aside(parts, rest, [defect.row for defect in shaped.defects], found)
            refused = [Refused(one.row, one.field, one.reason is Reason.MISSING) for one in shaped.defects]
            tally.refuse(counted, records["received_at"], checked, refused)
        parts.quality += counted.of(group.source, group.stream, group.version)
        parts.references.extend(shaped.references)
        if contract.kind is EntityKind.EVENT:
            parts.events.append(EventEffects(contract, group.source, shaped.rows))
        else:
            parts.states.append(StateEffects(contract, group.source, shaped.rows))

    def _orphans(self, span: Span, group: _Group, contract: Contract, checked: pa.Table) -> list[Orphans]:
        if not group.waits:
            return []
        keys = (self._references, self._parents)
        return find_orphans(contract, self._contracts.active, keys, (group.source, span, group.records, checked))

    def _shape(self, plan: CheckPlan, source: str, records: pa.Table, checked: pa.Table) -> Shaped:
        keys = (self._references, self._hasher, self._connection())
        shape = shape_events if plan.contract.kind is EntityKind.EVENT else shape_states
        return shape(plan, source, records, checked, keys)

    def _decide(self, parts: _Parts, group: _Group) -> None:
        """Read decisions; corrections are checked and mapped together, as the records they stand for."""
        decided: list[tuple[dict[str, Any], Decision]] = []
        for index, row in enumerate(group.records.to_pylist()):
            try:
                decided.append((row, decode_decision(row["payload"])))
            except msgspec.MsgspecError:
                self._set_aside(parts, group, [index], [told(Reason.UNPROCESSABLE, None)])
        good = self._correct(parts, decided)
        for row, decision in decided:
            identity = row["record_id"]
            parts.decisions.append(
                DecisionEffect(
                    position=row["position"],
                    index=row["index"],
                    received_at=row["received_at"],
                    record_hash=identity and self._hasher.digest(b"decision", [row["slot"], identity]),
                    decision=decision,
                    good=(row["position"], row["index"]) in good,
                )
            )

    def _correct(self, parts: _Parts, decided: Sequence[tuple[dict[str, Any], Decision]]) -> set[tuple[int, int]]:
        """Add what corrections come to, at their decisions' places; the places of those that are good."""
        released: defaultdict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
        for row, decision in decided:
            if isinstance(decision, QuarantineFixed):
                record = _as_record(decision.record, self._version(decision.record), row)
                released[frozenset(decision.released)].append(record)
        corrected: list[EventEffects | StateEffects] = []
        for names, rows in released.items():
            alone = self._checked(parts.span, pa.Table.from_pylist(rows, _PLACED), names, waits=False)
            parts.references.extend(alone.references)
            groups: list[EventEffects | StateEffects] = [*alone.events, *alone.states]
            corrected += [group for group in groups if group.rows.num_rows]
        parts.corrected.extend(corrected)
        return {
            place
            for group in corrected
            for place in zip(group.rows["position"].to_pylist(), group.rows["index"].to_pylist(), strict=True)
        }

    def _version(self, record: CorrectedRecord) -> int:
        """The contract version a correction is checked by."""
        if record.contract_version:
            return record.contract_version
        contract = self._contracts.active(record.source, record.stream)
        return contract.version if contract else 0

    def _set_aside(self, parts: _Parts, group: _Group, rows: Sequence[int], each: Sequence[Told]) -> None:
        """Keep rows of a group in quarantine or held, each with its reason, field and message."""
        span = parts.span
        contract = self._contract(group)
        of_customer = contract is not None and contract.mapping.attributes.get("customer_id") == contract.partition_key
        for row, one in zip(group.records.take(list(rows)).to_pylist(), each, strict=True):
            place = span.place(row["position"], row["index"])
            key = row["partition_key"]
            parts.quarantined.append(
                {
                    **{name: row[name] for name in ("position", "index", "received_at", "slot", "contract_version")},
                    "source": group.source,
                    "stream": group.stream,
                    "reason": one.reason.value,
                    "field": one.field,
                    "message": one.message,
                    "rule": one.rule,
                    "held_by": list(one.held_by),
                    "load": None if (load := HeldLoad.of(row["origin"])) is None else load.id.bytes,
                    "customer": self._references.ref(group.source, "customer", key) if of_customer and key else None,
                }
            )
            sealed = seal_record(self._sealer, place, row)
            parts.sealed.append({"position": row["position"], "index": row["index"], "sealed": sealed})

    def _contract(self, group: _Group) -> Contract | None:
        if not group.version:
            return None
        try:
            return self._contracts.at(group.source, group.stream, group.version)
        except NotFoundError:
            return None

    def _tally(self, contract: Contract, group: _Group) -> Tally:
        key = (group.source, group.stream, group.version)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(CheckPlan.compile(contract), self._seed)
        return tally

    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect()
        return connection


def _warnings(
    plan: CheckPlan, group: _Group, records: pa.Table, checked: pa.Table, shaped: Shaped
) -> Iterator[dict[str, Any]]:
    """How many of the rows that go on fail what only warns, by received day."""
    for warned, failed in plan.failures(checked):
        for counted in _going_on(group, records, failed, shaped):
            yield {"rule": warned.rule, "field": warned.field, **counted}


def _remedies(
    plan: CheckPlan, group: _Group, records: pa.Table, checked: pa.Table, shaped: Shaped
) -> Iterator[dict[str, Any]]:
    """Of how many of the rows that go on each remedy changed or marked a value, by received day."""
    for _, one, done in plan.remedies(checked):
        for counted in _going_on(group, records, done, shaped):
            yield {"field": one.field, "remedy": one.remedy, **counted}


def _going_on(
    group: _Group, records: pa.Table, rows: npt.NDArray[np.bool_], shaped: Shaped
) -> Iterator[dict[str, Any]]:
    """How many of some rows could be mapped, by received day."""
    counted = rows.copy()
    counted[[defect.row for defect in shaped.defects]] = False
    for day, n in count_days(records["received_at"], counted).items():
        yield {"source": group.source, "stream": group.stream, "day": day, "n": n}


def _records(batches: Sequence[LogBatch]) -> pa.Table:
    """All records of the batches, with their places."""
    counts = [batch.records.num_rows for batch in batches]
    rows = np.concatenate([np.arange(count, dtype=np.uint32) for count in counts])
    received = pa.array([batch.received_at for batch in batches], _TIMESTAMP)
    table = pa.Table.from_batches([batch.records for batch in batches], ENVELOPE).combine_chunks()
    table = table.append_column("position", pa.array(np.repeat([batch.position for batch in batches], counts)))
    table = table.append_column("index", pa.array(rows))
    return table.append_column("received_at", received.take(pa.array(np.repeat(np.arange(len(batches)), counts))))


def _groups(records: pa.Table) -> Iterator[_Group]:
    """Records by source, stream and contract version, in the order in which each first occurs."""
    source, stream = (records[name].combine_chunks().dictionary_encode() for name in ("source", "stream"))
    versions = records["contract_version"].to_numpy()
    streams = len(stream.dictionary)
    codes = source.indices.to_numpy().astype(np.int64) * streams + stream.indices.to_numpy()
    codes = (codes << 32) | versions
    distinct, firsts = np.unique(codes, return_index=True)
    for code in distinct[np.argsort(firsts)].tolist():
        rows = records if len(distinct) == 1 else records.filter(pa.array(codes == code))
        pair = code >> 32
        yield _Group(
            source.dictionary[pair // streams].as_py(),
            stream.dictionary[pair % streams].as_py(),
            code & 0xFFFFFFFF,
            rows,
        )


def _spared(records: pa.Table, condemned: Collection[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which records are not condemned."""
    places = records["position"].to_numpy() << 32 | records["index"].to_numpy().astype(np.int64)
    return ~np.isin(places, np.array([position << 32 | index for position, index in condemned], np.int64))


def _plan_input(records: pa.Table) -> pa.Table:
    table = records.select(["payload", "record_id", "key", "partition_key", "op", "occurred_at"])
    table = table.append_column("n", pa.array(np.arange(records.num_rows)))
    return table.append_column("as_of", records["received_at"])


def _as_record(record: CorrectedRecord, version: int, decision: dict[str, Any]) -> dict[str, Any]:
    """A corrected record as the log would have held it: at the decision's place, received when the original was."""
    return {
        **decision,
        "source": record.source,
        "stream": record.stream,
        "contract_version": version,
        "record_id": record.record_id,
        "key": record.key,
        "partition_key": record.partition_key,
        "op": record.op,
        "occurred_at": record.occurred_at,
        "observed_at": record.observed_at,
        "payload": bytes(record.payload),
        "received_at": record.received_at,
    }


def _distinct(tables: Sequence[pa.Table]) -> pa.Table:
    """References once each; of several spellings the first."""
    if not tables:
        return REFERENCES.empty_table()
    whole = pa.concat_tables(tables)
    first = whole.append_column("row", pa.array(np.arange(whole.num_rows))).group_by("ref").aggregate([("row", "min")])
    return whole.take(np.sort(first["row_min"].to_numpy()))
