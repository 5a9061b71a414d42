"""DuckDB SQL that reads one declared field: from JSON to a typed value, and from an unreadable one to its reason.

Of field number i the plan's query holds t{i}, the value as text (null where there is none; of an OBJECT its JSON), and
v{i}, the typed value. What the value was in JSON is looked up by `kind`, a parse of its own, in the few rows where the
text does not tell. Typing is lenient where nothing is lost and strict everywhere else; docs/specs/contract.md has the
rules. Common forms come first in every CASE: DuckDB evaluates a branch only for the rows that reach it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

from mainstem.contracts._time_format import TimeFormat
from mainstem.contracts._times import EPOCH, LOCAL, MIDNIGHT, SHORT_EPOCH, TIME, ZULU
from mainstem.contracts.contract import ContractField
from mainstem.contracts.reasons import Reason
from mainstem.model import FieldType

__all__ = ["COLUMN_TYPES", "Code", "FieldSql", "literal"]

COLUMN_TYPES = {
    FieldType.STRING: "VARCHAR",
    FieldType.INTEGER: "BIGINT",
    FieldType.NUMBER: "DECIMAL(38, 9)",
    FieldType.BOOLEAN: "BOOLEAN",
    FieldType.TIMESTAMP: "TIMESTAMP",
    FieldType.DATE: "DATE",
    FieldType.OBJECT: "VARCHAR",
}

_QUOTE, _BRACE, _BRACKET = ord('"'), ord("{"), ord("[")
# Strings and numbers begin below this code, objects, arrays, booleans above.
_SCALAR = f"< {ord(':')}"

_INTEGER = r"[+-]?\d+(\.0*)?"
_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?"
# `10:00Z` to `10:00:00Z`.
_MINUTES = r"^(.{16})((?:Z|[+-].*)?)$"
# A JSON number with a fraction or an exponent was read as a double: beyond this a neighbour may have been meant.
_EXACT_DOUBLE = 2**53

# An odd number of backslashes: an even one is backslashes, escaped.
_NUL_ESCAPE = r"(^|[^\\])(\\\\)*\\u0000"
_JSON_STRING = r'"([^"\\]|\\.)*"'
_JSON_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"

Code: TypeAlias = Callable[[Reason], str]
"""Gives the number, as SQL, by which a defect of the field at hand is called."""


def literal(value: str) -> str:
    """A SQL string."""
    return "'" + value.replace("'", "''") + "'"


def _matches(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


@dataclasses.dataclass(frozen=True, slots=True)
class FieldSql:
    """Expressions about field number `i`; `kind` is the code of the first character of its JSON (34: a string)."""

    i: int
    field: ContractField
    kind: str

    def as_meant(self, text: str) -> str:
        """The payload's `text` as the contract says that the source means it."""
        kind, form = self.field.type, self.field.form
        nothing = [*form.missing]
        if kind is not FieldType.STRING:
            # An empty string is how CSV and forms say that there is no number, time or boolean.
            nothing.append('""' if kind is FieldType.OBJECT else "")
        if nothing:
            # No nullif: DuckDB writes its first argument out twice, of so many in one another two to the power of it.
            text = f"CASE WHEN {text} NOT IN ({', '.join(map(literal, nothing))}) THEN {text} END"
        if form.codes:
            # No CASE, whose every branch would hold the text once more.
            codes, values = (", ".join(map(literal, column)) for column in zip(*form.codes, strict=True))
            text = f"coalesce(map([{codes}], [{values}])[{text}], {text})"
        if form.default is not None:
            # A patch leaves as it is what it does not name.
            text = f"coalesce({text}, CASE WHEN env_op <> 'patch' THEN {literal(form.default)} END)"
        return text

    def typed(self) -> str:
        """The typed value, null where it is absent or cannot be read."""
        t = f"t{self.i}"
        if self.field.type is FieldType.INTEGER:
            return self._integer()
        if self.field.type is FieldType.TIMESTAMP:
            return self._timestamp()
        if self.field.type is FieldType.NUMBER:
            return self._number()
        if self.field.type is FieldType.DATE:
            return self._date()
        opening = _BRACKET if self.field.array else _BRACE
        return {
            # Of what is no string or number the text of an object, an array and a boolean looks like this.
            FieldType.STRING: (
                f"CASE WHEN ascii({t}) IN ({_BRACE}, {_BRACKET}) OR {t} IN ('true', 'false')"
                f" THEN CASE WHEN {self.kind} {_SCALAR} THEN {t} END ELSE {t} END"
            ),
            FieldType.BOOLEAN: f"CASE lower({t}) WHEN 'true' THEN true WHEN 'false' THEN false END",
            FieldType.OBJECT: f"CASE WHEN ascii({t}) = {opening} THEN {t} END",
        }[self.field.type]

    def bounded(self) -> str | None:
        """A condition that the typed value must meet to be one; None when every one is."""
        if self.field.type is not FieldType.TIMESTAMP:
            return None
        # The years that stores, and readers in other languages, hold.
        return f"v{self.i} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'"

    def unreadable(self, code: Code) -> str:
        """The code of the reason why a field that is present has no typed value."""
        t, kind = f"t{self.i}", self.kind
        wrong = code(Reason.WRONG_TYPE)
        if self.field.type is FieldType.INTEGER:
            # Of numbers only those beyond a double still have their exponent as it was sent.
            beyond = f"({_matches(t, _INTEGER)} OR {kind} <> {_QUOTE} AND contains(lower({t}), 'e'))"
            return f"CASE WHEN {kind} {_SCALAR} AND {beyond} THEN {code(Reason.OUT_OF_RANGE)} ELSE {wrong} END"
        if self.field.type is FieldType.NUMBER:
            number = f"({kind} <> {_QUOTE} OR {_matches(t, _NUMBER)})"
            return f"CASE WHEN {kind} {_SCALAR} AND {number} THEN {code(Reason.OUT_OF_RANGE)} ELSE {wrong} END"
        if self.field.type in {FieldType.TIMESTAMP, FieldType.DATE}:
            return f"CASE WHEN {kind} {_SCALAR} THEN {code(Reason.INVALID_TIME)} ELSE {wrong} END"
        return wrong

    def hidden(self, code: Code) -> str | None:
        """CASE branches for a readable value that no store can keep; None when there is no such one."""
        v = f"v{self.i}"
        if self.field.type is FieldType.STRING:
            return f"WHEN nul AND contains({v}, chr(0)) THEN {code(Reason.NUL_CHARACTER)}"
        if self.field.type is not FieldType.OBJECT:
            return None
        numbers = f"regexp_extract_all(regexp_replace({v}, {literal(_JSON_STRING)}, '', 'g'), {literal(_JSON_NUMBER)})"
        infinite = (
            f"len(list_filter({numbers}, lambda x: NOT isfinite(coalesce(TRY_CAST(x AS DOUBLE), 'inf'::DOUBLE)))) > 0"
        )
        # Each begins with one character, which is searched for much faster than a class of them.
        exponent = f"regexp_matches({v}, 'e\\+?\\d{{3}}') OR regexp_matches({v}, 'E\\+?\\d{{3}}')"
        perhaps = f"{exponent} OR strlen({v}) > 300 AND regexp_matches({v}, '\\d{{300}}')"
        return (
            f"WHEN nul AND regexp_matches({v}, {literal(_NUL_ESCAPE)}) THEN {code(Reason.NUL_CHARACTER)}"
            f" WHEN {perhaps} THEN CASE WHEN {infinite} THEN {code(Reason.OUT_OF_RANGE)} END"
        )

    def allowed(self) -> str | None:
        """Whether the typed value is an allowed one; None when all are."""
        if not self.field.allowed:
            return None
        if self.field.type in {FieldType.INTEGER, FieldType.NUMBER}:
            listed = [f"{literal(value)}::{COLUMN_TYPES[self.field.type]}" for value in self.field.allowed]
        elif self.field.type is FieldType.DATE:
            listed = [f"DATE {literal(value)}" for value in self.field.allowed]
        else:
            listed = [literal(value) for value in self.field.allowed]
        return f"v{self.i} IN ({', '.join(listed)})"

    def _integer(self) -> str:
        """Beware: a bare cast rounds '1.5' to 2 and reads '1_000' and '0x1A'."""
        t = f"t{self.i}"
        cast = f"TRY_CAST({t} AS BIGINT)"
        whole = f"TRY_CAST(regexp_extract({t}, '^[+-]?\\d+') AS BIGINT)"
        exact = f"(NOT contains({t}, '.') OR abs({whole}::HUGEINT) < {_EXACT_DOUBLE} OR {self.kind} = {_QUOTE})"
        return f"CASE WHEN {cast}::VARCHAR = {t} THEN {cast} WHEN {_matches(t, _INTEGER)} AND {exact} THEN {whole} END"

    def _number(self) -> str:
        """The value as a decimal.

        Beware: a cast to DECIMAL(38) costs a hundred times one to DECIMAL(18), and of a text with an exponent either loses
        places and takes what is out of range.
        """
        t = f"t{self.i}"
        whole = f"TRY_CAST({t} AS BIGINT)"
        small = f"TRY_CAST({t} AS DECIMAL(18, 9))"
        number = (
            f"CASE WHEN {whole}::VARCHAR = {t} THEN {whole}::DECIMAL(38, 9) WHEN {_matches(t, _NUMBER)} THEN CASE"
            f" WHEN contains(lower({t}), 'e') THEN {_with_exponent(t)}"
            f" WHEN {small} IS NOT NULL THEN {small}::DECIMAL(38, 9) ELSE TRY_CAST({t} AS DECIMAL(38, 9)) END END"
        )
        factor = self.field.form.factor
        if factor is None:
            return number
        # With no more places than it has: each of them takes a digit from the largest product.
        return f"TRY(CAST(({number}) * {factor:f} AS DECIMAL(38, 9)))"

    def _date(self) -> str:
        t = f"t{self.i}"
        form = self.field.form
        if form.time_format is not None:
            read = f"({TimeFormat.of(form.time_format, date_only=True).sql(t)})::DATE"
            # What stands in the contract itself is no text of the source's.
            meant = [value for _, value in form.codes] + ([] if form.default is None else [form.default])
            known = ", ".join(map(literal, dict.fromkeys(meant)))
            return f"CASE WHEN {t} IN ({known}) THEN TRY_CAST({t} AS DATE) ELSE {read} END" if known else read
        return f"CASE WHEN {_matches(t, MIDNIGHT)} AND {t}[:4] <> '0000' THEN TRY_CAST({t}[:10] AS DATE) END"

    def _timestamp(self) -> str:
        """UTC, without a zone. Beware: a cast to TIMESTAMP drops an offset unread, one to TIMESTAMPTZ needs seconds."""
        t, form = f"t{self.i}", self.field.form
        if form.time_format is not None:
            declared = TimeFormat.of(form.time_format)
            read = declared.sql(t)
            return f"timezone('UTC', {read})" if declared.offset else self._local(read)
        with_seconds = f"regexp_replace(upper({t}), {literal(_MINUTES)}, '\\1:00\\2')"
        short = f"{_matches(t, SHORT_EPOCH)} AND {self.kind} <> {_QUOTE}"
        local = (
            ""
            if form.zone is None
            else f" WHEN {_matches(t, LOCAL)} THEN {self._local(f'TRY_CAST({with_seconds} AS TIMESTAMP)')}"
        )
        return (
            f"CASE WHEN {_matches(t, ZULU)} THEN TRY_CAST({t} AS TIMESTAMP){local}"
            f" WHEN {_matches(t, TIME)} THEN timezone('UTC', TRY_CAST({with_seconds} AS TIMESTAMPTZ))"
            f" WHEN {_matches(t, EPOCH)} OR {short} THEN {_since_1970(t)} END"
        )

    def _local(self, time: str) -> str:
        """A time without an offset, in UTC."""
        zone = self.field.form.zone
        return time if zone is None else f"timezone('UTC', timezone({literal(zone)}, {time}))"


