"""An expression's text as a tree, and what is said of a part that is not allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from sqlglot import Token, TokenType, errors, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.parsers.duckdb import DuckDBParser

from mainstem.contracts._functions import FUNCTIONS
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["Parser", "json_path"]

_LONGEST = 4_000
# The reader of texts goes down some twenty calls for each, of the thousand that Python allows.
_DEEPEST = 25
_OPENING = frozenset({TokenType.L_PAREN, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.END})
_PREFIXES = frozenset({TokenType.NOT, TokenType.DASH})
_NAMED_KINDS: Mapping[type[exp.Expr], str] = {
    exp.Subquery: "a subquery",
    exp.Select: "a subquery",
    exp.Exists: "a subquery",
    exp.Window: "a window over other rows",
    exp.Placeholder: "a parameter",
    exp.Parameter: "a parameter",
    exp.Lambda: "a lambda",
    exp.Interval: "an interval",
    exp.Div: "a division",
    exp.IntDiv: "a division",
}
_HINTS: Mapping[type[exp.Expr], str] = {
    exp.Div: "Multiply the other side instead: a < b * c.",
    exp.IntDiv: "Multiply the other side instead: a < b * c.",
    exp.Interval: "Compare the result of date_diff(unit, time, time).",
}
_ALLOWED = (
    "Allowed are columns, literals, = <> < <= > >=, + - * % ||, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, IS TRUE, "
    "IS DISTINCT FROM, CASE, CAST(time AS DATE), and the functions "
)


class _Dialect(DuckDB):
    """DuckDB's grammar, in which every function is just a name with arguments."""

    class Parser(DuckDBParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {"CAST": DuckDBParser.FUNCTION_PARSERS["CAST"]}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}


class Parser:
    """Reads one text; `where` it stands and what it is `called` are told with every refusal."""

    def __init__(self, where: str, called: str) -> None:
        self._where = where
        self._called = called

    def tree(self, text: str) -> exp.Expr:
        """The text parsed: one expression."""
        if len(text) > _LONGEST:
            raise ConfigurationError(f"The {self._called} is longer than {_LONGEST} characters.", where=self._where)
        dialect = _Dialect()
        try:
            tokens = dialect.tokenize(text)
            self._check_depth(tokens)
            trees = dialect.parser().parse(tokens, text)
        except (errors.ParseError, errors.TokenError) as error:
            message = f"The {self._called} cannot be read{_position(error)}."
            raise ConfigurationError(message, where=self._where, hint="It is one SQL condition.") from None
        except RecursionError:
            raise self.too_deep() from None
        if not trees or trees[0] is None:
            raise ConfigurationError(f"The {self._called} cannot be read: it is empty.", where=self._where)
        if len(trees) > 1:
            first = next((tree for tree in trees[1:] if tree is not None), trees[0])
            self.refuse(first, "a second statement is not allowed", "Write one condition, without a semicolon.")
        return trees[0]

    def too_deep(self) -> ConfigurationError:
        """The error of a text that is nested too deeply."""
        return ConfigurationError(
            f"The {self._called} is nested too deeply, or has too long a row of operators.",
            where=self._where,
            hint=f"Up to {_DEEPEST} parentheses or CASEs may stand inside one another.",
        )

    def _check_depth(self, tokens: Sequence[Token]) -> None:
        """Whether a text can be read must not depend on how much of the stack its reader's caller has used."""
        depth = prefixes = 0
        for token in tokens:
            kind = token.token_type
            depth += (kind in _OPENING) - (kind in _CLOSING)
            prefixes = prefixes + 1 if kind in _PREFIXES else 0
            if max(depth, prefixes) > _DEEPEST:
                raise self.too_deep()

    def refuse_kind(self, node: exp.Expr) -> NoReturn:
        """Raise ConfigurationError: nothing of the node's kind is allowed."""
        if isinstance(node, exp.Func) and type(node) not in _NAMED_KINDS:
            name = node.sql_name().lower()
            self.refuse(node, f"the function {name!r} is not allowed", near_miss(name, FUNCTIONS))
        what = _NAMED_KINDS.get(type(node), repr(type(node).__name__))
        self.refuse(node, f"{what} is not allowed", _HINTS.get(type(node), f"{_ALLOWED}{', '.join(FUNCTIONS)}."))

    def refuse(self, node: exp.Expr, why: str, hint: str | None) -> NoReturn:
        """Raise ConfigurationError with the position of the first word of the node, or else the one before it."""
        place: exp.Expr | None = node
        positions: list[tuple[int, int]] = []
        while place is not None and not positions:
            positions = _positions(place)
            place = place.parent
        at = "at line {}, column {}: ".format(*min(positions)) if positions else ""
        raise ConfigurationError(f"In the {self._called}, {at}{why}.", where=self._where, hint=hint)


def json_path(node: exp.Expr) -> str | None:
    """A path into an object, however it is written (`plan.name`, `$["plan"].name`), as `$.plan.name`; None for none."""
    path = _Dialect().to_json_path(node) if isinstance(node, exp.Literal) and node.is_string else node
    return path.sql(_Dialect).strip("'") if isinstance(path, exp.JSONPath) else None


def _positions(node: exp.Expr) -> list[tuple[int, int]]:
    # sqlglot's column is that of a word's last letter.
    return [
        (meta["line"], meta["col"] - (meta["end"] - meta["start"]))
        for meta in (part.meta for part in node.walk())
        if "line" in meta
    ]


def _position(error: errors.ParseError | errors.TokenError) -> str:
    details: list[dict[str, Any]] = getattr(error, "errors", [])
    if not details or details[0].get("col") is None:
        return ""
    near = details[0].get("highlight")
    return f" at line {details[0]['line']}, column {details[0]['col']}" + (f", near {near!r}" if near else "")
