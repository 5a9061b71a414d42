"""Counting what a checked batch says about the quality of its stream, as a by-product of the checks.

Nearly all records of nearly all batches are good and complete versions or events, of which a count of nulls a column tells
everything. The others (those that failed a check, patches, tombstones) are looked at field by field by an audit.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import FIELD_PREFIX, Audit, Audited, CheckPlan, Contract, DriftKind, RemedyEffect
from mainstem.model import EntityKind, FieldType, Lane, Op, sketch
from mainstem.quality.counts import StreamCounts
from mainstem.quality.distinct import no_values, sketched

__all__ = ["BatchCounts", "Refused", "Tally"]

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Registers = sketch.Registers

_DAY = 86_400_000_000
_EPOCH = dt.date(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)
# Places in `StreamCounts.record` and, the first four, in `StreamCounts.counts`.
_RECORDS, _MISSING, _INVALID, _INCONSISTENT, _TIMED, _LATE = range(6)
_ONCE = (_MISSING, _INVALID)


class BatchCounts:
    """Counts of one batch of one contract while they come together."""

    def __init__(self, contract: Contract) -> None:
        self._fields = tuple(contract.fields)
        self.record: defaultdict[dt.date, Counts] = defaultdict(lambda: np.zeros(6, np.int64))
        self.counts: defaultdict[dt.date, Counts] = defaultdict(lambda: np.zeros((4, len(self._fields)), np.int64))
        self.distinct: defaultdict[dt.date, Registers] = defaultdict(lambda: no_values(len(self._fields)))

    def of(self, source: str, stream: str, version: int) -> Iterator[StreamCounts]:
        """The counts by day, under the names the records came with."""
        for day in sorted(self.record):
            numbers = (self.record[day], self.counts[day], self.distinct[day])
            yield StreamCounts(source, stream, version, day, self._fields, *numbers)


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A record, by its number, whose `field` has no value that its entity needs, or one that no sum could hold."""

    row: int
    field: str | None
    missing: bool


