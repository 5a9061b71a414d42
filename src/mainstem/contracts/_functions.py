"""The functions an expression may call, each with its text for every engine.

tests/integration/contracts/test_functions.py runs a table of edge cases of each on both engines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from mainstem.contracts._pieces import Kind

__all__ = ["FUNCTIONS", "SYNONYMS", "UNITS", "Function"]

_T = Kind.TEXT


@dataclasses.dataclass(frozen=True, slots=True)
class Function:
    """`takes` are the kinds of its arguments; None: they have rules of their own. Templates have a `{}` for each."""

    call: str
    help: str
    takes: tuple[Kind, ...] | None = None
    gives: Kind = Kind.UNKNOWN
    duckdb: str = ""
    postgres: str = ""


def _part(name: str, what: str, field: str) -> Function:
    return Function(
        f"{name}(time)",
        what,
        (Kind.TIMESTAMP,),
        Kind.INTEGER,
        f"extract('{field}' FROM {{}})",
        f"CAST(extract({field} FROM {{}}) AS bigint)",
    )


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "abs": Function("abs(number)", "The number without its sign."),
        "ceil": Function("ceil(number)", "The next whole number upwards."),
        "floor": Function("floor(number)", "The next whole number downwards."),
        "round": Function("round(number[, places])", "Rounded, halves away from zero; `places` is 0 to 9."),
        "mod": Function("mod(number, number)", "What is left of a division, with the sign of the first; of 0 none."),
        "greatest": Function("greatest(value, ...)", "The greatest number or time; nulls are passed over."),
        "least": Function("least(value, ...)", "The least number or time; nulls are passed over."),
        "coalesce": Function("coalesce(value, ...)", "The first that is not null."),
        "nullif": Function("nullif(value, value)", "The first, or null where both are equal."),
        "length": Function(
            "length(text)", "Characters (code points).", (_T,), Kind.INTEGER, "length({})", "CAST(length({}) AS bigint)"
        ),
        "lower": Function("lower(text)", "In small letters.", (_T,), _T, "lower({})", 'lower(({}) COLLATE "default")'),
        "upper": Function(
            "upper(text)",
            "In capital letters.",
            (_T,),
            _T,
            # The two do not agree on this one letter.
            "replace(upper({}), '\u1e9e', '\u00df')",
            "replace(upper(({}) COLLATE \"default\"), '\u1e9e', '\u00df')",
        ),
        "trim": Function("trim(text)", "Without spaces at both ends.", (_T,), _T, "trim({}, ' ')", "btrim({}, ' ')"),
        "substring": Function("substring(text, from[, length])", "From a place (1 is the first); literals."),
        "starts_with": Function(
            "starts_with(text, text)",
            "Whether the first begins with the second.",
            (_T, _T),
            Kind.BOOLEAN,
            "starts_with({}, {})",
            "starts_with({}, {})",
        ),
        "ends_with": Function(
            "ends_with(text, text)",
            "Whether the first ends with the second.",
            (_T, _T),
            Kind.BOOLEAN,
            "ends_with({}, {})",
            "starts_with(reverse({}), reverse({}))",
        ),
        "contains": Function(
            "contains(text, text)",
            "Whether the second is somewhere in the first.",
            (_T, _T),
            Kind.BOOLEAN,
            "contains({}, {})",
            '(strpos(({}) COLLATE "C", ({}) COLLATE "C") > 0)',
        ),
        "regexp_matches": Function("regexp_matches(text, pattern)", "Whether the pattern, a literal, is found in it."),
        "json_extract_string": Function("json_extract_string(object, path)", "A value in an object, as text."),
        "year": _part("year", "The year, in UTC.", "year"),
        "month": _part("month", "The month, 1 to 12.", "month"),
        "day": _part("day", "The day of the month.", "day"),
        "hour": _part("hour", "The hour, 0 to 23, in UTC.", "hour"),
        "minute": _part("minute", "The minute, 0 to 59.", "minute"),
        "isodow": _part("isodow", "The day of the week: Monday is 1, Sunday 7.", "isodow"),
        "date_diff": Function(
            "date_diff(unit, time, time)",
            "How many beginnings of a unit ('day', 'hour', 'minute' or 'second', in UTC) lie between two times.",
        ),
    }
)
"""By name."""

SYNONYMS = {
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "lcase": "lower",
    "ucase": "upper",
    "json_extract_path_text": "json_extract_string",
    "json_extract_scalar": "json_extract_string",
}
"""Other names that are read, each with the one it is written by."""

UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
"""Units of `date_diff`, in seconds."""
