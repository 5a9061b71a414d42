"""Expressions: SQL in an allow-listed subset over named columns; the one reader of them, for rules and for metrics.

The text is parsed with sqlglot in a dialect without functions of its own, every node of the tree is looked at, and only
what is named below gets through; what comes out is put together from texts of ours. There are no subqueries, no table
functions and no way to name anything but the columns. Every part has one of a few kinds, and only equal kinds are
compared: DuckDB would rather cast a column of texts to numbers, and fail at the first text of a customer that is none.

An expression never fails on a row: what has no result (a sum that no decimal holds, a division's rest by zero) is null.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlglot import exp

from mainstem.contracts._functions import FUNCTIONS, SYNONYMS, UNITS, Function
from mainstem.contracts._parsing import Parser, json_path
from mainstem.contracts._pieces import (
    Kind,
    Piece,
    as_date,
    as_time,
    as_timestamp,
    boolean,
    bounded,
    braced,
    kind_of,
    quoted,
)
from mainstem.contracts._regex import portable_pattern
from mainstem.hints import near_miss

__all__ = ["Column", "Expression", "compile_condition", "compile_value"]

_DEEPEST = 100
_MOST_JOINS = 8
_LONGEST_MADE = 100_000
_MOST_CHARACTERS = 10_000
_MOST_PLACES = 9
_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)+")
# What DECIMAL(38, 9) holds; DuckDB makes a float of anything longer.
_NUMBER = re.compile(r"\d{1,29}(\.\d{1,9})?")
_COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_NUMERIC = (Kind.INTEGER, Kind.NUMBER)
_TIMES = (Kind.TIMESTAMP, Kind.DATE)


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column that may be named: its kind, and what it is for each engine; times in UTC, without a zone."""

    kind: Kind
    duckdb: str
    postgres: str


@dataclasses.dataclass(frozen=True, slots=True)
class Expression:
    """A condition for every engine; `columns` are those it names."""

    duckdb: str
    postgres: str
    columns: frozenset[str]


def compile_condition(text: str, columns: Mapping[str, Column], *, where: str, called: str = "condition") -> Expression:
    """The condition in a text.

    Raises ConfigurationError, naming `where` and the position in the text; `called` is what the text is to its reader.
    """
    reading = _Reading(columns, where, called)
    tree, piece = reading.whole(text)
    if piece.kind is not Kind.BOOLEAN:
        reading.refuse(tree, f"the {called} is neither true nor false", "Compare with a value.")
    return Expression(piece.duckdb, piece.postgres, frozenset(reading.named))


def compile_value(
    text: str, columns: Mapping[str, Column], *, where: str, called: str = "expression"
) -> tuple[Expression, Kind]:
    """What a text comes to, and its kind; raises as `compile_condition`, and where it is never a value."""
    reading = _Reading(columns, where, called)
    tree, piece = reading.whole(text)
    if piece.kind is Kind.UNKNOWN:
        reading.refuse(tree, f"the {called} is never a value", None)
    return Expression(piece.duckdb, piece.postgres, frozenset(reading.named)), piece.kind


