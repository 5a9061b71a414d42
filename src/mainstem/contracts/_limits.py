"""Limits on one field's value: the standard's `logicalTypeOptions`, read, and as conditions for DuckDB."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from mainstem.contracts._custom import Custom
from mainstem.contracts._numbers import exact_number
from mainstem.contracts._pieces import quoted
from mainstem.contracts._regex import portable_pattern
from mainstem.contracts._source_form import FORM_OPTIONS
from mainstem.contracts._times import time_of_text
from mainstem.contracts.contract import Limit, Severity
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import FieldType

__all__ = ["FORMATS", "LIMITS", "limit_condition", "read_limits", "severity_of"]

_T = FieldType
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
LIMITS: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": (*_BOUNDS, "multipleOf", "format"),
    "number": (*_BOUNDS, "multipleOf"),
    "timestamp": _BOUNDS,
    "date": _BOUNDS,
    "array": ("minItems", "maxItems"),
    "object": (),
    "boolean": (),
}
"""The words that may be used, by logical type."""

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_HEX = "[0-9A-Fa-f]{1,4}"
_LAST = rf"({_HEX}:{_HEX}|{_IPV4})"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _shortened(right: int) -> str:
    """An IPv6 address with so many groups behind a `::` that stands for at least one; the last two may be an IPv4 address."""
    left = "" if right == 7 else rf"(({_HEX}:){{0,{6 - right}}}{_HEX})?"
    tail = ("", _HEX)[right] if right < 2 else rf"({_HEX}:){{{right - 2}}}{_LAST}"
    return f"{left}::{tail}"


FORMATS: Mapping[str, str] = {
    "email": r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+",
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+",
    "hostname": rf"{_LABEL}(\.{_LABEL})*",
    "ipv4": _IPV4,
    "ipv6": "(" + "|".join([rf"({_HEX}:){{6}}{_LAST}", *map(_shortened, range(8))]) + ")",
}
"""Formats of a string, as what it must match from end to end."""
_INTEGERS = {
    **{f"i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)},
    "u64": (0, 2**63 - 1),
}
_COMPARED = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
_TYPES = {_T.INTEGER: "BIGINT", _T.NUMBER: "DECIMAL(38, 9)", _T.TIMESTAMP: "TIMESTAMP", _T.DATE: "DATE"}
_LONGEST = 2**31 - 1


def read_limits(one: SchemaProperty, kind: FieldType, custom: Custom, place: str, where: str) -> tuple[Limit, ...]:
    """The limits of a field in the order given. Raises ConfigurationError, with the place, for one that is not checked."""
    forms = FORM_OPTIONS.get(one.logicalType or "", ())
    options: Mapping[str, Any] = {
        word: value for word, value in (one.logicalTypeOptions or {}).items() if word not in forms
    }
    severity = Severity.QUARANTINE
    if "limitSeverity" in custom:
        if not options:
            raise custom.wrong("limitSeverity", "has no effect without a limit in `logicalTypeOptions`.", "Remove it.")
        severity = severity_of(custom.text("limitSeverity") or "", custom.place("limitSeverity"))
    known = LIMITS[one.logicalType or ""]
    found = []
    for word, value in options.items():
        at = f"{where}: {place}.logicalTypeOptions.{word}"
        if word not in known:
            hint = near_miss(word, [*known, *forms]) if known else "Remove it, or write it as a rule in `quality`."
            raise ConfigurationError(f"is not checked of a field of type {one.logicalType}.", where=at, hint=hint)
        found.append(Limit(word, _value(word, value, kind, at), severity))
    _check_range(found, kind, f"{where}: {place}.logicalTypeOptions")
    return tuple(found)


def severity_of(word: str, place: str) -> Severity:
    """The severity a word says. Raises ConfigurationError for another one."""
    words = [str(each) for each in Severity]
    if word not in words:
        raise ConfigurationError(f"{word!r} is none of {', '.join(words)}.", where=place, hint=near_miss(word, words))
    return Severity(word)


def _value(word: str, value: object, kind: FieldType, at: str) -> str:
    """A limit's value as text. Raises ConfigurationError."""
    if word in {"minLength", "maxLength", "minItems", "maxItems"}:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LONGEST:
            raise ConfigurationError(f"{value!r} is no length.", where=at, hint="Write a whole number from 0 on.")
        return str(value)
    if word == "pattern":
        return _pattern(value, at)
    if word == "format":
        words = FORMATS if kind is _T.STRING else _INTEGERS
        if not isinstance(value, str) or value not in words:
            raise ConfigurationError(
                f"{value!r} is no format that is checked.", where=at, hint=near_miss(str(value), words)
            )
        return value
    if kind in {_T.DATE, _T.TIMESTAMP}:
        return _time(value, kind, at)
    return _number(word, value, kind, at)


