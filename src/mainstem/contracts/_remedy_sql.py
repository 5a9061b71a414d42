"""DuckDB SQL that remedies declared fields, between their typing and their checks.

Of field number i it changes v{i}, and adds o{i}, the value as it was; of remedy number n it adds r{n}, whether it did
something. Remedies that do not look at one another are done in one sub-select.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from mainstem.contracts._functions import FUNCTIONS
from mainstem.contracts._limits import FORMATS
from mainstem.contracts._remedies import layers
from mainstem.contracts._source_form import known_zones
from mainstem.contracts._sql import COLUMN_TYPES, FieldSql, literal
from mainstem.contracts._standardisers import Function, countries, currencies, phones, table_lookup, time_zones
from mainstem.contracts.expression import Column, compile_value
from mainstem.contracts.remedy import Bound, Enrich, Form, Impute, Remedied, RemedyEffect, Standardise
from mainstem.model import FieldType

__all__ = ["RemedySql"]

# The white space that references are read without as well.
_SPACE = r"[\s\p{Z}\x0b\x1c-\x1f\x{85}]"
_REGION = "::VARCHAR"


class RemedySql:
    """The remedies of some fields. `functions` are what its SQL calls, by name."""

    def __init__(
        self, fields: Sequence[FieldSql], columns: Mapping[str, Column], absent: Callable[[FieldSql], str]
    ) -> None:
        """`columns` are the typed values by field; `absent` says where a field has no value in the payload."""
        self._fields = {one.field.name: one for one in fields}
        self._columns = columns
        self._absent = absent
        self.functions: dict[str, Function] = {}
        self._numbers: dict[tuple[str, int], int] = {}
        self.steps: list[Remedied] = []
        for name, one in self._fields.items():
            for number, remedy in enumerate(one.field.remedies):
                self._numbers[name, number] = len(self.steps)
                self.steps.append(Remedied(name, remedy.name))

    @property
    def remedied(self) -> list[FieldSql]:
        """The fields that have remedies."""
        return [one for one in self._fields.values() if one.field.remedies]

    def done(self, field: str, *effects: RemedyEffect) -> str | None:
        """Where one of a field's remedies of these effects did something; None where it has none."""
        done = [f"r{n}" for n, step in enumerate(self.steps) if step.field == field and step.effect in effects]
        return f"({' OR '.join(done)})" if done else None

    def around(self, inside: str) -> str:
        """The sub-select with everything done."""
        if not self.steps:
            return inside
        kept = ", ".join(f"v{one.i} AS o{one.i}" for one in self.remedied)
        inside = f"SELECT *, {kept} FROM ({inside})"
        for layer in layers({name: one.field for name, one in self._fields.items()}):
            made, replaced, marks = [], [], []
            for name, number in layer:
                one, n = self._fields[name], self._numbers[name, number]
                remedy = one.field.remedies[number]
                if isinstance(remedy, Bound) and not remedy.clips:
                    low, high = self._bounds(one, remedy)
                    made.append(f"coalesce(v{one.i} < {low}, false) OR coalesce(v{one.i} > {high}, false) AS r{n}")
                    continue
                made.append(f"({self._value(one, number)})::{COLUMN_TYPES[one.field.type]} AS n{n}")
                replaced.append((f"n{n}", f"n{n} AS v{one.i}"))
                marks.append(f"n{n} IS DISTINCT FROM v{one.i} AS r{n}")
            inside = f"SELECT *, {', '.join(made)} FROM ({inside})"
            if replaced:
                gone, new = (", ".join(column) for column in zip(*replaced, strict=True))
                inside = f"SELECT * EXCLUDE ({gone}) REPLACE ({new}), {', '.join(marks)} FROM ({inside})"
        return inside

    def _value(self, one: FieldSql, number: int) -> str:
        """What a value becomes."""
        match one.field.remedies[number]:
            case Standardise() as remedy:
                return self._standardised(f"v{one.i}", remedy)
            case Impute() as remedy:
                return self._if_absent(one, self._imputed(one.field.type, remedy))
            case Enrich() as remedy:
                key = f"v{self._fields[remedy.key].i}::VARCHAR"
                told = hashlib.sha256(repr(remedy.rows).encode()).hexdigest()[:32]
                found = self._call(f"reference_{told}", table_lookup(remedy.rows), key)
                return self._if_absent(one, f"TRY_CAST({found} AS {COLUMN_TYPES[one.field.type]})")
            case Bound() as remedy:
                low, high = self._bounds(one, remedy)
                v = f"v{one.i}"
                return f"CASE WHEN {v} < {low} THEN {low} WHEN {v} > {high} THEN {high} ELSE {v} END"

    def _if_absent(self, one: FieldSql, value: str) -> str:
        # A patch leaves as it is what it does not name; what cannot be read is a defect, and not nothing.
        return (
            f"CASE WHEN v{one.i} IS NULL AND env_op <> 'patch' AND ({self._absent(one)}) THEN {value} ELSE v{one.i} END"
        )

    def _imputed(self, kind: FieldType, remedy: Impute) -> str:
        if remedy.constant is not None:
            return f"CAST({literal(remedy.constant)} AS {COLUMN_TYPES[kind]})"
        if remedy.field is not None:
            return f"v{self._fields[remedy.field].i}"
        expression, _ = compile_value(remedy.expression or "", self._columns, where="remedy")
        if kind is FieldType.INTEGER:
            # Arithmetic makes decimals, of which the whole ones that fit are integers.
            whole = f"CAST({expression.duckdb} AS DECIMAL(38, 9))"
            return f"CASE WHEN floor({whole}) = {whole} THEN TRY_CAST({whole} AS BIGINT) END"
        return expression.duckdb

    def _standardised(self, v: str, remedy: Standardise) -> str:
        match remedy.form:
            case Form.TRIM:
                return f"trim(regexp_replace({v}, {literal(_SPACE + '+')}, ' ', 'g'))"
            case Form.LOWER | Form.UPPER:
                return FUNCTIONS[remedy.form].duckdb.format(v)
            case Form.EMAIL:
                return self._email(v, remedy)
            case Form.PHONE:
                region = "NULL" if remedy.region is None else literal(remedy.region)
                if remedy.region_from is not None:
                    region = f"v{self._fields[remedy.region_from].i}"
                known = self._call("standardise_phone", phones, v, region + _REGION)
            case Form.COUNTRY:
                known = self._call(_named("country", remedy.languages), countries(remedy.languages), v)
            case Form.CURRENCY:
                known = self._call(_named("currency", remedy.languages), currencies(remedy.languages), v)
            case Form.TIME_ZONE:
                known = self._call("standardise_time_zone", time_zones(known_zones()), v)
        return f"coalesce({known}, {v})"

    def _email(self, v: str, remedy: Standardise) -> str:
        address = f"regexp_replace({v}, {literal(f'^{_SPACE}+|{_SPACE}+$')}, '', 'g')"
        local = f"regexp_extract({address}, '^[^@]*')"
        local = f"lower({local})" if remedy.lower_local else local
        domain = f"lower(regexp_extract({address}, '@.*$'))"
        shape = literal(FORMATS["email"])
        return f"CASE WHEN regexp_full_match({address}, {shape}) THEN {local} || {domain} ELSE {v} END"

    def _call(self, name: str, function: Function, *arguments: str) -> str:
        self.functions[name] = function
        # Copied at once: DuckDB loses hold of texts that come from outside where CASE or coalesce picks among them, and
        # then reads what is no longer theirs (duckdb#20606).
        return f"""("{name}"({", ".join(arguments)}) || '')"""

    def _bounds(self, one: FieldSql, remedy: Bound) -> tuple[str, str]:
        kind = COLUMN_TYPES[one.field.type]

        def bound(value: Decimal | None) -> str:
            return f"NULL::{kind}" if value is None else f"CAST('{value:f}' AS {kind})"

        if remedy.by is None:
            return bound(remedy.least), bound(remedy.most)
        segment = f"v{self._fields[remedy.by].i}"
        low, high = (
            " ".join(f"WHEN {literal(name)} THEN {bound(pair[side])}" for name, pair in remedy.segments.items())
            for side in (0, 1)
        )
        return (
            f"(CASE {segment} {low} ELSE {bound(remedy.least)} END)",
            f"(CASE {segment} {high} ELSE {bound(remedy.most)} END)",
        )


def _named(what: str, languages: Sequence[str]) -> str:
    return "_".join(("standardise", what, *languages))
