"""The query of a check plan, built for one contract: sub-select upon sub-select, each computing its columns once.

The envelope's columns and the payload go through all of them. From the inside: `found` (every declared value: the one
parse), t (a field's text), v (its typed value), `op`, `defect` (the number of the first defect).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from mainstem.contracts._limits import limit_condition
from mainstem.contracts._places import declared_keys, extracted, extracted_text, json_path, tree_of
from mainstem.contracts._remedy_sql import RemedySql
from mainstem.contracts._rules import field_columns
from mainstem.contracts._sql import COLUMN_TYPES, Code, FieldSql, literal
from mainstem.contracts._standardisers import Function
from mainstem.contracts.contract import Contract, ContractField, Severity
from mainstem.contracts.expression import compile_condition
from mainstem.contracts.policy import DriftKind, Policy
from mainstem.contracts.reasons import Reason
from mainstem.contracts.remedy import Remedied, RemedyEffect
from mainstem.model import ENTITIES, EntityKind, FieldType

__all__ = [
    "FIELD_PREFIX",
    "HOLDING_PREFIX",
    "MARKED_PREFIX",
    "ORIGINAL_PREFIX",
    "REMEDIED_PREFIX",
    "SURPLUS",
    "WARNED_PREFIX",
    "Check",
    "Defect",
    "Query",
    "interval",
]

FIELD_PREFIX = "f_"
"""Before the names of declared fields in a result, so that they never meet its other columns."""

WARNED_PREFIX = "w_"
"""Before the numbers of checks that only warn."""

HOLDING_PREFIX = "h_"
"""Before the numbers of checks that hold."""

MARKED_PREFIX = "x_"
"""Before the numbers of kinds of drift that let a record through."""

REMEDIED_PREFIX = "r_"
"""Before the numbers of remedies: whether each did something."""

ORIGINAL_PREFIX = "o_"
"""Before the names of fields that have remedies: their values as they were."""

SURPLUS = "surplus"
"""The keys of a payload's top level that the contract does not declare; null or empty where there are none."""

_QUOTE = ord('"')
_THROUGH = "payload, as_of, env_op, env_at, env_key, env_record_id, env_partition_key"

_NONE = "NULL"
"""The number of no defect."""

_LETS_GROW = (Policy.EVOLVE, Policy.DISCARD_VALUE)


Defect: TypeAlias = tuple[Reason, str | None, str | None]
"""Reason, field and rule."""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """A limit or rule whose failure is no defect: its name, the field it stands at, and those it looks at.

    `reason` is what a record that it holds is told to be kept for.
    """

    rule: str
    field: str | None
    uses: frozenset[str]
    reason: Reason


