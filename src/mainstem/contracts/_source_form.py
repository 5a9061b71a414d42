"""How a source writes a field's values, read from a contract: forms of time, zones, words for nothing, codes, units."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from mainstem.contracts._custom import Custom
from mainstem.contracts._numbers import exact_number
from mainstem.contracts._time_format import TimeFormat
from mainstem.contracts.contract import SourceForm
from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import FieldType

__all__ = ["FORM_OPTIONS", "form_words", "given_value", "known_zones", "missing_words", "read_source_form"]

FORM_OPTIONS: Mapping[str, tuple[str, ...]] = {"timestamp": ("format", "defaultTimezone"), "date": ("format",)}
"""Words of `logicalTypeOptions`, by logical type, that say how values are written and are no limits."""

_MOST_WORDS = 100
_MOST_CODES = 1_000
_LONGEST = 200

Canonical = Callable[[object, FieldType, str], str]
"""A value of a type as the text it is compared by. Raises ConfigurationError, with the place."""


def read_source_form(
    one: SchemaProperty, kind: FieldType, custom: Custom, place: str, where: str, canonical: Canonical
) -> SourceForm:
    """How the source writes a field. Raises ConfigurationError, with the place, for what cannot be."""
    options: Mapping[str, Any] = one.logicalTypeOptions or {}
    at = f"{where}: {place}.logicalTypeOptions"
    _check_kind(one, kind, custom)
    return SourceForm(
        time_format=_time_format(options["format"], kind, f"{at}.format")
        if "format" in options and kind in {FieldType.TIMESTAMP, FieldType.DATE}
        else None,
        zone=_zone(options["defaultTimezone"], f"{at}.defaultTimezone")
        if "defaultTimezone" in options and kind is FieldType.TIMESTAMP
        else None,
        missing=missing_words(custom),
        codes=_codes(custom, kind, canonical),
        factor=_factor(custom),
        default=_default(one, custom, kind, canonical),
    )


def missing_words(custom: Custom) -> tuple[str, ...]:
    """The texts that stand for no value."""
    words = custom.value("missing")
    if words is None:
        return ()
    if (
        not isinstance(words, list)
        or not 0 < len(words) <= _MOST_WORDS
        or not all(isinstance(word, str) and 0 < len(word) <= _LONGEST and "\0" not in word for word in words)
    ):
        raise custom.wrong("missing", f"is {words!r}.", 'Write a list of texts in quotes: ["?", "N/A"].')
    return tuple(dict.fromkeys(words))


def _check_kind(one: SchemaProperty, kind: FieldType, custom: Custom) -> None:
    for name, kinds in (
        ("missing", set(FieldType) - {FieldType.OBJECT}),
        ("codes", set(FieldType) - {FieldType.OBJECT, FieldType.TIMESTAMP}),
        ("factor", {FieldType.NUMBER}),
        ("default", set(FieldType) - {FieldType.OBJECT, FieldType.TIMESTAMP}),
    ):
        if name in custom and kind not in kinds:
            raise custom.wrong(name, f"is not for a field of type {one.logicalType}.", "Remove it.")


def _time_format(pattern: object, kind: FieldType, at: str) -> str:
    hint = "Write it as the standard says, such as d/M/yyyy HH:mm or MM/dd/yyyy hh:mm:ss a."
    if not isinstance(pattern, str):
        raise ConfigurationError(f"{pattern!r} is no form of time.", where=at, hint=hint)
    try:
        TimeFormat.of(pattern, date_only=kind is FieldType.DATE)
    except ValueError as error:
        raise ConfigurationError(f"{pattern!r} is no form of time: {error}.", where=at, hint=hint) from None
    return pattern


def _zone(name: object, at: str) -> str:
    if not isinstance(name, str) or name not in known_zones():
        hint = near_miss(str(name), list(known_zones()))
        raise ConfigurationError(f"{name!r} is no time zone.", where=at, hint=f"{hint} Zones are called Europe/Lisbon.")
    return name


@functools.cache
def known_zones() -> frozenset[str]:
    """Time zones that DuckDB, which reads the values, knows."""
    with connect() as connection:
        return frozenset(name for (name,) in connection.execute("SELECT name FROM pg_timezone_names()").fetchall())


def _codes(custom: Custom, kind: FieldType, canonical: Canonical) -> tuple[tuple[str, str], ...]:
    codes = custom.value("codes")
    if codes is None:
        return ()
    if not isinstance(codes, dict) or not 0 < len(codes) <= _MOST_CODES:
        raise custom.wrong("codes", "is no table.", 'Say what each code means: {"1": high, "2": low}.')
    place = custom.place("codes")
    found = []
    for code, meaning in codes.items():
        if not isinstance(code, str) or not code or len(code) > _LONGEST or "\0" in code:
            raise custom.wrong("codes", f"{code!r} is no code.", "Put it in quotes.")
        found.append((code, given_value(meaning, kind, place, canonical)))
    return tuple(found)


def _default(one: SchemaProperty, custom: Custom, kind: FieldType, canonical: Canonical) -> str | None:
    value = custom.value("default")
    if value is None:
        return None
    if one.required:
        raise custom.wrong("default", "is given for a required field.", "Keep one of them.")
    return given_value(value, kind, custom.place("default"), canonical)


def given_value(value: object, kind: FieldType, place: str, canonical: Canonical) -> str:
    """A value that the contract itself gives, as text. Raises ConfigurationError, with the place, for what is no such one."""
    if kind is FieldType.BOOLEAN:
        if not isinstance(value, bool):
            raise ConfigurationError(f"{value!r} is no boolean.", where=place, hint="Write true or false.")
        return "true" if value else "false"
    text = canonical(value, kind, place)
    if kind is FieldType.STRING and (text[:1] in {"{", "["} or text in {"true", "false"} or not text.strip()):
        raise ConfigurationError(
            f"{text!r} would read as something else than a text.", where=place, hint="Use another word."
        )
    return text


def _factor(custom: Custom) -> Decimal | None:
    value = custom.value("factor")
    if value is None:
        return None
    number = exact_number(value, below=10**9)
    if not number:
        raise custom.wrong(
            "factor", f"{value!r} is no factor.", "Write a number other than 0, below 10^9, of up to 9 decimal places."
        )
    return number


def form_words(form: SourceForm) -> Sequence[tuple[str, object]]:
    """What a form says, by the words of a contract; only what is given."""
    said = (
        ("format", form.time_format),
        ("defaultTimezone", form.zone),
        ("missing", list(form.missing) or None),
        ("codes", dict(form.codes) or None),
        ("factor", None if form.factor is None else f"{form.factor:f}"),
        ("default", form.default),
    )
    return [(word, value) for word, value in said if value is not None]
