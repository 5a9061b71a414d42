"""Parts of an expression: what each is, and its text for every engine.

An engine's own arithmetic differs at the edges: DuckDB fails where a sum passes its type, PostgreSQL goes on. So numbers
are decimals of 38 digits, nine of them decimal places, and what does not fit is no value, on every engine.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Sequence

__all__ = ["Kind", "Piece", "as_date", "as_time", "as_timestamp", "boolean", "bounded", "braced", "kind_of", "quoted"]

_DECIMAL = "DECIMAL(38, 9)"


class Kind(enum.StrEnum):
    """What a part of an expression is."""

    BOOLEAN = "boolean"
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIMESTAMP = "timestamp"
    DATE = "date"
    OBJECT = "object"
    """May only be tested for NULL and looked into."""
    REFERENCE = "reference"
    """May only be tested for NULL."""
    UNKNOWN = "null"


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A part, rendered. Times are in UTC without a zone; `literal` is the text or whole number that a literal is of."""

    kind: Kind
    duckdb: str
    postgres: str
    literal: str | int | None = None

    @classmethod
    def same(cls, kind: Kind, sql: str) -> Piece:
        """A part that all engines write alike."""
        return cls(kind, sql, sql)

    def number(self) -> Piece:
        """The part as a decimal."""
        if self.kind is Kind.NUMBER:
            return self
        return Piece(Kind.NUMBER, f"CAST({self.duckdb} AS {_DECIMAL})", f"CAST({self.postgres} AS numeric)")

    def timestamp(self) -> Piece:
        """A date as its midnight."""
        if self.kind is Kind.TIMESTAMP:
            return self
        return Piece.of("CAST({} AS TIMESTAMP)", "CAST({} AS TIMESTAMP)", self, kind=Kind.TIMESTAMP)

    @classmethod
    def of(cls, duckdb: str, postgres: str, *parts: Piece, kind: Kind) -> Piece:
        """A part made of others: templates with a `{}` for each."""
        return cls(
            kind,
            duckdb.format(*(part.duckdb for part in parts)),
            postgres.format(*(part.postgres for part in parts)),
        )


def bounded(duckdb: str, postgres: str, *parts: Piece, below: str = "1e29") -> Piece:
    """A number made of numbers: rounded to nine places, and no value where it reaches `below`."""
    made = Piece.of(duckdb, postgres, *parts, kind=Kind.NUMBER)
    return Piece(
        Kind.NUMBER,
        f"TRY(CAST({made.duckdb} AS {_DECIMAL}))",
        # In a sub-select, so that the number stands in the text once, however deep it is nested.
        f"(SELECT CASE WHEN abs(x) < {below} THEN round(x, 9) END FROM (SELECT {made.postgres} AS x) AS made)",
    )


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def boolean(template: str, *parts: Piece) -> Piece:
    """A condition that all engines write alike: a template with a `{}` for each part."""
    return Piece.of(template, template, *parts, kind=Kind.BOOLEAN)


def braced(text: str) -> str:
    """A text that stands in a template."""
    return text.replace("{", "{{").replace("}", "}}")


def kind_of(parts: Sequence[Piece]) -> Kind:
    """What parts that were brought to one kind are; unknown where all are NULL."""
    return next((part.kind for part in parts if part.kind is not Kind.UNKNOWN), Kind.UNKNOWN)


def as_time(part: Piece, kinds: set[Kind]) -> Piece:
    """A literal text beside times, read as one of them where it is one."""
    if part.kind is not Kind.TEXT or part.literal is None:
        return part
    if Kind.TIMESTAMP not in kinds and (day := as_date(part)) is not None:
        return day
    return as_timestamp(part) or part


def as_date(part: Piece) -> Piece | None:
    """A literal text as the day that it names; None when it names none."""
    try:
        day = dt.date.fromisoformat(str(part.literal))
    except ValueError:
        return None
    return Piece.same(Kind.DATE, f"DATE '{day.isoformat()}'")


def as_timestamp(part: Piece) -> Piece | None:
    """A literal text as the instant that it names, in UTC if it says no zone; None when it names none."""
    try:
        at = dt.datetime.fromisoformat(str(part.literal))
        at = at if at.tzinfo is None else at.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return Piece.same(Kind.TIMESTAMP, f"TIMESTAMP '{at.isoformat(' ')}'")