class Query:
    """`sql` reads the table `records`; `defects` says what the numbers in its column `defect` stand for.

    Its columns `w_0`, `w_1`, ... are true where the check of that number in `warned` fails, `h_0`, `h_1`, ... where that
    in `holding` does, `x_0`, `x_1`, ... where a record departs from its contract in the way of that number in `marked`, and
    is let through all the same; `r_0`, `r_1`, ... where the remedy of that number in `remedied` did something. `functions`
    are what it calls, by name.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._state = contract.kind is EntityKind.STATE
        self._index = {name: i for i, name in enumerate(contract.fields)}
        self._tree, self._lone = tree_of(contract.fields.values())
        self._overrides = {name: text for name in contract.fields if (text := _override(contract, name))}
        self._fields = [FieldSql(i, field, self._kind(field)) for i, field in enumerate(contract.fields.values())]
        keys = (contract.partition_key, contract.record_id, *contract.key)
        self._identifying = {name for name in keys if name is not None} | _referring(contract)
        self._columns = field_columns(contract.fields, self._value)
        self._remedies = RemedySql(self._fields, self._columns, self._absent)
        self.remedied: list[Remedied] = self._remedies.steps
        self.defects: list[Defect] = []
        self.warned: list[Check] = []
        self.holding: list[Check] = []
        self.marked: list[tuple[DriftKind, str]] = []
        self.sql = self._sql()

    @property
    def functions(self) -> Mapping[str, Function]:
        return self._remedies.functions

    def _sql(self) -> str:
        columns = [f"{self._defect()} AS defect"]
        # What equals a field's column, or the caller's, is not copied here: the plan takes it from there.
        if self._state:
            columns.append("op")
        if len(self._contract.key) > 1:
            columns.append(f"{self._key()} AS key")
        if self._contract.entity_version is not None:
            columns.append(f"{self._version(self._contract.entity_version)} AS version")
        columns += [f"v{i} AS {FIELD_PREFIX}{name}" for name, i in self._index.items()]
        columns += [f"o{one.i} AS {ORIGINAL_PREFIX}{one.field.name}" for one in self._remedies.remedied]
        for n, step in enumerate(self.remedied):
            # What one remedy did and the next undid was not done.
            i = self._index[step.field]
            changed = "" if step.effect is RemedyEffect.FLAGGED else f" AND v{i} IS DISTINCT FROM o{i}"
            # Of a value that is let go nothing is left that a remedy made.
            left = f" AND NOT e{i}" if _discards_growth(self._contract.fields[step.field]) else ""
            columns.append(f"coalesce(op <> 'delete' AND r{n}{changed}{left}, false) AS {REMEDIED_PREFIX}{n}")
        for severity, checks, prefix in (
            (Severity.WARN, self.warned, WARNED_PREFIX),
            (Severity.HOLD, self.holding, HOLDING_PREFIX),
        ):
            for number, (check, failed) in enumerate(self._checks(severity)):
                checks.append(check)
                columns.append(f"coalesce({failed}, false) AS {prefix}{number}")
        for number, (kind, field, condition) in enumerate(self._let_through()):
            self.marked.append((kind, field))
            columns.append(f"coalesce({condition}, false) AS {MARKED_PREFIX}{number}")
        # A tombstone says which entity is gone: what else it says is not looked at.
        columns.append(f"CASE WHEN op <> 'delete' THEN {SURPLUS} END AS {SURPLUS}" if self._state else SURPLUS)
        return f"SELECT {', '.join(columns)} FROM ({self._typed()})"

    def _value(self, name: str) -> str:
        return f"v{self._index[name]}"

    def _number(self, reason: Reason, field: str | None, rule: str | None = None) -> str:
        defect = (reason, field, rule)
        if defect not in self.defects:
            self.defects.append(defect)
        return str(self.defects.index(defect))

    def _kind(self, field: ContractField) -> str:
        kind = f"ascii({extracted(field)})"
        override = self._overrides.get(field.name)
        return kind if override is None else f"CASE WHEN {override} IS NULL THEN {kind} ELSE {_QUOTE} END"

    # From the inside to the outside.

    def _found(self) -> str:
        columns = [_unless_blank(name) for name in ("env_record_id", "env_partition_key", "env_key")]
        for one in self._fields:
            if one.field.name in self._lone:
                lone = extracted(one.field) if one.field.type is FieldType.OBJECT else extracted_text(one.field)
                columns.append(f"{lone} AS lone{one.i}")
        return (
            f"SELECT payload, as_of, env_op, env_at, {', '.join(columns)}, json_keys(payload) AS keys, "
            f"contains(payload, '\\u0000') AS nul, from_json(payload, {literal(json.dumps(self._tree))}) AS found "
            "FROM records"
        )

    def _text(self) -> str:
        columns, nul = [], ["nul"]
        for one in self._fields:
            name = one.field.name
            found = ["found" + "".join(f'."{step}"' for step in path) for path in one.field.paths]
            text = one.as_meant(f"lone{one.i}" if name in self._lone else f"coalesce({', '.join(found)})")
            if name in self._overrides:
                text = f"coalesce({self._overrides[name]}, {text})"
                nul.append(f"coalesce(contains({self._overrides[name]}, chr(0)), false)")
            columns.append(f"{text} AS t{one.i}")
        return (
            f"SELECT {_THROUGH}, {self._twice()} AS twice, {self._undeclared()} AS undeclared, {SURPLUS}, "
            f"{' OR '.join(nul)} AS nul, {', '.join(columns)} FROM (SELECT *, {self._surplus()} AS {SURPLUS} "
            f"FROM ({self._found()}))"
        )

    def _surplus(self) -> str:
        """The keys of the top level that are not declared; null where none can be, since each value found is one's."""
        found = [f'(found."{top}" IS NOT NULL)::INTEGER' for top in self._tree]
        unknown = f"list_filter(keys, lambda key: key NOT IN ({', '.join(map(literal, self._tops()))}))"
        return f"CASE WHEN len(keys) <> {' + '.join(found)} THEN {unknown} END"

    def _twice(self) -> str:
        """Whether a key that begins a field's path occurs twice."""
        different = " + ".join(f"list_contains(keys, {literal(top)})::INTEGER" for top in self._tops())
        return f"CASE WHEN {SURPLUS} IS NOT NULL THEN len(keys) - len({SURPLUS}) <> {different} ELSE false END"

    def _tops(self) -> list[str]:
        return sorted({path[0] for field in self._contract.fields.values() for path in field.paths})

    def _undeclared(self) -> str:
        """Whether a payload has a key that is not declared, on any level that declared paths lead through."""
        if self._contract.policies.new_field in {Policy.EVOLVE, Policy.DISCARD_VALUE}:
            return "false"
        tests = []
        for path, known in declared_keys(self._contract.fields.values()).items():
            inside = f"json_keys(payload, {json_path(path)})"
            unknown = f"list_filter({inside}, lambda key: key NOT IN ({', '.join(map(literal, known))}))"
            tests.append(f"len({unknown if path else SURPLUS}) > 0")
        return f"coalesce({' OR '.join(f'coalesce({test}, false)' for test in tests)}, false)"

    def _typed(self) -> str:
        columns, bounds = [], []
        for one in self._fields:
            value = one.typed()
            if one.field.name in self._identifying:
                value = f"CASE WHEN {_not_blank(f't{one.i}')} THEN {value} END"
            columns.append(f"({value})::{COLUMN_TYPES[one.field.type]} AS v{one.i}")
            bound = one.bounded()
            if bound is not None:
                bounds.append(f"CASE WHEN {bound} THEN v{one.i} END AS v{one.i}")
        inside = f"SELECT *, {', '.join(columns)} FROM ({self._text()})"
        if bounds:
            inside = f"SELECT * REPLACE ({', '.join(bounds)}) FROM ({inside})"
        inside = self._remedies.around(inside)
        grown = [one for one in self._fields if one.field.allowed and one.field.policies.enum_growth in _LETS_GROW]
        if grown:
            # Noted first: what is to be discarded is gone afterwards.
            noted = [f"coalesce(NOT {one.allowed()}, false) AS e{one.i}" for one in grown]
            lost = [
                f"CASE WHEN NOT e{one.i} THEN v{one.i} END AS v{one.i}" for one in grown if _discards_growth(one.field)
            ]
            inside = f"SELECT *, {', '.join(noted)} FROM ({inside})"
            if lost:
                inside = f"SELECT * REPLACE ({', '.join(lost)}) FROM ({inside})"
        if self._contract.occurred_at is not None:
            at = self._value(self._contract.occurred_at)
            inside = f"SELECT * REPLACE (coalesce(env_at, {at}) AS {at}) FROM ({inside})"
        return f"SELECT *, {self._op()} AS op FROM ({inside})"

    def _op(self) -> str:
        if not self._state:
            return "env_op"
        deleted = "env_op = 'delete'"
        if self._contract.deleted is not None:
            deleted += f" OR {self._value(self._contract.deleted)}"
        return f"CASE WHEN {deleted} THEN 'delete' WHEN env_op = 'patch' THEN 'patch' ELSE 'upsert' END"

    def _key(self) -> str:
        """Of several fields: the envelope's, or a JSON array of their texts."""
        parts = [f"{self._value(name)}::VARCHAR" for name in self._contract.key]
        whole = " AND ".join(f"{part} IS NOT NULL" for part in parts)
        return f"coalesce(env_key, CASE WHEN {whole} THEN to_json([{', '.join(parts)}])::VARCHAR END)"

    def _version(self, name: str) -> str:
        value = self._value(name)
        match self._contract.fields[name].type:
            case FieldType.INTEGER:
                # Moved above zero, so that text of one length orders like the numbers.
                text = f"lpad(({value}::HUGEINT + {2**63})::VARCHAR, 20, '0')"
            case FieldType.TIMESTAMP:
                text = f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%fZ')"
            case FieldType.DATE:
                text = f"strftime({value}, '%Y-%m-%d')"
            case _:
                text = value
        return f"coalesce({text}, '')"

    # Defects.

    def _defect(self) -> str:
        cases = [f"CASE WHEN twice THEN {self._number(Reason.DUPLICATE_KEY, None)} END"]
        if not self._state:
            wrong = self._number(Reason.WRONG_OPERATION, None)
            cases.append(f"CASE WHEN env_op <> 'event' THEN {wrong} END")
        # Whom a record is about comes first: what else is wrong with it matters less.
        first = self._index[self._contract.partition_key]
        fields = sorted(self._fields, key=lambda one: one.i != first)
        cases += [self._field_defect(one) for one in fields]
        new = self._contract.policies.new_field
        if new in {Policy.FREEZE, Policy.QUARANTINE}:
            cases.append(self._undeclared_defect())
        cases += self._time_defects()
        cases += self._rule_defects()
        # Last: what has any other defect is kept.
        if new is Policy.DISCARD_ROW:
            cases.append(self._undeclared_defect())
        cases += [self._discarded(one) for one in fields if _discards_rows(one.field)]
        return f"coalesce({', '.join(cases)})::SMALLINT"

    def _undeclared_defect(self) -> str:
        looked_at = "op <> 'delete' AND undeclared" if self._state else "undeclared"
        return f"CASE WHEN {looked_at} THEN {self._number(Reason.UNDECLARED, None)} END"

    def _absent(self, one: FieldSql) -> str:
        absent = f"t{one.i} IS NULL"
        return f"{absent} OR NOT {_not_blank(f't{one.i}')}" if one.field.name in self._identifying else absent

    def _drifting(self, one: FieldSql, code: Code) -> list[str]:
        """Branches of a CASE: the value is missing, not of its type, or not an allowed one."""
        i, field = one.i, one.field
        unread = f"CASE WHEN {self._absent(one)} THEN {self._if_absent(field, code)} ELSE {one.unreadable(code)} END"
        cases = [f"WHEN v{i} IS NULL THEN {unread}"]
        permitted = one.allowed()
        growth = field.policies.enum_growth
        if permitted is not None and growth is Policy.DISCARD_VALUE:
            cases.insert(0, f"WHEN e{i} THEN NULL")
        elif permitted is not None and growth is not Policy.EVOLVE and (wrong := code(Reason.NOT_ALLOWED)) != _NONE:
            cases.append(f"WHEN NOT {permitted} THEN {wrong}")
        return cases

    def _discarded(self, one: FieldSql) -> str:
        """The defect for which the field's policy discards a record."""

        def code(reason: Reason) -> str:
            discards = one.field.policies.about(reason) is Policy.DISCARD_ROW
            return self._number(reason, one.field.name) if discards else _NONE

        cases = self._drifting(one, code)
        if one.field.type is FieldType.OBJECT and (hidden := one.hidden(code)) is not None:
            cases.append(hidden)
        return self._unless_gone(one.field, f"CASE {' '.join(cases)} END")

    def _field_defect(self, one: FieldSql) -> str:
        i, field = one.i, one.field

        def code(reason: Reason) -> str:
            lets_go = field.policies.about(reason) in {Policy.DISCARD_ROW, Policy.DISCARD_VALUE}
            return _NONE if lets_go else self._number(reason, field.name)

        def kept(reason: Reason) -> str:
            """What no store can keep does not pass because its value would be let go."""
            discards = field.policies.about(reason) is Policy.DISCARD_ROW
            return _NONE if discards else self._number(reason, field.name)

        cases = self._drifting(one, code)
        for limit in field.limits:
            if limit.severity is Severity.QUARANTINE:
                number = self._number(Reason.OUTSIDE_LIMITS, field.name, f"{field.name}.{limit.word}")
                cases.append(f"WHEN NOT ({limit_condition(limit, field.type, f'v{i}')}) THEN {number}")
        hidden = one.hidden(kept)
        if hidden is not None:
            cases.append(hidden)
        return self._unless_gone(field, f"CASE {' '.join(cases)} END")

    def _unless_gone(self, field: ContractField, defect: str) -> str:
        if self._state and field.name not in {self._contract.partition_key, *self._contract.key}:
            # A tombstone says which entity is gone, and need say no more.
            return f"CASE WHEN op <> 'delete' THEN {defect} END"
        return defect

    def _let_through(self) -> Iterator[tuple[DriftKind, str, str]]:
        """What a policy lets records through with, and where they are so."""
        for one in self._fields:
            name, policies, gone = one.field.name, one.field.policies, "op = 'delete'" if self._state else "false"
            if policies.type_change is Policy.DISCARD_VALUE:
                nulled = f"e{one.i}" if _discards_growth(one.field) else "false"
                unread = f"v{one.i} IS NULL AND NOT ({self._absent(one)}) AND NOT {nulled}"
                yield DriftKind.TYPE_CHANGE, name, f"NOT {gone} AND {unread}"
            if one.field.allowed and policies.enum_growth in _LETS_GROW:
                yield DriftKind.ENUM_GROWTH, name, f"NOT {gone} AND e{one.i}"
            imputed = self._remedies.done(name, RemedyEffect.IMPUTED)
            if one.field.required and (policies.missing_field is Policy.DISCARD_VALUE or imputed):
                said = f"{gone} OR op = 'patch'" if self._state else "false"
                missing = self._absent(one) if policies.missing_field is Policy.DISCARD_VALUE else imputed
                yield DriftKind.MISSING_FIELD, name, f"NOT ({said}) AND ({missing})"

    def _if_absent(self, field: ContractField, code: Code) -> str:
        contract = self._contract
        if field.name == contract.partition_key:
            return code(Reason.NO_PARTITION_KEY)
        if field.name in contract.key:
            lost = code(Reason.NO_IDENTITY)
            return lost if len(contract.key) == 1 else f"CASE WHEN env_key IS NULL THEN {lost} END"
        if not field.required:
            return _NONE
        missing = code(Reason.MISSING)
        # A patch says what changed.
        return f"CASE WHEN op <> 'patch' THEN {missing} END" if self._state else missing

    def _time_defects(self) -> Iterator[str]:
        name = self._contract.occurred_at
        if self._state or name is None:
            return
        at = self._value(name)
        yield (
            f"CASE WHEN {at} < as_of - {interval(self._contract.oldest)} THEN {self._number(Reason.TOO_OLD, name)}"
            f" WHEN {at} > as_of + {interval(self._contract.ahead)} THEN {self._number(Reason.IN_FUTURE, name)} END"
        )

    # Rules, and limits whose failure is no defect.

    def _failed(self, condition: str, uses: Iterable[str]) -> str:
        """Where a record makes a condition false: a tombstone has none, a patch those about what it says."""
        failed = f"NOT ({condition})"
        if not self._state:
            return failed
        said = " AND ".join(f"t{self._index[name]} IS NOT NULL" for name in sorted(uses))
        return f"(op = 'upsert' OR op = 'patch' AND {said}) AND {failed}"

    def _condition(self, expression: str) -> str:
        return compile_condition(expression, self._columns, where="rule").duckdb

    def _rule_defects(self) -> Iterator[str]:
        """One CASE for all rules: each looks only at the rows that passed those before it."""
        branches = [
            f"WHEN {self._failed(self._condition(rule.expression), rule.uses)}"
            f" THEN {self._number(Reason.RULE_FAILED, rule.field, rule.name)}"
            for rule in self._contract.rules
            if rule.severity is Severity.QUARANTINE
        ]
        if branches:
            yield f"CASE {' '.join(branches)} END"

    def _checks(self, severity: Severity) -> Iterator[tuple[Check, str]]:
        """The limits and rules of a severity that makes no defect, and where each fails."""
        for i, field in enumerate(self._contract.fields.values()):
            for limit in field.limits:
                if limit.severity is severity:
                    condition = limit_condition(limit, field.type, f"v{i}")
                    name, uses = f"{field.name}.{limit.word}", frozenset({field.name})
                    yield Check(name, field.name, uses, Reason.OUTSIDE_LIMITS), self._failed(condition, uses)
        for one in self._contract.rules:
            if one.severity is severity:
                failed = self._failed(self._condition(one.expression), one.uses)
                yield Check(one.name, one.field, one.uses, Reason.RULE_FAILED), failed


