"""The check plan: a contract compiled to one DuckDB query that parses, types and checks a batch of records.

The plan is a pure function of the contract, and its result one of the rows: the same rows give the same values and the
same defects on every machine and in every repetition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.contracts._bench import Bench
from mainstem.contracts._query import (
    FIELD_PREFIX,
    HOLDING_PREFIX,
    MARKED_PREFIX,
    ORIGINAL_PREFIX,
    REMEDIED_PREFIX,
    SURPLUS,
    WARNED_PREFIX,
    Check,
    Defect,
    Query,
)
from mainstem.contracts._screen import SCREENED, screen
from mainstem.contracts._standardisers import Function
from mainstem.contracts.contract import Contract
from mainstem.contracts.duck import connect
from mainstem.contracts.policy import DriftKind, Policy
from mainstem.contracts.reasons import Reason
from mainstem.contracts.remedy import Remedied
from mainstem.errors import ConfigurationError
from mainstem.model import EntityKind, FieldType

__all__ = [
    "CHECKED",
    "FIELD_PREFIX",
    "ORIGINAL_PREFIX",
    "RECORDS",
    "REMEDIED_PREFIX",
    "SURPLUS",
    "Check",
    "CheckPlan",
    "bench_columns",
]

# Every record that is held keeps the words, and the names of all that hold it.
_MOST_TOLD = 5
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_NAIVE = pa.timestamp("us")

RECORDS = pa.schema(
    [
        # Any number of the caller's.
        pa.field("n", pa.int64(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
        # Data time when the record was received: the bounds against past and future are measured from it.
        pa.field("as_of", _TIMESTAMP, nullable=False),
        # Of the envelope (`model.ENVELOPE`); a value here wins over the payload's.
        pa.field("record_id", pa.string()),
        pa.field("key", pa.string()),
        pa.field("partition_key", pa.string()),
        pa.field("op", pa.string(), nullable=False),
        pa.field("occurred_at", _TIMESTAMP),
    ]
)
"""Columns that `CheckPlan.run` reads, a row a record."""

CHECKED = pa.schema(
    [
        pa.field("n", pa.int64()),
        # A `Reason`, null for a good record, and the field at fault, null where it is the whole record.
        pa.field("reason", pa.string()),
        pa.field("field", pa.string()),
        # The rule that is broken, or the limit (`<field>.<word>`).
        pa.field("rule", pa.string()),
        # Resolved: the envelope's value, else the payload's.
        pa.field("record_id", pa.string()),
        pa.field("key", pa.string()),
        pa.field("partition_key", pa.string()),
        pa.field("occurred_at", _TIMESTAMP),
        pa.field("op", pa.string()),
        # The vendor's version as text that orders like it; '' when there is none.
        pa.field("version", pa.string()),
    ]
)
"""The first columns of what `CheckPlan.run` gives back; one for each declared field follows, in order, one for each limit
or rule that only warns, one for each that holds, one for each kind of drift that lets records through, and `SURPLUS`."""

_ARROW_TYPES = {
    FieldType.STRING: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.NUMBER: pa.decimal128(38, 9),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.TIMESTAMP: _TIMESTAMP,
    FieldType.DATE: pa.date32(),
    FieldType.OBJECT: pa.string(),
}


@dataclasses.dataclass(frozen=True, slots=True)
class CheckPlan:
    """A contract's compiled checks; immutable, for any thread."""

    contract: Contract
    schema: pa.Schema
    """Of the result: `CHECKED`, then `f_<name>` for every declared field, `o_<name>` for every one with remedies, its value
    before them, `r_<n>` for every one of `remedied`, `w_<n>` for every one of `warned`, `h_<n>` for
    every one of `holding`, `x_<n>` for every one of `marked`, and `SURPLUS`: the keys of the top level that are not declared, null or none."""
    sql: str
    """Over a table `records`, whose payloads `run` has made sure are JSON objects."""
    defects: tuple[Defect, ...]
    """What the query's defect numbers stand for."""
    warned: tuple[Check, ...]
    """What only warns."""
    holding: tuple[Check, ...]
    """What holds a record that has no defect."""
    marked: tuple[tuple[DriftKind, str], ...]
    """Drift of a field that lets records through: with a value that is not among the allowed ones, or without it."""
    remedied: tuple[Remedied, ...] = ()
    """What is done to values before they are checked."""
    functions: Mapping[str, Function] = dataclasses.field(default_factory=dict)
    """What `sql` calls, by name."""

    @classmethod
    def compile(cls, contract: Contract) -> CheckPlan:
        """The plan of a contract."""
        query = Query(contract)
        fields = [pa.field(FIELD_PREFIX + field.name, _ARROW_TYPES[field.type]) for field in contract.fields.values()]
        fields += [
            pa.field(ORIGINAL_PREFIX + field.name, _ARROW_TYPES[field.type])
            for field in contract.fields.values()
            if field.remedies
        ]
        fields += [pa.field(f"{REMEDIED_PREFIX}{number}", pa.bool_()) for number in range(len(query.remedied))]
        fields += [pa.field(f"{WARNED_PREFIX}{number}", pa.bool_()) for number in range(len(query.warned))]
        fields += [pa.field(f"{HOLDING_PREFIX}{number}", pa.bool_()) for number in range(len(query.holding))]
        fields += [pa.field(f"{MARKED_PREFIX}{number}", pa.bool_()) for number in range(len(query.marked))]
        fields.append(pa.field(SURPLUS, pa.list_(pa.string())))
        defects = (*query.defects, *((reason, None, None) for reason in SCREENED))
        return cls(
            contract=contract,
            schema=pa.schema([*CHECKED, *fields]),
            sql=query.sql,
            defects=defects,
            warned=tuple(query.warned),
            holding=tuple(query.holding),
            marked=tuple(query.marked),
            remedied=tuple(query.remedied),
            functions=query.functions,
        )

    def prove(self, where: str) -> None:
        """Run the plan over no record. Raises ConfigurationError, naming `where`, for one that DuckDB does not take."""
        with connect() as connection:
            try:
                self.run(connection, RECORDS.empty_table())
            except duckdb.Error as error:
                reason = str(error).split("\n", 1)[0]
                raise ConfigurationError(
                    f"DuckDB does not take the contract's checks. {reason}",
                    where=where,
                    hint="Take away or split the rule, limit or field that it names.",
                ) from None

    def failures(self, checked: pa.Table) -> Iterator[tuple[Check, npt.NDArray[np.bool_]]]:
        """Of a result of `run`: each limit or rule that warns of some row, and of which."""
        return _failing(checked, self.warned, WARNED_PREFIX)

    def holds(self, checked: pa.Table) -> Iterator[tuple[Check, npt.NDArray[np.bool_]]]:
        """Of a result of `run`: each limit or rule that holds some row, and which; also rows that have a defect."""
        return _failing(checked, self.holding, HOLDING_PREFIX)

    def remedies(self, checked: pa.Table) -> Iterator[tuple[int, Remedied, npt.NDArray[np.bool_]]]:
        """Of a result of `run`: each remedy that did something, by its number, and to which rows; also of bad ones."""
        for number, remedied in enumerate(self.remedied):
            done = np.asarray(_whole(checked[f"{REMEDIED_PREFIX}{number}"]))
            if done.any():
                yield number, remedied, done

    def marks(self, checked: pa.Table) -> Iterator[tuple[DriftKind, str, npt.NDArray[np.bool_]]]:
        """Of a result of `run`: each kind of drift, and its field, that lets some row through, and which."""
        for number, (kind, field) in enumerate(self.marked):
            found = np.asarray(_whole(checked[f"{MARKED_PREFIX}{number}"]))
            if found.any():
                yield kind, field, found

    @property
    def may_discard(self) -> bool:
        """Whether any policy of the contract discards records."""
        every = (self.contract.policies, *(field.policies for field in self.contract.fields.values()))
        return any(Policy.DISCARD_ROW in dataclasses.astuple(one) for one in every)

    def discards(self, reason: Reason, field: str | None) -> bool:
        """Whether the contract says that a record with this defect is discarded."""
        policies = self.contract.policies if field is None else self.contract.fields[field].policies
        return policies.about(reason) is Policy.DISCARD_ROW

    def told(self, reason: Reason, field: str | None, rule: str | None) -> str:
        """What is wrong with a record and what to do, with the words of the rule or limit."""
        if rule is not None:
            what = "limit" if reason == Reason.OUTSIDE_LIMITS else "rule"
            return f"{self._broken(rule, field)} Correct the record, or change the {what}."
        pattern = None if field is None else self.contract.fields[field].form.time_format
        if reason is Reason.INVALID_TIME and pattern is not None:
            return f"Field {field!r} holds no time of the form {pattern}. Send that form, or change the contract's."
        return reason.message(field)

    def told_held(self, checks: Sequence[Check]) -> str:
        """Why a record is held that fails these checks, and what to do."""
        broken = " ".join(self._broken(check.rule, check.field) for check in checks[:_MOST_TOLD])
        more = len(checks) - _MOST_TOLD
        others = f" {more} other {'check holds' if more == 1 else 'checks hold'} it too." if more > 0 else ""
        return f"{broken}{others} Release the record if it is right; else fix or dismiss it."

    def _broken(self, rule: str, field: str | None) -> str:
        """The words of a rule or limit that a record breaks."""
        known = next((one for one in self.contract.rules if one.name == rule), None)
        if known is not None:
            return f"Rule {rule!r} does not hold: {known.description.rstrip('.') or known.expression}."
        about = None if field is None else self.contract.fields[field]
        if about is not None and about.parent is not None and rule == about.foreign_key:
            return f"Field {field!r} names none of {about.parent.stream} that is known: the record waits for it."
        limits = () if about is None else about.limits
        limit = next(one for one in limits if rule == f"{field}.{one.word}")
        return f"Field {field!r} is outside its limits: {limit.word} is {limit.value}."

    def run(self, connection: duckdb.DuckDBPyConnection, records: pa.Table) -> pa.Table:
        """The records (columns of `RECORDS`, others are ignored) typed and checked, in `schema`, in the order given.

        A record with a `reason` must not be used further; its values are what could be read. OBJECT fields are JSON
        text without white space, numbers are rounded to nine places, times to whole microseconds (down).

        `connection` comes from `duck.connect` and is this thread's alone; the plan keeps its prepared query on it.
        Raises duckdb.Error for rows that DuckDB cannot process for a reason unknown here: halve them.
        """
        payload, screened = screen(_whole(records["payload"]))
        read = Bench.of(connection).run(self.sql, bench_columns(payload, records), self.functions)
        named = dict(zip(("reason", "field", "rule"), self._named(_whole(read["defect"]), screened), strict=True))
        columns = {"n": records["n"], **named, **self._resolved(records, read)}
        columns.update((name, read[name]) for name in self.schema.names[len(CHECKED) :])
        return pa.table(columns).cast(self.schema)

    def _named(self, numbers: pa.Array, screened: Mapping[int, Reason]) -> list[pa.Array]:
        """Reason, field and rule of every row; what was found before the query goes first."""
        if screened:
            every = numbers.fill_null(-1).to_numpy(zero_copy_only=False).copy()
            for row, why in screened.items():
                every[row] = self.defects.index((why, None, None))
            numbers = pa.array(every, mask=every < 0)
        return [
            pa.array([None if part is None else str(part) for part in parts], pa.string()).take(numbers)
            for parts in zip(*self.defects, strict=True)
        ]

    def _resolved(self, records: pa.Table, read: pa.Table) -> Mapping[str, pa.ChunkedArray]:
        """The envelope's values, or where the contract names a field, the field's (which the envelope's have won)."""
        contract = self.contract

        def of(name: str | None, otherwise: str) -> pa.ChunkedArray:
            return records[otherwise] if name is None else read[FIELD_PREFIX + name].cast(CHECKED.field(otherwise).type)

        is_event = contract.kind is EntityKind.EVENT
        if len(contract.key) > 1:
            key = read["key"]
        elif contract.key:
            key = of(contract.key[0], "key")
        else:
            key = pa.nulls(len(records), pa.string())
        return {
            "record_id": of(contract.record_id, "record_id"),
            "key": key,
            "partition_key": of(contract.partition_key, "partition_key"),
            "occurred_at": of(contract.occurred_at, "occurred_at"),
            "op": records["op"] if is_event else read["op"],
            "version": pa.repeat("", len(records)) if contract.entity_version is None else read["version"],
        }


def _failing(checked: pa.Table, checks: Sequence[Check], prefix: str) -> Iterator[tuple[Check, npt.NDArray[np.bool_]]]:
    for number, check in enumerate(checks):
        failed = np.asarray(_whole(checked[f"{prefix}{number}"]))
        if failed.any():
            yield check, failed


def bench_columns(payload: pa.Array, records: pa.Table) -> Mapping[str, Any]:
    """What a query over records reads: their screened payloads, and columns of `RECORDS`."""
    return {
        "payload": payload,
        "as_of": records["as_of"].cast(_NAIVE),
        "env_record_id": records["record_id"],
        "env_key": records["key"],
        "env_partition_key": records["partition_key"],
        "env_op": records["op"],
        "env_at": records["occurred_at"].cast(_NAIVE),
    }


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array; pyarrow's own combining may keep an empty column in chunks."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
