"""A field's `remedies`, read from a contract: a list of what is done to its values, in that order, before they are checked."""

from __future__ import annotations

import dataclasses
import graphlib
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mainstem.contracts._custom import Custom
from mainstem.contracts._numbers import exact_number
from mainstem.contracts._pieces import Kind
from mainstem.contracts._rules import field_columns
from mainstem.contracts._source_form import given_value
from mainstem.contracts._standardisers import languages, regions
from mainstem.contracts.contract import ContractField
from mainstem.contracts.expression import compile_value
from mainstem.contracts.remedy import Bound, Enrich, Form, Impute, Remedy, Standardise
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import FieldType, PiiClass

__all__ = ["Tables", "layers", "read_remedies", "remedy_words"]

Tables = Mapping[str, "Sequence[Mapping[str, str]]"]
"""Reference tables by name: their rows, each its columns by name."""

_MOST = 20
_MOST_SEGMENTS = 100
_LONGEST = 200
_PLAIN = re.compile(r"-?\d{1,29}(\.\d{1,9})?")
_WORDS = ("standardise", "impute", "clip", "flag", "enrich")
_OPTIONS = {
    Form.EMAIL: ("localPart",),
    Form.PHONE: ("region", "regionFrom"),
    Form.COUNTRY: ("languages",),
    Form.CURRENCY: ("languages",),
}
_FITTING = {
    FieldType.STRING: (Kind.TEXT,),
    FieldType.INTEGER: (Kind.INTEGER, Kind.NUMBER),
    FieldType.NUMBER: (Kind.INTEGER, Kind.NUMBER),
    FieldType.BOOLEAN: (Kind.BOOLEAN,),
    FieldType.TIMESTAMP: (Kind.TIMESTAMP, Kind.DATE),
    FieldType.DATE: (Kind.DATE,),
}

Canonical = Callable[[object, FieldType, str], str]
"""A value of a type as the text it is compared by. Raises ConfigurationError, with the place."""


def read_remedies(
    fields: Mapping[str, ContractField], customs: Sequence[Custom], tables: Tables, canonical: Canonical
) -> dict[str, ContractField]:
    """The fields with the remedies that their custom properties (in the same order) declare.

    Raises ConfigurationError, with the place, for what cannot be.
    """
    found = {}
    for (name, field), custom in zip(fields.items(), customs, strict=True):
        remedies = _Reader(field, fields, custom, tables, canonical).read() if "remedies" in custom else ()
        found[name] = dataclasses.replace(field, remedies=remedies)
    try:
        layers(found)
    except graphlib.CycleError as error:
        circle = [str(name) for name in error.args[1]]
        custom = customs[list(fields).index(next(name for name in circle if found[name].remedies))]
        raise custom.wrong(
            "remedies", f"{' looks at '.join(repr(name) for name in circle)}: a circle.", "Take one of them out of it."
        ) from None
    return found


def layers(fields: Mapping[str, ContractField]) -> list[list[tuple[str, int]]]:
    """What is done one after another: each layer (field, number of its remedy), all of which can be done at once.

    A remedy sees other fields with their remedies done. Raises graphlib.CycleError.
    """
    uses = {name: {used for one in field.remedies for used in one.uses} for name, field in fields.items()}
    done: dict[str, int] = {}
    order: list[list[tuple[str, int]]] = []
    for name in graphlib.TopologicalSorter(uses).static_order():
        at = max((done[used] for used in uses[name]), default=0)
        for number in range(len(fields[name].remedies)):
            if at == len(order):
                order.append([])
            order[at].append((name, number))
            at += 1
        done[name] = at
    return order


def remedy_words(field: ContractField) -> list[dict[str, Any]]:
    """What a field's remedies say, each by its name; of a reference table how many rows it has."""
    words = []
    for one in field.remedies:
        said = {key: value for key, value in _said(one).items() if value not in (None, (), {}, False)}
        words.append({"remedy": one.name, **said})
    return words