def _discards_rows(field: ContractField) -> bool:
    policies = field.policies
    return Policy.DISCARD_ROW in {policies.missing_field, policies.type_change, policies.enum_growth}


def _discards_growth(field: ContractField) -> bool:
    """Whether a value that is not among the allowed ones is let go, and its record not."""
    return bool(field.allowed) and field.policies.enum_growth is Policy.DISCARD_VALUE


def _override(contract: Contract, name: str) -> str | None:
    """The envelope's text that wins over a field's."""
    columns = [
        column
        for column, names in (
            ("env_partition_key", (contract.partition_key,)),
            # Of several key fields none is the envelope's key.
            ("env_key", contract.key if len(contract.key) == 1 else ()),
            ("env_record_id", (contract.record_id,)),
        )
        if name in names
    ]
    return f"coalesce({', '.join(columns)})" if columns else None


def _referring(contract: Contract) -> set[str]:
    """Fields mapped to references: a blank one refers to nobody."""
    attributes = ENTITIES[contract.mapping.entity].attributes
    return {
        field
        for name, field in contract.mapping.attributes.items()
        if isinstance(field, str) and name in attributes and attributes[name].reference is not None
    }


def _not_blank(text: str) -> str:
    """Whether a text has a character that Python's `str.strip` leaves, which references are made of."""
    # The first character of nearly every value settles it.
    return f"(ascii({text}) BETWEEN 33 AND 126 OR regexp_matches({text}, '[^\\s\\p{{Z}}\\x0b\\x1c-\\x1f\\x{{85}}]'))"


def _unless_blank(column: str) -> str:
    return f"CASE WHEN {_not_blank(column)} THEN {column} END AS {column}"


def interval(span: dt.timedelta) -> str:
    return f"INTERVAL '{span // dt.timedelta(microseconds=1)} microseconds'"