def _pattern(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{value!r} is no pattern.", where=at, hint="Write a regular expression in quotes.")
    try:
        portable_pattern(value)
    except ValueError as error:
        raise ConfigurationError(
            f"The pattern cannot be used: {error}.",
            where=at,
            hint="Patterns have what all engines share: docs/specs/contract.md.",
        ) from None
    return value


def _time(value: object, kind: FieldType, at: str) -> str:
    try:
        if kind is _T.DATE and isinstance(value, str):
            return dt.date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    found = time_of_text(value) if kind is _T.TIMESTAMP and isinstance(value, str) and "-" in value else None
    if found is None:
        raise ConfigurationError(f"{value!r} is no {kind}.", where=at, hint="Write ISO 8601, in quotes.")
    return found.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ")


def _number(word: str, value: object, kind: FieldType, at: str) -> str:
    number = exact_number(value)
    if number is None:
        raise ConfigurationError(f"{value!r} is no number.", where=at, hint="29 digits, then up to 9 decimal places.")
    if kind is _T.INTEGER and (number != int(number) or not -(2**63) <= number < 2**63):
        raise ConfigurationError(f"{value!r} is no integer.", where=at, hint="Write a whole number.")
    if word == "multipleOf" and number <= 0:
        raise ConfigurationError(f"{value!r} is not above zero.", where=at, hint="Write a number above zero.")
    return f"{number:f}"


def _check_range(limits: list[Limit], kind: FieldType, at: str) -> None:
    """No two bounds may shut out every value."""
    values: Mapping[str, Any] = {one.word: _comparable(one, kind) for one in limits if one.word != "pattern"}
    for low, high in (
        ("minimum", "maximum"), ("exclusiveMinimum", "maximum"), ("minimum", "exclusiveMaximum"),
        ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"), ("minItems", "maxItems"),
    ):  # fmt: skip
        if low in values and high in values and values[low] > values[high]:
            raise ConfigurationError(f"{low!r} is above {high!r}.", where=at, hint="No value could pass.")


def _comparable(limit: Limit, kind: FieldType) -> object:
    if kind in {_T.DATE, _T.TIMESTAMP} or limit.word == "format":
        return limit.value
    return Decimal(limit.value)


def limit_condition(limit: Limit, kind: FieldType, value: str) -> str:
    """What must hold of the column `value`, as DuckDB SQL; null where there is no value."""
    conditions: Mapping[str, Callable[[], str]] = {
        "minLength": lambda: f"length({value}) >= {limit.value}",
        "maxLength": lambda: f"length({value}) <= {limit.value}",
        "pattern": lambda: f"regexp_matches({value}, {quoted(portable_pattern(limit.value))})",
        "format": lambda: _format_condition(limit.value, kind, value),
        "multipleOf": lambda: f"{value} % CAST({quoted(limit.value)} AS {_TYPES[kind]}) = 0",
        "minItems": lambda: f"json_array_length({value}) >= {limit.value}",
        "maxItems": lambda: f"json_array_length({value}) <= {limit.value}",
    }
    if limit.word in _COMPARED:
        return f"{value} {_COMPARED[limit.word]} CAST({quoted(limit.value)} AS {_TYPES[kind]})"
    return conditions[limit.word]()


def _format_condition(name: str, kind: FieldType, value: str) -> str:
    if kind is _T.STRING:
        condition = f"regexp_full_match({value}, {quoted(FORMATS[name])})"
        return f"{condition} AND length({value}) <= 253" if name == "hostname" else condition
    least, most = _INTEGERS[name]
    return f"{value} BETWEEN CAST('{least}' AS BIGINT) AND CAST('{most}' AS BIGINT)"
