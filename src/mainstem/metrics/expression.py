"""The condition of a metric: SQL in an allow-listed subset over the columns of one entity.

The text is parsed with sqlglot, every node of the tree is looked at, and only what is named below gets through; what is
left is rendered for DuckDB. There are no subqueries, no table functions and no way to name anything but the entity's own
columns. Every part has one of a few types, and only equal types are compared: DuckDB would rather cast a column of texts
to numbers, and fail at the first text of a customer that is none.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import sqlglot
from sqlglot import errors, exp

from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["FUNCTIONS", "compile_condition"]

FUNCTIONS = ("abs", "coalesce", "json_extract_string", "lower", "upper")

_LONGEST = 4_000
_DEEPEST = 200
_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)+")
# What DECIMAL(38, 9) holds; DuckDB makes a float of anything longer.
_NUMBER = re.compile(r"\d{1,29}(\.\d{1,9})?")
_COMPARISONS: tuple[type[exp.Expr], ...] = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_UNKNOWN = "null"


def compile_condition(text: str, columns: Mapping[str, str], *, where: str) -> str:
    """The condition as SQL for DuckDB.

    `columns` gives each column that may be named its type: `text`, `number`, `timestamp`, `reference` (may only be
    tested for NULL) or `object` (may only be looked into with json_extract_string). Raises ConfigurationError, naming
    `where` and the position in the text.
    """
    if len(text) > _LONGEST:
        raise ConfigurationError(f"The condition is longer than {_LONGEST} characters.", where=where)
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except (errors.ParseError, errors.TokenError) as error:
        raise ConfigurationError(f"The condition cannot be read{_position(error)}.", where=where) from None
    except RecursionError:
        raise ConfigurationError("The condition is nested too deeply.", where=where) from None
    check = _Check(columns, where)
    if check.type_of(tree) != "boolean":
        check.refuse(tree, "the condition is neither true nor false", "Compare with a value.")
    return tree.sql("duckdb", comments=False)


def _position(error: errors.ParseError | errors.TokenError) -> str:
    details: list[dict[str, Any]] = getattr(error, "errors", [])
    if not details or details[0].get("col") is None:
        return ""
    near = details[0].get("highlight")
    return f" at line {details[0]['line']}, column {details[0]['col']}" + (f", near {near!r}" if near else "")


class _Check:
    """One walk over a tree; raises at the first node that is not allowed."""

    def __init__(self, columns: Mapping[str, str], where: str) -> None:
        self._columns = columns
        self._where = where
        self._depth = 0
        self._rules: Mapping[type[exp.Expr], Callable[[Any], str]] = {
            exp.And: self._both,
            exp.Or: self._both,
            exp.Not: lambda node: self._expect(node.this, "boolean"),
            **dict.fromkeys(_COMPARISONS, self._comparison),
            exp.In: self._in,
            exp.Between: lambda node: self._tested([node.this, node.args["low"], node.args["high"]]),
            exp.Like: self._like,
            exp.Is: self._is,
            exp.Paren: lambda node: self.type_of(node.this),
            exp.Null: lambda _: _UNKNOWN,
            exp.Boolean: lambda _: "boolean",
            exp.Literal: self._literal,
            exp.Column: self._column,
            exp.JSONExtractScalar: self._json,
            exp.Lower: lambda node: self._expect(node.this, "text"),
            exp.Upper: lambda node: self._expect(node.this, "text"),
            exp.Abs: lambda node: self._expect(node.this, "number"),
            exp.Neg: lambda node: self._expect(node.this, "number"),
            exp.Coalesce: lambda node: self._alike([node.this, *node.expressions]),
        }

    def type_of(self, node: exp.Expr) -> str:
        """The type of a node after everything below it was checked: boolean, text, number, timestamp or null."""
        rule = self._rules.get(type(node))
        if rule is None:
            self._refuse_kind(node)
        self._depth += 1
        if self._depth > _DEEPEST:
            self.refuse(node, "the condition is nested too deeply", None)
        kind = rule(node)
        self._depth -= 1
        return kind

    def _both(self, node: exp.Binary) -> str:
        self._expect(node.this, "boolean")
        return self._expect(node.expression, "boolean")

    def _comparison(self, node: exp.Binary) -> str:
        return self._tested([node.this, node.expression])

    def _in(self, node: exp.In) -> str:
        if not node.expressions or any(node.args.get(part) is not None for part in ("query", "unnest", "field")):
            self.refuse(node, "IN takes a list", "Subqueries are not allowed.")
        return self._tested([node.this, *node.expressions])

    def _like(self, node: exp.Like) -> str:
        if not isinstance(node.expression, exp.Literal):
            self.refuse(node, "the pattern of LIKE is not a literal", None)
        self._expect(node.this, "text")
        self._expect(node.expression, "text")
        return "boolean"

    def _is(self, node: exp.Is) -> str:
        if not isinstance(node.expression, exp.Null):
            self.refuse(node, "IS takes NULL or NOT NULL", None)
        if not (isinstance(node.this, exp.Column) and self._named(node.this) in {"reference", "object"}):
            self.type_of(node.this)
        return "boolean"

    def _tested(self, parts: list[Any]) -> str:
        """The type of a comparison of parts that are alike."""
        self._alike(parts)
        return "boolean"

    def _refuse_kind(self, node: exp.Expr) -> NoReturn:
        if isinstance(node, exp.Func):
            name = str(node.this if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
            self.refuse(node, f"the function {name!r} is not allowed", near_miss(name, FUNCTIONS))
        self.refuse(
            node,
            f"{type(node).__name__!r} is not allowed",
            "A condition has columns, literals, = <> < <= > >=, AND, OR, NOT, IN, BETWEEN, IS NULL, LIKE, "
            f"and the functions {', '.join(FUNCTIONS)}.",
        )

    def _expect(self, node: exp.Expr, wanted: str) -> str:
        found = self.type_of(node)
        if found not in {wanted, _UNKNOWN}:
            self.refuse(node, f"this is {found} where {wanted} is expected", None)
        return wanted

    def _alike(self, parts: list[Any]) -> str:
        """The one type of all parts. A text beside a timestamp is read as one."""
        found = [self.type_of(part) for part in parts]
        if "timestamp" in found:
            for place, part in enumerate(parts):
                if found[place] == "text" and isinstance(part, exp.Literal) and _is_instant(part.name):
                    found[place] = "timestamp"
        types = sorted({kind for kind in found if kind != _UNKNOWN})
        if len(types) > 1:
            self.refuse(parts[0], f"{types[0]} is compared with {types[1]}", None)
        return types[0] if types else _UNKNOWN

    def _literal(self, node: exp.Literal) -> str:
        if node.is_string:
            return "text"
        if _NUMBER.fullmatch(node.name) is None:
            self.refuse(node, f"the number {node.name} is out of range", "29 digits, then up to 9 decimal places.")
        return "number"

    def _named(self, node: exp.Column) -> str:
        """The type of the column, whatever it may be used for."""
        kind = self._columns.get(node.name)
        if node.table or kind is None:
            self.refuse(node, f"there is no column {node.sql()!r}", near_miss(node.name.lower(), self._columns))
        return kind

    def _column(self, node: exp.Column) -> str:
        kind = self._named(node)
        if kind == "reference":
            self.refuse(node, f"{node.name!r} is a reference", "It can only be tested: IS NULL, IS NOT NULL.")
        if kind == "object":
            self.refuse(
                node, f"{node.name!r} is an object", f"Look into it: json_extract_string({node.name}, '$.key')."
            )
        return kind

    def _json(self, node: exp.JSONExtractScalar) -> str:
        column, path = node.this, node.expression
        if not isinstance(column, exp.Column) or self._named(column) != "object":
            objects = [name for name, kind in self._columns.items() if kind == "object"]
            self.refuse(node, "json_extract_string looks into an object only", f"Known are: {', '.join(objects)}.")
        if not isinstance(path, exp.JSONPath) or _PATH.fullmatch(path.sql("duckdb").strip("'")) is None:
            self.refuse(node, "the path of json_extract_string is not a literal like '$.plan.name'", None)
        return "text"

    def refuse(self, node: exp.Expr, why: str, hint: str | None) -> NoReturn:
        """Raise ConfigurationError with the position of the first word of the node that has one."""
        # sqlglot's column is that of a word's last letter.
        positions = [
            (meta["line"], meta["col"] - (meta["end"] - meta["start"]))
            for meta in (part.meta for part in node.walk())
            if "line" in meta
        ]
        at = "at line {}, column {}: ".format(*min(positions)) if positions else ""
        raise ConfigurationError(f"In the condition, {at}{why}.", where=self._where, hint=hint)


def _is_instant(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
