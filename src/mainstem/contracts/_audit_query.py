"""The query of an audit: what is wrong with each field of each record, where a check plan stops at the first defect.

It is built from the same inner parts as the plan's, so that both read a value alike. It asks only what can be otherwise and
each thing once: what follows from the answers is put together by `audit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mainstem.contracts._limits import limit_condition
from mainstem.contracts._query import Query, interval
from mainstem.contracts._sql import FieldSql
from mainstem.contracts.remedy import RemedyEffect

__all__ = ["AuditQuery"]


class AuditQuery(Query):
    """`sql` reads the table `records` and gives a row a record, in order, of true and false.

    Columns: `refused` (the record as a whole), of field number i `missing{i}`, `invalid{i}`, where it is not always
    `expected{i}`, and where it has rules of its own `sought{i}`, which ask for a value that is missing; of rule number j over
    several fields `broken{j}`.
    """

    def _sql(self) -> str:
        flags = [("refused", self._refused())]
        for one in self._fields:
            if self._is_expected(one) is not None:
                flags.append((f"expected{one.i}", self._is_expected(one) or ""))
            flags.append((f"missing{one.i}", self._where_expected(one, self._is_absent(one))))
            flags.append((f"invalid{one.i}", self._where_expected(one, self._is_invalid(one))))
            if own := list(self._own_rules(one.field.name)):
                sought = f"{self._is_absent(one)} AND {_any(own)}"
                flags.append((f"sought{one.i}", self._where_expected(one, sought)))
        for number, rule in enumerate(self._contract.rules):
            if len(rule.uses) > 1:
                flags.append((f"broken{number}", self._failed(self._condition(rule.expression), rule.uses)))
        columns = [f"coalesce({condition}, false) AS {name}" for name, condition in flags]
        return f"SELECT {', '.join(columns)} FROM ({self._typed()})"

    def _refused(self) -> str:
        return _any(["twice", "undeclared", *([] if self._state else ["env_op <> 'event'"])])

    def _is_absent(self, one: FieldSql) -> str:
        # A value that was made up was missing.
        value = "o" if self._remedies.done(one.field.name, RemedyEffect.IMPUTED) else "v"
        return f"({value}{one.i} IS NULL AND ({self._absent(one)}))"

    def _is_expected(self, one: FieldSql) -> str | None:
        """Where a field can be asked for; None: everywhere.

        A tombstone has its key only, a patch what it says; of several key fields none is needed beside the envelope's.
        """
        name, contract = one.field.name, self._contract
        if name == contract.partition_key or contract.key == (name,) or not self._state:
            return None
        if name in contract.key:
            return f"(env_key IS NULL OR NOT {self._is_absent(one)})"
        return f"(op = 'upsert' OR op = 'patch' AND NOT {self._is_absent(one)})"

    def _where_expected(self, one: FieldSql, condition: str) -> str:
        expected = self._is_expected(one)
        return condition if expected is None else f"{expected} AND {condition}"

    def _is_invalid(self, one: FieldSql) -> str:
        """There is a value, and it cannot be read or breaks a rule that is about it alone."""
        i, field = one.i, one.field
        wrong = []
        permitted = one.allowed()
        if permitted is not None:
            wrong.append(f"NOT {permitted}")
        wrong += [f"NOT ({limit_condition(limit, field.type, f'v{i}')})" for limit in field.limits]
        hidden = one.hidden(lambda _: "1")
        if hidden is not None:
            wrong.append(f"CASE {hidden} END IS NOT NULL")
        wrong += self._own_rules(field.name)
        beyond = self._remedies.done(field.name, RemedyEffect.CLIPPED, RemedyEffect.FLAGGED)
        wrong += [] if beyond is None else [beyond]
        if not self._state and field.name == self._contract.occurred_at:
            oldest, ahead = interval(self._contract.oldest), interval(self._contract.ahead)
            wrong += [f"v{i} < as_of - {oldest}", f"v{i} > as_of + {ahead}"]
        return f"CASE WHEN v{i} IS NULL THEN NOT ({self._absent(one)}) ELSE {_any(wrong)} END"

    def _own_rules(self, name: str) -> Iterator[str]:
        for rule in self._contract.rules:
            if rule.uses == {name}:
                yield f"({self._failed(self._condition(rule.expression), rule.uses)})"


def _any(conditions: Iterable[str]) -> str:
    """Whether one of the conditions is true; one that is null is not."""
    return f"({' OR '.join(f'coalesce({one}, false)' for one in conditions) or 'false'})"
