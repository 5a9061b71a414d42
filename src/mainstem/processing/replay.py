"""Quarantined and held records through their contracts once more, and the decisions that follow.

A record is read again as the door would read it under the contract in force now; one that is released as it stood under the
contract that held it. Those that pass become decisions, through the log; the sink applies each once, under the day on which
the original was received.
"""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa

from mainstem.contracts import ANY_SOURCE, ROW_COUNT, Contract, Reason, check_parents
from mainstem.errors import ConfigurationError, MainstemError, NotFoundError
from mainstem.intake import CorrectedRecord, Decision, Decisions, Loads, QuarantineDismissed, QuarantineFixed, WaitEnded
from mainstem.model import ENVELOPE, HeldLoad
from mainstem.privacy import Hasher, References, Sealer
from mainstem.processing.embedded import Contracts, EmbeddedEngine
from mainstem.processing.orphans import Parents
from mainstem.processing.outcome import MOST_FAILING, Failing, Outcome, Stretch
from mainstem.processing.patching import members_of
from mainstem.processing.quarantine import QuarantinedRecord, open_record
from mainstem.processing.quarantine_reader import (
    OPEN,
    QuarantineEntry,
    QuarantineSelection,
    Verb,
    read_entry,
    read_page,
)
from mainstem.processing.rereading import as_it_was, read_again
from mainstem.processing.tables.claims import Claims
from mainstem.processing.trial import Trial
from mainstem.store import Database

__all__ = ["Author", "Quarantine", "QuarantineParts"]