def _said(one: Remedy) -> dict[str, Any]:
    match one:
        case Standardise():
            return {
                "lower_local": one.lower_local,
                "region": one.region,
                "region_from": one.region_from,
                "languages": list(one.languages) or None,
            }
        case Impute():
            return {"constant": one.constant, "field": one.field, "expression": one.expression}
        case Bound():
            segments = {value: [_number(low), _number(high)] for value, (low, high) in one.segments.items()}
            return {"min": _number(one.least), "max": _number(one.most), "by": one.by, "bounds": segments}
        case Enrich():
            return {"key": one.key, "column": one.column, "rows": len(one.rows)}


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


class _Reader:
    """The remedies of one field."""

    def __init__(
        self,
        field: ContractField,
        fields: Mapping[str, ContractField],
        custom: Custom,
        tables: Tables,
        canonical: Canonical,
    ) -> None:
        self._field = field
        self._fields = fields
        self._custom = custom
        self._tables = tables
        self._canonical = canonical

    def read(self) -> tuple[Remedy, ...]:
        entries = self._custom.value("remedies")
        if not isinstance(entries, list) or not 0 < len(entries) <= _MOST:
            raise self._wrong("is no list of remedies.", f"Write 1 to {_MOST}: [{{standardise: trim}}].")
        remedies: list[Remedy] = []
        for entry in entries:
            one = self._one(entry)
            if one.name in {other.name for other in remedies}:
                raise self._wrong(f"{one.name!r} is there twice.", "Keep one.")
            for used in sorted(one.uses):
                self._other(used, one.name)
            self._keep_personal(one)
            remedies.append(one)
        return tuple(remedies)

    def _wrong(self, message: str, hint: str) -> ConfigurationError:
        return self._custom.wrong("remedies", message, hint)

    def _one(self, entry: object) -> Remedy:
        words = [word for word in _WORDS if isinstance(entry, dict) and word in entry]
        if not isinstance(entry, dict) or not words:
            near = near_miss(str(next(iter(entry), "")), _WORDS) if isinstance(entry, dict) else ""
            raise self._wrong(f"{entry!r} is no remedy.", f"{near} Remedies are {', '.join(_WORDS)}.".strip())
        word = words[0]
        if word == "standardise":
            return self._standardise(entry)
        self._known(entry, (word,), word)
        value = entry[word]
        if not isinstance(value, dict):
            raise self._wrong(f"`{word}` is {value!r}.", "Write a mapping; docs/specs/contract.md says of what.")
        if word == "impute":
            return self._impute(word, value)
        return self._enrich(word, value) if word == "enrich" else self._bound(word, value)

    def _known(self, entry: Mapping[str, Any], known: Sequence[str], word: str) -> None:
        for key in entry:
            if key not in known:
                raise self._wrong(f"{key!r} is unknown beside or in `{word}`.", near_miss(str(key), known))

    def _types(self, word: str, kinds: Sequence[FieldType]) -> None:
        if self._field.type not in kinds:
            kind = "array" if self._field.array else self._field.type
            raise self._wrong(f"`{word}` is not for a field of type {kind}.", "Remove it.")

    def _other(self, name: object, word: str) -> ContractField:
        other = self._fields.get(name) if isinstance(name, str) else None
        if other is None:
            raise self._wrong(f"`{word}` names {name!r}, which is no field.", near_miss(str(name), self._fields))
        if other.name == self._field.name:
            raise self._wrong(f"`{word}` looks at the field that it is of.", "Name another field.")
        return other

    def _keep_personal(self, one: Remedy) -> None:
        """What is personal must not come to lie where nothing personal does."""
        values = {one.by} if isinstance(one, Bound) and one.by else set()
        if isinstance(one, Enrich):
            values = {one.key, self._field.name}
        for name in sorted(values):
            pii = self._field.pii if name == self._field.name else self._fields[name].pii
            if pii is not PiiClass.NONE:
                raise self._wrong(
                    f"`{one.name}` lists values of {name!r}, which is {pii}, and a contract lies in clear.",
                    "Use a field that says nothing about a person.",
                )
        given = one.uses if isinstance(one, Impute) else set()
        for name in sorted(given):
            if self._fields[name].pii is not PiiClass.NONE and self._field.pii is PiiClass.NONE:
                raise self._wrong(
                    f"`{one.name}` makes a value out of {name!r}, which is {self._fields[name].pii}.",
                    f"Give {self._field.name!r} a `pii` class as well, so that it lies in sealed parts only.",
                )

    # One kind of remedy each.

    def _standardise(self, entry: Mapping[str, Any]) -> Standardise:
        self._types("standardise", (FieldType.STRING,))
        word, forms = entry["standardise"], [str(form) for form in Form]
        if word not in forms:
            raise self._wrong(
                f"{word!r} is no standard form.", near_miss(str(word), forms) or f"One of {', '.join(forms)}."
            )
        form = Form(word)
        self._known(entry, ("standardise", *_OPTIONS.get(form, ())), f"standardise: {form}")
        if entry.get("localPart", "keep") not in {"keep", "lower"}:
            raise self._wrong(f"`localPart` is {entry['localPart']!r}.", "Write lower or keep.")
        region, region_from = entry.get("region"), entry.get("regionFrom")
        if region is not None and region not in regions():
            raise self._wrong(f"`region` is {region!r}.", "Write a country as ISO 3166 alpha-2 in quotes: 'PT'.")
        if region is not None and region_from is not None:
            raise self._wrong("`region` and `regionFrom` are both there.", "Keep one of them.")
        if region_from is not None:
            other = self._other(region_from, "regionFrom")
            if other.type is not FieldType.STRING:
                raise self._wrong(f"`regionFrom` names {region_from!r}, which is no string.", "Name a string field.")
        spoken = entry.get("languages", [])
        if not isinstance(spoken, list) or len(spoken) > _MOST:
            raise self._wrong(f"`languages` is {spoken!r}.", "Write a list of languages: [de, pt].")
        for language in spoken:
            if language not in languages():
                raise self._wrong(f"{language!r} is no language.", near_miss(str(language), sorted(languages())))
        return Standardise(
            form, entry.get("localPart") == "lower", region, region_from, tuple(dict.fromkeys(map(str, spoken)))
        )

    def _impute(self, word: str, value: Mapping[str, Any]) -> Impute:
        self._types(word, tuple(_FITTING))
        self._known(value, ("constant", "field", "expression"), word)
        if len(value) != 1:
            raise self._wrong(f"`impute` has {len(value)} values.", "Give one of constant, field, expression.")
        if "constant" in value:
            if self._field.type is FieldType.TIMESTAMP:
                raise self._wrong("`impute` gives every record one time.", "Name a field or an expression.")
            return Impute(
                constant=given_value(
                    value["constant"], self._field.type, self._custom.place("remedies"), self._canonical
                )
            )
        if "field" in value:
            other = self._other(value["field"], "impute.field")
            if other.type is not self._field.type:
                raise self._wrong(
                    f"`impute.field` names {other.name!r}, which is {other.type} and not {self._field.type}.",
                    "Name a field of the same type, or write an expression.",
                )
            return Impute(field=other.name, uses=frozenset({other.name}))
        return self._expression(value["expression"])

    def _expression(self, text: object) -> Impute:
        if not isinstance(text, str):
            raise self._wrong(f"`impute.expression` is {text!r}.", "Write one SQL expression as text.")
        columns = field_columns(self._fields, lambda name: f'"{name}"')
        expression, kind = compile_value(text, columns, where=self._custom.place("remedies"), called="expression")
        if kind not in _FITTING[self._field.type]:
            raise self._wrong(f"`impute.expression` is {kind}, and the field {self._field.type}.", "Give such a value.")
        return Impute(expression=text, uses=expression.columns)

    def _bound(self, word: str, value: Mapping[str, Any]) -> Bound:
        self._types(word, (FieldType.INTEGER, FieldType.NUMBER))
        self._known(value, ("min", "max", "by", "bounds"), word)
        least, most = self._pair(value.get("min"), value.get("max"), word)
        by, given = value.get("by"), value.get("bounds")
        if (by is None) != (given is None):
            raise self._wrong(
                f"`{word}` has one of `by` and `bounds`.", "`by` names the field whose values they are of."
            )
        segments = {}
        if by is not None:
            if self._other(by, f"{word}.by").type is not FieldType.STRING:
                raise self._wrong(f"`{word}.by` names {by!r}, which is no string.", "Name a string field.")
            if not isinstance(given, dict) or not 0 < len(given) <= _MOST_SEGMENTS:
                raise self._wrong(f"`{word}.bounds` is no table.", "Say what goes for each value: {free: [0, 100]}.")
            for name, pair in given.items():
                if not isinstance(name, str) or len(name) > _LONGEST or "\0" in name:
                    raise self._wrong(f"`{word}.bounds`: {name!r} is no text.", "Put it in quotes.")
                if not isinstance(pair, list) or len(pair) != 2:
                    raise self._wrong(f"`{word}.bounds` of {name!r} is {pair!r}.", "Write [least, most].")
                segments[name] = self._pair(pair[0], pair[1], word)
        elif least is None and most is None:
            raise self._wrong(f"`{word}` has no bounds.", "Give min, max or both.")
        return Bound(word == "clip", least, most, by, segments)

    def _pair(self, least: object, most: object, word: str) -> tuple[Decimal | None, Decimal | None]:
        found = []
        for value in (least, most):
            number = None if value is None else exact_number(value)
            whole = self._field.type is not FieldType.INTEGER or number is None or _fits(number)
            if value is not None and (number is None or not whole):
                raise self._wrong(f"`{word}`: {value!r} is no bound.", f"Write a {self._field.type}.")
            found.append(number)
        low, high = found
        if low is not None and high is not None and low > high:
            raise self._wrong(f"`{word}`: {least} is above {most}.", "Write the lower bound first.")
        return low, high

    def _enrich(self, word: str, value: Mapping[str, Any]) -> Enrich:
        self._types(word, tuple(kind for kind in _FITTING if kind is not FieldType.TIMESTAMP))
        self._known(value, ("table", "key", "column"), word)
        table, key, column = (value.get(name) for name in ("table", "key", "column"))
        rows = self._tables.get(table) if isinstance(table, str) else None
        if rows is None or not isinstance(table, str):
            raise self._wrong(
                f"`enrich.table` is {table!r}, and there is no such table.",
                f"{near_miss(str(table), self._tables)} A table is the file reference/<name>.csv of the project.".strip(),
            )
        other = self._other(key, "enrich.key")
        if other.type not in {FieldType.STRING, FieldType.INTEGER}:
            raise self._wrong(f"`enrich.key` names {key!r}, a {other.type}.", "Name a string or integer field.")
        known = list(rows[0])
        for name, told in ((other.name, "enrich.key"), (column, "enrich.column")):
            if name not in known:
                raise self._wrong(f"`{told}`: the table {table!r} has no column {name!r}.", near_miss(str(name), known))
        return Enrich(table, other.name, str(column), tuple(self._rows(table, rows, other.name, str(column))))

    def _rows(self, table: str, rows: Sequence[Mapping[str, str]], key: str, column: str) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        for number, row in enumerate(rows, 2):
            if row[key] in found:
                raise self._wrong(f"{table}.csv:{number}: {row[key]!r} is there twice.", "Give each key one row.")
            if row[column]:
                place = f"reference/{table}.csv:{number}: {column}"
                found[row[key]] = self._cell(row[column], place)
        return list(found.items())

    def _cell(self, text: str, place: str) -> str:
        """A cell as text that DuckDB reads as the field's type."""
        value: object = text
        if self._field.type is FieldType.BOOLEAN:
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif self._field.type in {FieldType.INTEGER, FieldType.NUMBER} and _PLAIN.fullmatch(text):
            value = Decimal(text) if "." in text else int(text)
        return given_value(value, self._field.type, place, self._canonical)


def _fits(number: Decimal) -> bool:
    """Whether it is a whole number that a column of integers holds."""
    return number == number.to_integral_value() and -(2**63) <= number < 2**63
