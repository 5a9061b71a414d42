"""An audit: everything that is wrong with some records, counted by day and field.

The check plan stops at a record's first defect, because that is what decides about it. What the quality of a field is has
to be asked of each field by itself. That is dearer, and only needed of the records that are not plainly good.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.contracts._audit_query import AuditQuery
from mainstem.contracts._bench import Bench
from mainstem.contracts._screen import screen
from mainstem.contracts._standardisers import Function
from mainstem.contracts.contract import Contract
from mainstem.contracts.plan import bench_columns

__all__ = ["Audit", "Audited"]

Counts = npt.NDArray[np.int64]

Mask = npt.NDArray[np.bool_]

_EPOCH = dt.date(1970, 1, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Audited:
    """Counts of one day.

    `record` (4): records; those that lack what they must have; those of which something cannot be read or is not allowed;
    those that break a rule over several fields. `fields` (4 times as many as declared fields, in order): records in which
    the field could be expected, in which it has no value, in which its value is wrong, in which a rule is broken that names
    it beside others.
    """

    day: dt.date
    record: Counts
    fields: Counts


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """A contract's compiled audit; immutable, for any thread."""

    contract: Contract
    sql: str
    functions: Mapping[str, Function]

    @classmethod
    def compile(cls, contract: Contract) -> Audit:
        """The audit of a contract."""
        query = AuditQuery(contract)
        return cls(contract, query.sql, query.functions)

    def run(self, connection: duckdb.DuckDBPyConnection, records: pa.Table) -> Iterator[Audited]:
        """Counts over records (columns of `plan.RECORDS`) by the UTC day of `as_of`; a day may come twice.

        Of a payload that is no JSON object no field is checked. `connection` is as for `CheckPlan.run`, and so is what is
        raised.
        """
        payload, screened = screen(records["payload"].combine_chunks())
        if screened:
            readable = np.ones(records.num_rows, np.bool_)
            readable[list(screened)] = False
            days = records["as_of"].cast(pa.date32()).filter(pa.array(~readable)).value_counts()
            for pair in days:
                count = pair["counts"].as_py()
                yield Audited(pair["values"].as_py(), np.array([count, 0, count, 0]), self.nothing())
            payload, records = payload.filter(pa.array(readable)), records.filter(pa.array(readable))
        if not records.num_rows:
            return
        found = Bench.of(connection).run(self.sql, bench_columns(payload, records), self.functions)
        flags = {name: np.asarray(found[name]) for name in found.column_names}
        days = records["as_of"].cast(pa.date32()).cast(pa.int32()).to_numpy()
        for day in np.unique(days).tolist():
            on = days == day
            yield self._added_up(_EPOCH + dt.timedelta(days=day), {name: flag[on] for name, flag in flags.items()})

    def _added_up(self, day: dt.date, flags: Mapping[str, Mask]) -> Audited:
        contract, rows = self.contract, len(flags["refused"])
        keys = {contract.partition_key, *contract.key}
        fields = self.nothing()
        incomplete, invalid = np.zeros(rows, np.bool_), flags["refused"].copy()
        for i, field in enumerate(contract.fields.values()):
            expected, missing, wrong = flags.get(f"expected{i}"), flags[f"missing{i}"], flags[f"invalid{i}"]
            fields[0, i] = rows if expected is None else np.count_nonzero(expected)
            fields[1, i], fields[2, i] = np.count_nonzero(missing), np.count_nonzero(wrong)
            invalid |= wrong
            if field.required or field.name in keys:
                incomplete |= missing
            elif f"sought{i}" in flags:
                incomplete |= flags[f"sought{i}"]
        inconsistent = np.zeros(rows, np.bool_)
        torn: dict[str, Mask] = {}
        for number, rule in enumerate(contract.rules):
            broken = flags.get(f"broken{number}")
            if broken is not None and broken.any():
                inconsistent |= broken
                for name in rule.uses:
                    torn[name] = broken | torn.get(name, False)
        for i, name in enumerate(contract.fields):
            fields[3, i] = np.count_nonzero(torn[name]) if name in torn else 0
        return Audited(day, np.array([rows, *map(np.count_nonzero, (incomplete, invalid, inconsistent))]), fields)

    def nothing(self) -> Counts:
        """No counts of any field."""
        return np.zeros((4, len(self.contract.fields)), np.int64)