_BATCH = 2000
# What is decided together is some times as much in memory, and one commit.
_BATCH_BYTES = 16 << 20
_NO_PLACE = (
    "The door finds no partition key in the payload: the keys that lead to it are there twice. Send them once, or the customer "
    "in the envelope."
)
_FIRST = uuid.UUID(int=0)
_SCHEMA = pa.schema(
    [
        *ENVELOPE,
        pa.field("position", pa.int64()),
        pa.field("index", pa.uint32()),
        pa.field("received_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class Author:
    """Who decides, and why."""

    by: str
    reason: str = ""
    order: tuple[uuid.UUID, int] | None = None
    """The order, and its turn, that it is decided for: that one counts what was."""


@dataclasses.dataclass(frozen=True, slots=True)
class QuarantineParts:
    """What deciding about quarantined records works with; the door behind `decisions` has to be started to decide."""

    database: Database
    contracts: Contracts
    references: References
    hasher: Hasher
    sealer: Sealer
    parents: Parents
    decisions: Decisions


@dataclasses.dataclass(frozen=True, slots=True)
class _Case:
    """A record, and how it reads now."""

    entry: QuarantineEntry
    row: Mapping[str, Any]
    """In `ENVELOPE` columns."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Word:
    """What is decided: by whom, in which states it is to find a record, and which checks hold nothing."""

    author: Author
    states: Sequence[str]
    released: tuple[str, ...] = ()
    unchanged: bool = True


class Quarantine:
    """See the module's text; for any thread."""

    def __init__(self, parts: QuarantineParts) -> None:
        self._parts = parts
        self._engine = self._engine_with(parts.contracts)
        self._claims = Claims(parts.database)
        self._loads = Loads(parts.database)

    def record(self, id_: uuid.UUID) -> tuple[QuarantineEntry, QuarantinedRecord]:
        """A record with its content. Raises NotFoundError, IntegrityError."""
        with self._parts.database.autocommit() as conn:
            entry = read_entry(conn, id_)
        return entry, open_record(self._parts.sealer, entry.place, entry.sealed)

    def sources_of(self, selection: QuarantineSelection) -> list[str]:
        """The sources of the records or the load that are named; unknown ones have none."""
        with self._parts.database.autocommit() as conn:
            rows = conn.execute(
                "SELECT DISTINCT source FROM quarantine WHERE id = ANY(%(ids)s) OR load = %(load)s"
                " UNION SELECT source FROM load WHERE id = %(load)s ORDER BY 1",
                {"ids": list(selection.ids), "load": selection.load},
            )
            return [source for (source,) in rows.fetchall()]

    def preview(
        self,
        selection: QuarantineSelection,
        contract: Contract | None = None,
        stretch: Stretch | None = None,
        *,
        progress: Callable[[int], object] = int,
    ) -> Outcome:
        """How many pass now and what is wrong with the others; `contract`: as if it were in force. Decides nothing.

        `progress` is told how many have been looked at. Raises ConfigurationError for a contract that refers to what cannot be
        referred to, UnavailableError.
        """
        contracts, engine = self._parts.contracts, self._engine
        if contract is not None:
            selection = self.tried_on(selection, contract)
            contracts = Trial(contracts, contract)
            engine = self._engine_with(contracts)
        selection = selection.meant_by("preview")
        outcome = self._begun(selection)
        told = _Told()
        for entries in self._pages(selection, stretch, outcome):
            cases = self._cases(entries, self._opened(entries), contracts)
            bad = told.add(cases, engine.failing(_table(cases)))
            outcome.matched += len(cases)
            outcome.passing += len(cases) - len(bad)
            progress(outcome.matched)
        told.tell(outcome)
        return outcome

    def tried_on(self, selection: QuarantineSelection, contract: Contract) -> QuarantineSelection:
        """The records of a selection that a contract is about. Raises ConfigurationError as `preview`."""
        trial = Trial(self._parts.contracts, contract)
        check_parents(contract, trial.active, f"{contract.source}.{contract.stream}")
        source = selection.source if contract.source == ANY_SOURCE else contract.source
        return dataclasses.replace(selection, source=source, stream=contract.stream)

    def replay(self, selection: QuarantineSelection, author: Author, stretch: Stretch | None = None) -> Outcome:
        """Decide as fixed, with content unchanged, whatever passes the contract in force; the rest stays.

        Raises StorageFullError or UnavailableError: what was decided until then holds, and repeating it is harmless.
        """
        selection = selection.meant_by("replay")
        outcome = self._begun(selection)
        told = _Told()
        for entries in self._pages(selection, stretch, outcome):
            cases = self._cases(entries, self._opened(entries), self._parts.contracts)
            outcome.matched += len(cases)
            self._let_pass(outcome, told, cases, _Word(author, OPEN))
        told.tell(outcome)
        return outcome

    def release(self, selection: QuarantineSelection, author: Author, stretch: Stretch | None = None) -> Outcome:
        """Have held records take effect as they stand: checked by the contract that held them, but for what held them.

        A load is released as a whole, past nothing but the number of its rows: what else holds some of them goes on to.
        Those that only `selection.ids` can mean because they are not held go through the contract in force, but for
        what would hold them. Raises as `replay`.
        """
        selection = selection.meant_by("release")
        self.note_word("release", selection, author)
        outcome = self._begun(selection)
        told = _Told()
        for page in self._pages(selection, stretch, outcome):
            entries = page if selection.load is None else [entry for entry in page if entry.held_by]
            cases = self._standing(entries, self._opened(entries))
            outcome.matched += len(cases)
            held = self._by_what_holds(cases) if selection.load is None else {(ROW_COUNT,): cases}
            for released, some in held.items():
                self._let_pass(outcome, told, some, _Word(author, selection.states, released))
        told.tell(outcome)
        return outcome

    def paths_of(self, entry: QuarantineEntry) -> Sequence[Sequence[str]]:
        """Where the field at fault may lie in the payload, each path a step an object key; none where no field is."""
        if entry.field is None:
            return ()
        with contextlib.suppress(NotFoundError):
            contract = self._parts.contracts.at(entry.source, entry.stream, entry.contract_version)
            if entry.field in contract.fields:
                return contract.fields[entry.field].paths
        return ((entry.field,), tuple(entry.field.split(".")))

    def owners_of(self, source: str, stream: str) -> Sequence[str]:
        """Whom the contract in force names as the stream's owners. Raises UnavailableError."""
        contract = self._parts.contracts.active(source, stream)
        return () if contract is None else contract.owners

    def try_fix(self, id_: uuid.UUID, payload: bytes, *, release: bool = False) -> Outcome:
        """Whether `fix` would have a record take effect, and what is wrong if not. Decides nothing. Raises as `fix`."""
        corrected = self._corrected(id_, payload, release=release)
        if corrected is None:
            return Outcome(settled=1)
        case, released, _ = corrected
        told, outcome = _Told(), Outcome(matched=1)
        outcome.passing = 1 - len(told.add([case], self._engine.failing(_table([case]), released)))
        told.tell(outcome)
        return outcome

    def fix(self, id_: uuid.UUID, payload: bytes, author: Author, *, release: bool = False) -> Outcome:
        """Have a record take effect with another payload, if that passes; else nothing is decided, and why is told.

        With `release` no check that holds stands in its way: somebody says that it is right now.

        Raises NotFoundError, RecordError for a payload that is no JSON object, StorageFullError or UnavailableError.
        """
        corrected = self._corrected(id_, payload, release=release)
        if corrected is None:
            return Outcome(settled=1)
        case, released, unchanged = corrected
        told, outcome = _Told(), Outcome(matched=1)
        self._let_pass(outcome, told, [case], _Word(author, (*OPEN, "dismissed"), released, unchanged=unchanged))
        told.tell(outcome)
        return outcome

    def _corrected(
        self, id_: uuid.UUID, payload: bytes, *, release: bool
    ) -> tuple[_Case, tuple[str, ...], bool] | None:
        """A record with another payload, the checks to pass over, and whether it is the same one; None: it is fixed already."""
        members_of(payload)
        entry, record = self.record(id_)
        if entry.state == "fixed":
            return None
        [case] = self._cases([entry], self._freed([entry], [record]), self._parts.contracts, [payload])
        [released] = self._by_what_holds([case]) if release else [()]
        return case, released, payload == record.payload

    def dismiss(self, selection: QuarantineSelection, author: Author, stretch: Stretch | None = None) -> Outcome:
        """Give records up, or a whole load that was not released: they stay counted, and can still be fixed.

        Raises as `replay`, and ConfigurationError for a load that was released.
        """
        selection = selection.meant_by("dismiss")
        self.note_word("dismiss", selection, author)
        outcome = self._begun(selection)
        for entries in self._pages(selection, stretch, outcome):
            outcome.matched += len(entries)
            records = zip(entries, self._opened(entries), strict=True)
            self._decide(
                outcome, {entry.id: _dismissed(entry, record, author) for entry, record in records}, _Word(author, OPEN)
            )
        return outcome

    def free_claims(self) -> None:
        """End the claims of decisions that are in effect. Raises StorageFullError or UnavailableError."""
        self._claims.free()

    def end_wait(self, ids: Sequence[uuid.UUID], author: Author) -> Outcome:
        """Have held records that waited long enough for what they refer to be quarantined. Raises as `replay`."""
        outcome = Outcome()
        for entries in self._pages(QuarantineSelection(ids=ids, states=("held",)), None, outcome):
            outcome.matched += len(entries)
            records = zip(entries, self._opened(entries), strict=True)
            late = {entry.id: _overdue(entry, record, author) for entry, record in records}
            self._decide(outcome, late, _Word(author, ("held",)))
        return outcome

    def note_word(self, verb: Verb, selection: QuarantineSelection, author: Author) -> None:
        """Note somebody's word where it is about a whole load, so that what is on its way follows.

        Raises NotFoundError, ConfigurationError for giving up a load that was released.
        """
        load = selection.load
        if load is None or verb == "replay":
            return
        decided: Literal["released", "dismissed"] = "released" if verb == "release" else "dismissed"
        state = self._loads.decide(load, decided, author.by, author.reason)
        if state is None:
            self._recall(load)
            state = self._loads.decide(load, decided, author.by, author.reason)
        if state == "released" and decided == "dismissed":
            raise ConfigurationError(
                f"The load {load} was released: some of it is in effect.",
                hint="What is left of it can be given up by source and stream, by reason or by ids.",
            )

    def _recall(self, load: uuid.UUID) -> None:
        """Of a load that was announced just before the database was lost only its records know. Raises NotFoundError."""
        every = QuarantineSelection(load=load, states=(*OPEN, "dismissed", "fixed"))
        with self._parts.database.autocommit() as conn:
            entries = read_page(conn, every, following=_FIRST, limit=1, most_bytes=_BATCH_BYTES)
        for entry in entries:
            held = HeldLoad.of(open_record(self._parts.sealer, entry.place, entry.sealed).origin)
            if held is not None:
                self._loads.recall(held, entry.source, entry.stream)
                return
        raise NotFoundError(f"No load {load} was held.", hint="List what is: mainstem quarantine list")

    def _begun(self, selection: QuarantineSelection) -> Outcome:
        """An outcome that knows which of the ids named are decided already. Raises NotFoundError for unknown ones."""
        if not selection.ids:
            return Outcome()
        with self._parts.database.autocommit() as conn:
            states = dict(
                conn.execute("SELECT id, state FROM quarantine WHERE id = ANY(%s)", [list(selection.ids)]).fetchall()
            )
        for id_ in selection.ids:
            if id_ not in states:
                raise NotFoundError(
                    f"No record {id_} is in quarantine.", hint="List them: mainstem quarantine list --records"
                )
        return Outcome(settled=sum(state not in selection.states for state in states.values()))

    def _pages(
        self, selection: QuarantineSelection, stretch: Stretch | None, outcome: Outcome
    ) -> Iterator[Sequence[QuarantineEntry]]:
        """By id, so that what is decided meanwhile moves nothing."""
        stretch = stretch or Stretch()
        last, left = stretch.following, stretch.most
        while left is None or left > 0:
            limit = _BATCH if left is None else min(_BATCH, left)
            with self._parts.database.autocommit() as conn:
                entries = read_page(conn, selection, following=last, limit=limit, most_bytes=_BATCH_BYTES)
            if not entries:
                return
            yield entries
            last = entries[-1].id
            left = None if left is None else left - len(entries)
        outcome.reached = last

    def _opened(self, entries: Sequence[QuarantineEntry]) -> list[QuarantinedRecord]:
        return self._freed(entries, [open_record(self._parts.sealer, entry.place, entry.sealed) for entry in entries])

    def _freed(
        self, entries: Sequence[QuarantineEntry], records: Sequence[QuarantinedRecord]
    ) -> list[QuarantinedRecord]:
        """The records; those of loads that were released meanwhile as of any load."""
        released = self._loads.released({entry.load for entry in entries if entry.load is not None})
        return [
            msgspec.structs.replace(record, origin="load") if entry.load in released else record
            for entry, record in zip(entries, records, strict=True)
        ]

    @staticmethod
    def _cases(
        entries: Sequence[QuarantineEntry],
        records: Sequence[QuarantinedRecord],
        contracts: Contracts,
        payloads: Sequence[bytes] | None = None,
    ) -> list[_Case]:
        """The records as they read now, in order, with their own payloads or corrected ones."""
        payloads = [record.payload for record in records] if payloads is None else payloads
        by_stream: dict[tuple[str, str], list[int]] = {}
        for number, entry in enumerate(entries):
            by_stream.setdefault((entry.source, entry.stream), []).append(number)
        cases: dict[int, _Case] = {}
        for numbers in by_stream.values():
            rows = read_again([records[n] for n in numbers], [payloads[n] for n in numbers], contracts)
            for number, row in zip(numbers, rows, strict=True):
                cases[number] = _Case(entries[number], row)
        return [cases[number] for number in range(len(entries))]

    def _standing(self, entries: Sequence[QuarantineEntry], records: Sequence[QuarantinedRecord]) -> list[_Case]:
        """Held records as they were received, others as they read now."""
        cases = []
        for entry, record in zip(entries, records, strict=True):
            if entry.held_by:
                cases.append(_Case(entry, as_it_was(record)))
            else:
                cases += self._cases([entry], [record], self._parts.contracts)
        return cases

    def _by_what_holds(self, cases: Sequence[_Case]) -> Mapping[tuple[str, ...], list[_Case]]:
        """The cases by the checks that hold them: those that they were held by as they stand, or would be now."""
        now = {row["position"]: row["held_by"] for row in self._engine.failing(_table(cases)).to_pylist()}
        grouped: defaultdict[tuple[str, ...], list[_Case]] = defaultdict(list)
        for number, case in enumerate(cases):
            grouped[tuple(now.get(number, ()))].append(case)
        return grouped

    def _let_pass(self, outcome: Outcome, told: _Told, cases: Sequence[_Case], word: _Word) -> None:
        """Decide that those cases take effect that pass; tell what the others fail."""
        bad = told.add(cases, self._engine.failing(_table(cases), word.released))
        good = [case for number, case in enumerate(cases) if number not in bad]
        outcome.passing += len(good)
        self._decide(outcome, {case.entry.id: _fixed(case, word) for case in good}, word)

    def _decide(self, outcome: Outcome, decisions: Mapping[uuid.UUID, Decision], word: _Word) -> None:
        """Make the decisions (by record), but for records that another one is on its way about, or has come first."""
        if not decisions:
            return
        claim = self._claims.take(list(decisions), word.states, word.author.order)
        mine = [decision for id_, decision in decisions.items() if id_ in claim.records]
        outcome.settled += len(claim.settled)
        outcome.underway += len(decisions) - len(mine) - len(claim.settled)
        if not mine:
            self._claims.drop(claim)
            return
        try:
            heads = self._parts.decisions.decide(*mine)
        except Exception:
            # A commit whose outcome nobody knows is looked into by the order, which counts.
            if word.author.order is None:
                with contextlib.suppress(MainstemError):
                    self._claims.drop(claim)
            raise
        self._claims.decided(claim, heads)
        outcome.heads += heads
        outcome.decided += len(mine)

    def _engine_with(self, contracts: Contracts) -> EmbeddedEngine:
        parts = self._parts
        return EmbeddedEngine(contracts, parts.references, parts.hasher, parts.sealer, parts.parents)


class _Told:
    """What is wrong, counted."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str | None, str | None, str]] = Counter()
        self._examples: dict[tuple[str, str, str, str | None, str | None, str], uuid.UUID] = {}

    def add(self, cases: Sequence[_Case], failing: pa.Table) -> set[int]:
        """Count defects; the numbers of the cases that have one."""
        bad = set()
        for row in failing.to_pylist():
            bad.add(row["position"])
            self._count(cases[row["position"]], row["reason"], row["field"], row["rule"], row["message"])
        for number, case in enumerate(cases):
            # What the checks can read and the door cannot has no place in the log.
            if number not in bad and not case.row["partition_key"]:
                bad.add(number)
                self._count(case, Reason.NO_PARTITION_KEY.value, None, None, _NO_PLACE)
        return bad

    def _count(self, case: _Case, reason: str, field: str | None, rule: str | None, message: str) -> None:
        cause = (case.entry.source, case.entry.stream, reason, field, rule, message)
        self._counts[cause] += 1
        self._examples.setdefault(cause, case.entry.id)

    def tell(self, outcome: Outcome) -> None:
        """Note all of it in an outcome."""
        most = self._counts.most_common(MOST_FAILING)
        outcome.failing = [Failing(*cause, count, self._examples[cause]) for cause, count in most]
        outcome.failed = self._counts.total()


def _table(cases: Sequence[_Case]) -> pa.Table:
    """For the engine, numbered in the column `position`."""
    rows = [
        {**case.row, "position": number, "index": 0, "received_at": case.entry.received_at}
        for number, case in enumerate(cases)
    ]
    return pa.Table.from_pylist(rows, _SCHEMA)


def _dismissed(entry: QuarantineEntry, record: QuarantinedRecord, author: Author) -> QuarantineDismissed:
    return QuarantineDismissed(**_about(entry, record, author), held=bool(entry.held_by))


def _overdue(entry: QuarantineEntry, record: QuarantinedRecord, author: Author) -> WaitEnded:
    return WaitEnded(**_about(entry, record, author))


def _about(entry: QuarantineEntry, record: QuarantinedRecord, author: Author) -> dict[str, Any]:
    return {
        "place": str(entry.place),
        "slot": record.slot,
        "source": entry.source,
        "stream": entry.stream,
        "received_at": entry.received_at,
        "reason": author.reason,
        "by": author.by,
    }


def _fixed(case: _Case, word: _Word) -> QuarantineFixed:
    row, entry = case.row, case.entry
    record = CorrectedRecord(
        source=entry.source,
        stream=entry.stream,
        op=row["op"],
        payload=msgspec.Raw(row["payload"]),
        received_at=entry.received_at,
        observed_at=row["observed_at"],
        contract_version=row["contract_version"],
        record_id=row["record_id"],
        key=row["key"],
        partition_key=row["partition_key"],
        occurred_at=row["occurred_at"],
    )
    return QuarantineFixed(
        place=str(entry.place),
        record=record,
        by=word.author.by,
        reason=word.author.reason,
        unchanged=word.unchanged,
        held=bool(entry.held_by),
        released=word.released,
    )