def _with_exponent(t: str) -> str:
    """The decimal of a text with an exponent: the point is put where the exponent says."""
    size = f"abs(TRY_CAST({t} AS DOUBLE))"
    parts = f"regexp_extract({t}, '^[+-]?0*(\\d*)\\.?(\\d*)[eE](.*)$', ['whole', 'rest', 'exponent'])"
    digits, point = "(p.whole || p.rest)", "(strlen(p.whole) + p.exponent::INTEGER)"
    plain = (
        f"CASE WHEN {point} <= 0 THEN '0.' || repeat('0', -{point}) || {digits}"
        f" ELSE rpad({digits}[:{point}], {point}::INTEGER, '0') || '.' || {digits}[{point} + 1:] END"
    )
    sign = f"CASE WHEN starts_with({t}, '-') THEN '-' ELSE '' END"
    text = f"{sign} || list_transform([{parts}], lambda p: {plain})[1]"
    cast = "coalesce(TRY_CAST(x AS DECIMAL(18, 9))::DECIMAL(38, 9), TRY_CAST(x AS DECIMAL(38, 9)))"
    # What is that large or small is known, and its point would be anywhere.
    return f"CASE WHEN {size} < 5e-10 THEN 0 WHEN {size} < 1e30 THEN list_transform([{text}], lambda x: {cast})[1] END"


def _since_1970(t: str) -> str:
    """Seconds, milliseconds or microseconds since 1970, told apart by their magnitude."""
    whole, seconds, other = (f"TRY_CAST({t} AS {kind})" for kind in ("BIGINT", "DECIMAL(18, 7)", "DECIMAL(26, 9)"))

    def micros(number: str) -> str:
        return (
            f"{number} * CASE WHEN abs({number}) < 100000000000 THEN 1000000"
            f" WHEN abs({number}) < 100000000000000 THEN 1000 WHEN abs({number}) < 100000000000000000 THEN 1 END"
        )

    # Seconds with a fraction have a cast of their own: one to DECIMAL(26) costs a hundred times as much.
    return (
        f"make_timestamp(CASE WHEN {whole}::VARCHAR = {t} THEN {micros(whole)}"
        f" WHEN {seconds} IS NOT NULL THEN floor({seconds}::DECIMAL(25, 7) * 1000000)::BIGINT"
        f" ELSE floor({micros(other)})::BIGINT END)"
    )