@dataclasses.dataclass(slots=True)
class Tally:
    """Counts batches that a contract's plan has checked; for any thread. Different values are told apart by `seed`."""

    plan: CheckPlan
    seed: int
    _audit: Audit | None = None

    def count(
        self, connection: duckdb.DuckDBPyConnection, records: pa.Table, checked: pa.Table, lane: Lane
    ) -> BatchCounts:
        """Counts of a batch: `records` as given to the plan (`contracts.RECORDS`), `checked` all that it gave back.

        `connection` is as for `CheckPlan.run`, and so is what is raised.
        """
        contract = self.plan.contract
        counted = BatchCounts(contract)
        plain = self._plain(checked)
        if not plain.all():
            for found in self._audited(connection, records.filter(pa.array(~plain))):
                counted.record[found.day][:4] += found.record
                counted.counts[found.day] += found.fields
        for day, rows in _days(records["as_of"], plain):
            self._count_plain(counted, day, checked if rows is None else checked.filter(pa.array(rows)))
        self._sketch(counted, records["as_of"], checked)
        if contract.occurred_at is not None and lane is Lane.LIVE:
            # What is loaded in bulk is history, which nobody expected any sooner.
            self._count_late(counted, records["as_of"], checked["occurred_at"])
        return counted

    def refuse(
        self, counted: BatchCounts, received_at: pa.ChunkedArray, checked: pa.Table, refused: Sequence[Refused]
    ) -> None:
        """Count records that passed their checks and cannot be mapped. What `count` held against them counts once.

        `received_at` and `checked` are of the records that passed, by whose numbers `refused` names some.
        """
        if not refused:
            return
        wrong = self._let_through(checked)
        none = np.zeros(checked.num_rows, np.bool_)
        record = {
            kind: np.logical_or.reduce([none, *(m for (k, _), m in wrong.items() if k == kind)]) for kind in _ONCE
        }
        numbers = {name: number for number, name in enumerate(self.plan.contract.fields)}
        for one in refused:
            day = received_at[one.row].as_py().astimezone(dt.UTC).date()
            kind = _MISSING if one.missing else _INVALID
            counted.record[day][kind] += not record[kind][one.row]
            # That a value is missing, its null has told.
            if one.field is not None and not one.missing:
                counted.counts[day][kind, numbers[one.field]] += not wrong.get((kind, one.field), none)[one.row]

    def _let_through(self, checked: pa.Table) -> Mapping[tuple[int, str], Mask]:
        """By kind and field the rows that pass, and are counted as incomplete or invalid all the same."""
        wrong = self._warned(checked)
        for kind, field, mask in self.plan.marks(checked):
            key = _MISSING if kind is DriftKind.MISSING_FIELD else _INVALID, field
            wrong[key] = mask | wrong.get(key, False)
        return wrong

    def _plain(self, checked: pa.Table) -> Mask:
        """Which rows are good and say everything that a record of the stream can say."""
        plain = np.asarray(checked["reason"].is_null())
        if self.plan.contract.kind is EntityKind.STATE:
            plain = plain & np.asarray(pc.equal(checked["op"], Op.UPSERT.value))
        for _, _, let_through in self.plan.marks(checked):
            # Its policy says that the record takes effect all the same.
            plain = plain & ~let_through
        for _, failed in self.plan.holds(checked):
            plain = plain & ~failed
        return plain

    def _audited(self, connection: duckdb.DuckDBPyConnection, records: pa.Table) -> Iterator[Audited]:
        if self._audit is None:
            self._audit = Audit.compile(self.plan.contract)
        return self._audit.run(connection, records)

    def _count_plain(self, counted: BatchCounts, day: dt.date, checked: pa.Table) -> None:
        contract, rows = self.plan.contract, checked.num_rows
        record, counts = counted.record[day], counted.counts[day]
        nulls = np.array([checked[FIELD_PREFIX + name].null_count for name in contract.fields], np.int64)
        for name, made in self._remedied(checked, RemedyEffect.IMPUTED).items():
            # What was made up was missing.
            nulls[list(contract.fields).index(name)] += np.count_nonzero(made)
        needed = np.array([self._is_needed(name) for name in contract.fields], np.bool_)
        record[_RECORDS] += rows
        counts[_RECORDS] += np.where(needed, rows, rows - nulls)
        counts[_MISSING] += np.where(needed, nulls, 0)
        self._count_warned(record, counts, checked)

    def _sketch(self, counted: BatchCounts, received_at: pa.ChunkedArray, checked: pa.Table) -> None:
        """Of objects it is not counted how many differ."""
        places, names = [], []
        for place, field in enumerate(self.plan.contract.fields.values()):
            if field.type is not FieldType.OBJECT:
                places.append(place)
                names.append(FIELD_PREFIX + field.name)
        for day, rows in _days(received_at, np.ones(checked.num_rows, np.bool_)):
            held = checked if rows is None else checked.filter(pa.array(rows))
            counted.distinct[day][places] = sketched([held[name] for name in names], self.seed)

    def _count_warned(self, record: Counts, counts: Counts, checked: pa.Table) -> None:
        """What only warns lets a record through, and is wrong all the same."""
        numbers = {name: number for number, name in enumerate(self.plan.contract.fields)}
        rows: dict[int, Mask] = {}
        for (kind, name), mask in self._warned(checked).items():
            # Its nulls are counted.
            counts[kind, numbers[name]] += 0 if kind == _MISSING else np.count_nonzero(mask)
            rows[kind] = mask | rows.get(kind, False)
        for kind, mask in rows.items():
            record[kind] += np.count_nonzero(mask)

    def _warned(self, checked: pa.Table) -> dict[tuple[int, str], Mask]:
        """By kind and field the rows that something warns of; what asks for a value is about one that is missing.

        What is clipped or flagged is taken, and was wrong all the same.
        """
        beyond = self._remedied(checked, RemedyEffect.CLIPPED, RemedyEffect.FLAGGED)
        wrong = {(_INVALID, name): mask for name, mask in beyond.items()}
        for warned, failed in self.plan.failures(checked):
            for name in warned.uses:
                found = {_INCONSISTENT: failed}
                if len(warned.uses) == 1:
                    there = np.asarray(checked[FIELD_PREFIX + name].is_valid())
                    found = {_INVALID: failed & there} | ({_MISSING: failed & ~there} if self._is_needed(name) else {})
                for kind, mask in found.items():
                    wrong[kind, name] = mask | wrong.get((kind, name), False)
        return wrong

    def _remedied(self, checked: pa.Table, *effects: RemedyEffect) -> dict[str, Mask]:
        """By field the rows in which remedies of these effects did something."""
        found: dict[str, Mask] = {}
        for _, one, mask in self.plan.remedies(checked):
            if one.effect in effects:
                found[one.field] = mask | found.get(one.field, False)
        return found

    def _is_needed(self, name: str) -> bool:
        """Of several key fields none is needed beside the envelope's key."""
        contract = self.plan.contract
        return len(contract.key) < 2 or name not in contract.key

    def _count_late(self, counted: BatchCounts, received_at: pa.ChunkedArray, occurred_at: pa.ChunkedArray) -> None:
        contract = self.plan.contract
        bound = max(contract.grace, contract.freshness or contract.grace) // _MICROSECOND
        timed = np.asarray(occurred_at.is_valid())
        age = _micros(received_at) - _micros(occurred_at)
        for day, rows in _days(received_at, timed):
            held = timed if rows is None else rows
            counted.record[day][_TIMED] += np.count_nonzero(held)
            counted.record[day][_LATE] += np.count_nonzero((age > bound) & held)


def _micros(times: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    whole = pa.concat_arrays(times.chunks) if times.num_chunks != 1 else times.chunk(0)
    micros: npt.NDArray[np.int64] = whole.view(pa.int64()).fill_null(0).to_numpy()
    return micros


def _days(times: pa.ChunkedArray, where: Mask) -> Iterator[tuple[dt.date, Mask | None]]:
    """The UTC days of those times that the mask holds, with the rows of each; None where that is all rows."""
    if not where.any():
        return
    whole = bool(where.all())
    span = pc.min_max(times if whole else times.filter(pa.array(where)))
    first, last = (span[name].value // _DAY for name in ("min", "max"))
    if first == last:
        yield _EPOCH + dt.timedelta(days=first), None if whole else where
        return
    days = _micros(times) // _DAY
    for day in np.unique(days[where]).tolist():
        yield _EPOCH + dt.timedelta(days=day), (days == day) & where