class _Reading(Parser):
    """One walk over a tree; raises at the first node that is not allowed."""

    def __init__(self, columns: Mapping[str, Column], where: str, called: str) -> None:
        super().__init__(where, called)
        self._columns = columns
        self._depth = 0
        self._joins = 0
        self.named: set[str] = set()
        self._rules: Mapping[type[exp.Expr], Callable[[Any], Piece]] = {
            exp.And: lambda node: self._both(node, "AND"),
            exp.Or: lambda node: self._both(node, "OR"),
            exp.Not: lambda node: boolean("(NOT {})", self._expect(node.this, Kind.BOOLEAN)),
            **dict.fromkeys(_COMPARISONS, self._comparison),
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.Is: self._is,
            exp.Paren: lambda node: self.read(node.this),
            exp.Null: lambda _: Piece.same(Kind.UNKNOWN, "NULL"),
            exp.Boolean: lambda node: Piece.same(Kind.BOOLEAN, "true" if node.this else "false"),
            exp.Literal: self._literal,
            exp.Column: self._column,
            exp.Neg: self._negative,
            exp.Add: lambda node: self._arithmetic(node, "+"),
            exp.Sub: lambda node: self._arithmetic(node, "-"),
            exp.Mul: lambda node: self._arithmetic(node, "*"),
            exp.Mod: lambda node: self._rest([node.this, node.expression]),
            exp.DPipe: self._joined,
            exp.JSONExtractScalar: lambda node: self._inside(node, node.this, node.expression),
            exp.Case: self._case,
            exp.Cast: self._cast,
            exp.Anonymous: self._call,
        }
        self._calls: Mapping[str, Callable[[exp.Anonymous], Piece]] = {
            "abs": lambda node: self._rounding(node, "abs({})"),
            "ceil": lambda node: self._rounding(node, "ceil({})"),
            "floor": lambda node: self._rounding(node, "floor({})"),
            "round": self._round,
            "mod": lambda node: self._rest(self._arguments(node, 2, 2)),
            "greatest": self._extreme,
            "least": self._extreme,
            "coalesce": self._coalesce,
            "nullif": self._nullif,
            "substring": self._substring,
            "regexp_matches": self._regexp,
            "json_extract_string": lambda node: self._inside(node, *self._arguments(node, 2, 2)),
            "date_diff": self._date_diff,
        }

    def whole(self, text: str) -> tuple[exp.Expr, Piece]:
        """A text's tree, and what it is."""
        tree = self.tree(text)
        try:
            return tree, self.read(tree)
        except RecursionError:
            raise self.too_deep() from None

    def read(self, node: exp.Expr) -> Piece:
        """A node rendered, after everything below it was checked."""
        rule = self._rules.get(type(node))
        if rule is None:
            self.refuse_kind(node)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.too_deep()
        piece = rule(node)
        self._depth -= 1
        return piece

    # Conditions.

    def _both(self, node: exp.Binary, word: str) -> Piece:
        parts = [self._expect(part, Kind.BOOLEAN) for part in _row(node)]
        return boolean(f"({f' {word} '.join('{}' for _ in parts)})", *parts)

    def _comparison(self, node: exp.Binary) -> Piece:
        return boolean("({} " + _COMPARISONS[type(node)] + " {})", *self._compared([node.this, node.expression]))

    def _in(self, node: exp.In) -> Piece:
        if not node.expressions or any(node.args.get(part) is not None for part in ("query", "unnest", "field")):
            self.refuse(node, "IN takes a list", "Subqueries are not allowed.")
        parts = self._compared([node.this, *node.expressions])
        return boolean("({} IN (" + ", ".join("{}" for _ in parts[1:]) + "))", *parts)

    def _between(self, node: exp.Between) -> Piece:
        if node.args.get("symmetric"):
            self.refuse(node, "BETWEEN SYMMETRIC is not allowed", "Write the lower bound first.")
        return boolean("({} BETWEEN {} AND {})", *self._compared([node.this, node.args["low"], node.args["high"]]))

    def _like(self, node: exp.Like) -> Piece:
        if not (isinstance(node.expression, exp.Literal) and node.expression.is_string):
            self.refuse(node, "the pattern of LIKE is not a literal", None)
        text, pattern = self._expect(node.this, Kind.TEXT), self.read(node.expression)
        word = "NOT LIKE" if node.args.get("negate") else "LIKE"
        # PostgreSQL would take a backslash for an escape.
        return Piece.of(
            f"({{}} {word} {{}})", f"(({{}}) COLLATE \"C\" {word} {{}} ESCAPE '')", text, pattern, kind=Kind.BOOLEAN
        )

    def _is(self, node: exp.Is) -> Piece:
        if isinstance(node.expression, exp.Boolean):
            word = "TRUE" if node.expression.this else "FALSE"
            return boolean("({} IS " + word + ")", self._expect(node.this, Kind.BOOLEAN))
        if not isinstance(node.expression, exp.Null):
            self.refuse(node, "IS takes NULL, TRUE or FALSE, or NOT and one of them", None)
        return boolean(
            "({} IS NULL)", self._named(node.this) if isinstance(node.this, exp.Column) else self.read(node.this)
        )

    def _case(self, node: exp.Case) -> Piece:
        if node.this is not None:
            self.refuse(node, "CASE takes conditions", "Write CASE WHEN column = value THEN ... END.")
        branches: list[exp.If] = node.args["ifs"]
        conditions = [self._expect(one.this, Kind.BOOLEAN) for one in branches]
        default = node.args.get("default")
        values = self._alike([*(one.args["true"] for one in branches), *([] if default is None else [default])])
        parts = [part for pair in zip(conditions, values, strict=False) for part in pair]
        template = "(CASE" + " WHEN {} THEN {}" * len(branches) + ("" if default is None else " ELSE {}") + " END)"
        every = [*parts, *values[len(branches) :]]
        return Piece.of(template, template, *every, kind=kind_of(values))

    # Values.

    def _literal(self, node: exp.Literal) -> Piece:
        if node.is_string:
            if "\0" in node.name:
                self.refuse(node, "no text holds a NUL character", None)
            return dataclasses.replace(Piece.same(Kind.TEXT, quoted(node.name)), literal=node.name)
        if _NUMBER.fullmatch(node.name) is None:
            self.refuse(node, f"the number {node.name} is out of range", "29 digits, then up to 9 decimal places.")
        if "." not in node.name and int(node.name) < 2**63:
            return Piece(Kind.INTEGER, node.name, node.name, int(node.name))
        return Piece.same(Kind.UNKNOWN, node.name).number()

    def _named(self, node: exp.Column) -> Piece:
        """The column, whatever it may be used for."""
        column = self._columns.get(node.name)
        if node.table or column is None:
            self.refuse(
                node,
                f"there is no column {node.sql()!r}",
                "Only the record's own columns can be named."
                if node.table
                else near_miss(node.name.lower(), self._columns),
            )
        self.named.add(node.name)
        return Piece(column.kind, column.duckdb, column.postgres)

    def _column(self, node: exp.Column) -> Piece:
        piece = self._named(node)
        if piece.kind is Kind.REFERENCE:
            self.refuse(node, f"{node.name!r} is a reference", "It can only be tested: IS NULL, IS NOT NULL.")
        if piece.kind is Kind.OBJECT:
            self.refuse(
                node, f"{node.name!r} is an object", f"Look into it: json_extract_string({node.name}, '$.key')."
            )
        return piece

    def _negative(self, node: exp.Neg) -> Piece:
        piece = self._numeric(node.this)
        if piece.literal is not None and isinstance(piece.literal, int):
            return Piece(Kind.INTEGER, f"(-{piece.literal})", f"(-{piece.literal})", -piece.literal)
        return Piece.of("(-{})", "(-{})", piece.number(), kind=Kind.NUMBER)

    def _arithmetic(self, node: exp.Binary, sign: str) -> Piece:
        for part in (node.this, node.expression):
            if isinstance(part, exp.Interval):
                self.refuse_kind(part)
        parts = [self._numeric(part).number() for part in (node.this, node.expression)]
        # A product of two numbers has eighteen decimal places before it is rounded, which leaves twenty digits.
        below = "1e20" if sign == "*" else "1e29"
        return bounded(f"{{}} {sign} {{}}", f"{{}} {sign} {{}}", *parts, below=below)

    def _rest(self, nodes: Sequence[exp.Expr]) -> Piece:
        parts = [self._numeric(part).number() for part in nodes]
        return bounded("{} % {}", "mod({}, nullif({}, 0))", *parts)

    def _joined(self, node: exp.DPipe) -> Piece:
        """Texts in a row; null where that would be too long, so that a batch of any records fits into memory."""
        nodes = _row(node)
        self._joins += len(nodes) - 1
        if self._joins > _MOST_JOINS:
            self.refuse(node, f"|| is there more than {_MOST_JOINS} times", "Compare the parts by themselves.")
        parts = [self._expect(part, Kind.TEXT) for part in nodes]
        # In one step: a row of || would keep every text between the first and the last.
        duckdb = f"concat({', '.join('{}' for _ in parts)})"
        postgres = " || ".join("{}" for _ in parts)
        return Piece.of(
            f"(CASE WHEN {' + '.join('strlen({})' for _ in parts)} <= {_LONGEST_MADE} THEN {duckdb} END)",
            f"(CASE WHEN {' + '.join('CAST(octet_length(CAST({} AS text)) AS bigint)' for _ in parts)}"
            f" <= {_LONGEST_MADE} THEN {postgres} END)",
            *parts,
            *parts,
            kind=Kind.TEXT,
        )

    def _cast(self, node: exp.Cast) -> Piece:
        to: exp.DataType = node.to
        if to.this is not exp.DType.DATE:
            self.refuse(node, "a cast is not allowed", "Only CAST(time AS DATE) is, the day in UTC.")
        piece = self._time(node.this)
        return Piece.of("CAST({} AS DATE)", "CAST({} AS DATE)", piece, kind=Kind.DATE)

    # Functions.

    def _call(self, node: exp.Anonymous) -> Piece:
        name = _name(node)
        function = FUNCTIONS.get(name)
        if function is None:
            self.refuse(node, f"the function {name!r} is not allowed", near_miss(name, FUNCTIONS))
        if function.takes is None:
            return self._calls[name](node)
        return self._plain(node, function, function.takes)

    def _plain(self, node: exp.Anonymous, function: Function, takes: Sequence[Kind]) -> Piece:
        nodes = self._arguments(node, len(takes), len(takes))
        parts = [
            self._time(part).timestamp() if kind is Kind.TIMESTAMP else self._expect(part, kind)
            for part, kind in zip(nodes, takes, strict=True)
        ]
        return Piece.of(function.duckdb, function.postgres, *parts, kind=function.gives)

    def _arguments(self, node: exp.Anonymous, least: int, most: int) -> Sequence[exp.Expr]:
        function = FUNCTIONS[_name(node)]
        if not least <= len(node.expressions) <= most:
            self.refuse(node, f"{len(node.expressions)} arguments are given", f"Write {function.call}.")
        return node.expressions

    def _rounding(self, node: exp.Anonymous, template: str) -> Piece:
        [part] = self._arguments(node, 1, 1)
        return bounded(template, template, self._numeric(part).number())

    def _round(self, node: exp.Anonymous) -> Piece:
        number, *rest = self._arguments(node, 1, 2)
        places = self._whole(rest[0], _MOST_PLACES, "the decimal places of round") if rest else 0
        template = f"round({{}}, {places})"
        return bounded(template, template, self._numeric(number).number())

    def _extreme(self, node: exp.Anonymous) -> Piece:
        parts = self._alike(self._arguments(node, 2, 20))
        kind = kind_of(parts)
        if kind not in {*_NUMERIC, *_TIMES, Kind.UNKNOWN}:
            self.refuse(node, f"this is {kind} where numbers or times are expected", None)
        template = f"{_name(node)}({', '.join('{}' for _ in parts)})"
        return Piece.of(template, template, *parts, kind=kind)

    def _coalesce(self, node: exp.Anonymous) -> Piece:
        parts = self._alike(self._arguments(node, 1, 20))
        template = f"coalesce({', '.join('{}' for _ in parts)})"
        return Piece.of(template, template, *parts, kind=kind_of(parts))

    def _nullif(self, node: exp.Anonymous) -> Piece:
        parts = self._compared(self._arguments(node, 2, 2))
        return Piece.of("nullif({}, {})", "nullif({}, {})", *parts, kind=kind_of(parts))

    def _substring(self, node: exp.Anonymous) -> Piece:
        text, *rest = self._arguments(node, 2, 3)
        numbers = [self._whole(part, _MOST_CHARACTERS, "a place or length of substring") for part in rest]
        if numbers[0] == 0:
            self.refuse(rest[0], "the first character is at place 1", None)
        template = f"substring({{}}, {', '.join(map(str, numbers))})"
        return self._made(template, Kind.TEXT, [text])

    def _regexp(self, node: exp.Anonymous) -> Piece:
        text, pattern = self._arguments(node, 2, 2)
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            self.refuse(node, "the pattern of regexp_matches is not a literal", None)
        try:
            portable = portable_pattern(pattern.name)
        except ValueError as error:
            self.refuse(pattern, f"the pattern cannot be used: {error}", None)
        piece = self._expect(text, Kind.TEXT)
        return Piece.of(
            f"regexp_matches({{}}, {braced(quoted(portable))})",
            f'(({{}}) COLLATE "C" ~ {braced(quoted(portable))})',
            piece,
            kind=Kind.BOOLEAN,
        )

    def _inside(self, node: exp.Expr, column: exp.Expr, path: exp.Expr) -> Piece:
        if not isinstance(column, exp.Column) or self._named(column).kind is not Kind.OBJECT:
            objects = [name for name, one in self._columns.items() if one.kind is Kind.OBJECT]
            known = f"Known are: {', '.join(objects)}." if objects else "There is none here."
            self.refuse(node, "json_extract_string looks into an object only", known)
        keys = json_path(path)
        if keys is None or _PATH.fullmatch(keys) is None:
            self.refuse(node, "the path of json_extract_string is not a literal like '$.plan.name'", None)
        steps = ",".join(keys.split(".")[1:])
        return Piece.of(
            f"json_extract_string({{}}, {quoted(keys)})",
            f"(CAST({{}} AS json) #>> '{braced('{' + steps + '}')}')",
            self._named(column),
            kind=Kind.TEXT,
        )

    def _date_diff(self, node: exp.Anonymous) -> Piece:
        unit, *times = self._arguments(node, 3, 3)
        word = unit.name.lower() if isinstance(unit, exp.Literal) and unit.is_string else ""
        if word not in UNITS:
            self.refuse(unit, "the unit of date_diff is none", near_miss(word, UNITS))
        parts = [self._time(part).timestamp() for part in times]
        since = f"extract(epoch FROM date_trunc('{word}', {{}}))"
        return Piece.of(
            f"date_diff('{word}', {{}}, {{}})",
            # The two stand the other way round.
            f"(SELECT CAST(({since.format('later')} - {since.format('earlier')}) / {UNITS[word]} AS bigint) "
            "FROM (SELECT {} AS earlier, {} AS later) AS made)",
            *parts,
            kind=Kind.INTEGER,
        )

    # Kinds.

    def _expect(self, node: exp.Expr, wanted: Kind) -> Piece:
        piece = self.read(node)
        if piece.kind not in {wanted, Kind.UNKNOWN}:
            self.refuse(node, f"this is {piece.kind} where {wanted} is expected", None)
        return piece

    def _numeric(self, node: exp.Expr) -> Piece:
        piece = self.read(node)
        if piece.kind not in {*_NUMERIC, Kind.UNKNOWN}:
            self.refuse(node, f"this is {piece.kind} where number is expected", None)
        return piece

    def _time(self, node: exp.Expr) -> Piece:
        """A timestamp or a date; a literal is one of them."""
        piece = self.read(node)
        if piece.kind is Kind.TEXT and isinstance(piece.literal, str):
            piece = as_date(piece) or as_timestamp(piece) or piece
        if piece.kind is Kind.UNKNOWN:
            return dataclasses.replace(piece, kind=Kind.DATE).timestamp()
        if piece.kind not in _TIMES:
            self.refuse(
                node, f"this is {piece.kind} where a time is expected", "Times are ISO 8601, in UTC if not said."
            )
        return piece

    def _made(self, template: str, kind: Kind, nodes: Sequence[exp.Expr]) -> Piece:
        """What a template makes of parts that are all of its kind."""
        return Piece.of(template, template, *(self._expect(node, kind) for node in nodes), kind=kind)

    def _whole(self, node: exp.Expr, most: int, what: str) -> int:
        value = self.read(node).literal
        if not isinstance(value, int) or not 0 <= value <= most:
            self.refuse(node, f"{what} is no literal", f"Write a whole number up to {most}.")
        return value

    def _compared(self, nodes: Sequence[exp.Expr]) -> list[Piece]:
        """Parts of one kind, whose texts are compared by their bytes."""
        return [
            dataclasses.replace(part, postgres=f'(({part.postgres}) COLLATE "C")') if part.kind is Kind.TEXT else part
            for part in self._alike(nodes)
        ]

    def _alike(self, nodes: Sequence[exp.Expr]) -> list[Piece]:
        """Parts brought to one kind: a text beside a time is read as one, a whole number beside decimals is one."""
        parts = [self.read(node) for node in nodes]
        kinds = {part.kind for part in parts} - {Kind.UNKNOWN}
        if kinds & set(_TIMES):
            parts = [as_time(part, kinds) for part in parts]
            kinds = {part.kind for part in parts} - {Kind.UNKNOWN}
            if kinds == set(_TIMES):
                parts = [part if part.kind is Kind.UNKNOWN else part.timestamp() for part in parts]
                kinds = {Kind.TIMESTAMP}
        if kinds == set(_NUMERIC):
            parts = [part if part.kind is Kind.UNKNOWN else part.number() for part in parts]
            kinds = {Kind.NUMBER}
        if len(kinds) > 1:
            names = sorted({"number" if kind is Kind.INTEGER else str(kind) for kind in kinds})
            self.refuse(nodes[0], f"{names[0]} is compared with {names[1]}", None)
        return parts


def _name(node: exp.Anonymous) -> str:
    name = str(node.this).lower()
    return SYNONYMS.get(name, name)


def _row(node: exp.Binary) -> list[exp.Expr]:
    """What one operator, written several times in a row, joins: a row of any length is not deep."""
    parts: list[exp.Expr] = []
    place: exp.Expr = node
    while type(place) is type(node):
        parts.append(place.expression)
        place = place.this
    return [place, *reversed(parts)]
