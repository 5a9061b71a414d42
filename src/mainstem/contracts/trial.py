"""A contract tried on sample records: how many it would take, and why it would not take the others."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from mainstem.contracts.contract import Contract
from mainstem.contracts.holding import Held, held_rows
from mainstem.contracts.plan import RECORDS, CheckPlan
from mainstem.contracts.reasons import Reason
from mainstem.model import EntityKind

__all__ = ["FailedRow", "Trial", "sample_records"]


@dataclasses.dataclass(frozen=True, slots=True)
class FailedRow:
    """A record that would not take effect, by its number from 1; holds no value of it."""

    row: int
    reason: str
    field: str | None
    rule: str | None
    message: str


def sample_records(contract: Contract, payloads: pa.Array, numbers: Sequence[int], now: dt.datetime) -> pa.Table:
    """Records in `RECORDS` columns as if these payloads (binary) had been received `now`, whole and by themselves."""
    count = len(payloads)
    columns = {
        "n": pa.array(numbers, pa.int64()),
        "payload": payloads,
        "as_of": pa.array([now] * count, RECORDS.field("as_of").type),
        "op": pa.repeat("event" if contract.kind is EntityKind.EVENT else "upsert", count),
    }
    return pa.table({one.name: columns.get(one.name, pa.nulls(count, one.type)) for one in RECORDS}, RECORDS)


class Trial:
    """Counts over the records given to `add`; `failed` are the first of those that fail."""

    def __init__(self, contract: Contract, connection: duckdb.DuckDBPyConnection, now: dt.datetime, show: int) -> None:
        """`connection` comes from `duck.connect`; bounds of time are measured from `now`; `show` failing rows are kept."""
        self._plan = CheckPlan.compile(contract)
        self._connection = connection
        self._now = now
        self._show = show
        self.rows = 0
        self.passed = 0
        self.discarded = 0
        """Of those that do not pass: records that the contract's policy discards, where others go to quarantine."""
        self.held = 0
        """Of those that do not pass: records that are held."""
        self.reasons: Counter[tuple[str, str | None, str | None]] = Counter()
        """By reason, field and rule."""
        self.warnings: Counter[str] = Counter()
        """Of records that pass, by rule or limit."""
        self.remedied: Counter[tuple[str, str]] = Counter()
        """Of records that pass, by field and remedy."""
        self.failed: list[FailedRow] = []

    def add(self, payloads: pa.Array, numbers: Sequence[int]) -> None:
        """Try records (binary); `numbers` are those they are told by. Raises duckdb.Error."""
        count = len(payloads)
        records = sample_records(self._plan.contract, payloads, numbers, self._now)
        checked = self._plan.run(self._connection, records)
        held = held_rows(self._plan, checked)
        bad = np.asarray(checked["reason"].is_valid())
        passed = ~bad & ~held.rows
        bad &= ~held.rows
        self.rows += count
        self.passed += int(passed.sum())
        self._hold(held, numbers)
        named = checked.select(["n", "reason", "field", "rule"]).filter(pa.array(bad))
        grouped = named.group_by(["reason", "field", "rule"]).aggregate([("n", "count")])
        for one in grouped.to_pylist():
            self.reasons[one["reason"], one["field"], one["rule"]] += one["n_count"]
            self.discarded += one["n_count"] if self._plan.discards(Reason(one["reason"]), one["field"]) else 0
        for one in named.slice(0, max(self._show - len(self.failed), 0)).to_pylist():
            message = self._plan.told(Reason(one["reason"]), one["field"], one["rule"])
            self.failed.append(FailedRow(one["n"], one["reason"], one["field"], one["rule"], message))
        for warned, failures in self._plan.failures(checked):
            self.warnings[warned.rule] += int((failures & passed).sum())
        self.warnings = +self.warnings
        for _, one, done in self._plan.remedies(checked):
            self.remedied[one.field, one.remedy] += int((done & passed).sum())
        self.remedied = +self.remedied

    def _hold(self, held: Held, numbers: Sequence[int]) -> None:
        for row in np.flatnonzero(held.rows).tolist():
            checks = held.by(row)
            first = checks[0]
            self.held += 1
            self.reasons[first.reason.value, first.field, first.rule] += 1
            if len(self.failed) < self._show:
                message = self._plan.told_held(checks)
                self.failed.append(FailedRow(numbers[row], first.reason.value, first.field, first.rule, message))
