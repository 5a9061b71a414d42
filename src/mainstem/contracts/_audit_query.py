"""The query of an audit: what is wrong with each field of each record, where a check plan stops at the first defect.

It is built from the same inner parts as the plan's, so that both read a value alike, and counts what it finds by day.
"""

from __future__ import annotations

from collections.abc import Iterator

from mainstem.contracts._limits import limit_condition
from mainstem.contracts._query import Query, interval
from mainstem.contracts._sql import FieldSql

__all__ = ["AuditQuery"]


class AuditQuery(Query):
    """`sql` reads the table `records` and gives a row a day (of `as_of`), with counts.

    Columns: `day`, `records`, `incomplete`, `invalid`, `inconsistent`, and of field number i `checked{i}`, `missing{i}`,
    `invalid{i}` and `inconsistent{i}`.
    """

    def _sql(self) -> str:
        flags = [*self._record_flags(), *(flag for one in self._fields for flag in self._field_flags(one))]
        columns = [f"coalesce({condition}, false) AS {name}" for name, condition in flags]
        counts = [f"count_if({name})::BIGINT AS {name}" for name, _ in flags]
        return (
            f"SELECT day, count(*) AS records, {', '.join(counts)}"
            f" FROM (SELECT CAST(as_of AS DATE) AS day, {', '.join(columns)} FROM ({self._typed()}))"
            " GROUP BY day ORDER BY day"
        )

    def _record_flags(self) -> Iterator[tuple[str, str]]:
        """Of the record as a whole."""
        contract = self._contract
        keys = {contract.partition_key, *contract.key}
        needed = [one for one in self._fields if one.field.required or one.field.name in keys]
        yield "incomplete", _any(self._is_missing(one) for one in needed)
        wrong = ["twice", "undeclared", *([] if self._state else ["env_op <> 'event'"])]
        yield "invalid", _any([*wrong, *(self._is_invalid(one) for one in self._fields)])
        yield "inconsistent", _any(self._broken(rule_over_several=True))

    def _field_flags(self, one: FieldSql) -> Iterator[tuple[str, str]]:
        yield f"checked{one.i}", self._is_expected(one)
        yield f"missing{one.i}", self._is_missing(one)
        yield f"invalid{one.i}", self._is_invalid(one)
        yield f"inconsistent{one.i}", _any(self._broken(rule_over_several=True, naming=one.field.name))

    def _is_absent(self, one: FieldSql) -> str:
        return f"(v{one.i} IS NULL AND ({self._absent(one)}))"

    def _is_expected(self, one: FieldSql) -> str:
        """A tombstone has its key only, a patch what it says; of several key fields none is needed beside the envelope's."""
        name, contract = one.field.name, self._contract
        if name == contract.partition_key or contract.key == (name,) or not self._state:
            return "true"
        if name in contract.key:
            return f"(env_key IS NULL OR NOT {self._is_absent(one)})"
        return f"(op = 'upsert' OR op = 'patch' AND NOT {self._is_absent(one)})"

    def _is_missing(self, one: FieldSql) -> str:
        return f"({self._is_expected(one)} AND {self._is_absent(one)})"

    def _is_invalid(self, one: FieldSql) -> str:
        """There is a value, and it cannot be read or breaks a rule that is about it alone."""
        i, field = one.i, one.field
        wrong = [f"v{i} IS NULL"]
        permitted = one.allowed()
        if permitted is not None:
            wrong.append(f"NOT {permitted}")
        wrong += [f"NOT ({limit_condition(limit, field.type, f'v{i}')})" for limit in field.limits]
        hidden = one.hidden(lambda _: "1")
        if hidden is not None:
            wrong.append(f"CASE {hidden} END IS NOT NULL")
        wrong += self._broken(rule_over_several=False, naming=field.name)
        if not self._state and field.name == self._contract.occurred_at:
            oldest, ahead = interval(self._contract.oldest), interval(self._contract.ahead)
            wrong += [f"v{i} < as_of - {oldest}", f"v{i} > as_of + {ahead}"]
        return f"({self._is_expected(one)} AND NOT {self._is_absent(one)} AND {_any(wrong)})"

    def _broken(self, *, rule_over_several: bool, naming: str | None = None) -> Iterator[str]:
        for rule in self._contract.rules:
            if (len(rule.uses) > 1) is rule_over_several and (naming is None or naming in rule.uses):
                yield f"({self._failed(self._condition(rule.expression), rule.uses)})"


def _any(conditions: Iterator[str] | list[str]) -> str:
    """Whether one of the conditions is true; one that is null is not."""
    return f"({' OR '.join(f'coalesce({one}, false)' for one in conditions) or 'false'})"
