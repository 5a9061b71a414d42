"""A contract drafted from sample records: a first text that takes all of them, for a person to read and correct.

All but those without the customer's id, where something is plainly called that and only most records have it.

Guesses are from names and shapes of values, and lean to the careful side: what looks personal is marked personal.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import yaml

from mainstem.contracts._limits import FORMATS
from mainstem.contracts._proposing import Proposal, propose
from mainstem.contracts._shapes import surely_nothing, time_formats, words_for_nothing
from mainstem.contracts._standard import VERSIONS
from mainstem.contracts._times import time_of_text
from mainstem.errors import ConfigurationError
from mainstem.model import is_name

__all__ = ["draft_contract", "field_name", "guess_field"]

_MOST_VALUES = 12
_LEAST_REPEATS = 5
_LONGEST_VALUE = 40
_SHARE = 0.8
_MOST = 0.5
_EMAIL = re.compile(FORMATS["email"])
_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{6,}[0-9]")
_DIGITS_ONLY = re.compile(r"[0-9.]+")
_PERSON = re.compile(r"[^\W\d_][\w'.-]+( [^\W\d_][\w'.-]*){1,3}")
_PII_NAMES = (
    ("email", re.compile(r"e?_?mail$|^e_?mail")),
    ("phone", re.compile(r"phone|mobile|^tel(_|$)|fax")),
    ("birth_date", re.compile(r"birth|^dob$")),
    ("address", re.compile(r"address|street|postcode|postal|^zip")),
    (
        "name",
        re.compile(r"(first|last|full|sur|given|family|contact|user|person|owner|agent|customer|author)_?name$|^name$"),
    ),
    ("free_text", re.compile(r"comment|message|note|remark|feedback|^body$|^text$")),
)
_CUSTOMER = re.compile(r"customer|account|client|company|organi[sz]ation|tenant|workspace")
_CUSTOMER_ID = re.compile(rf"({_CUSTOMER.pattern})(_?(id|key|code|number|no|nr|ref))?")
_TIME = re.compile(r"occurred|happened|timestamp|time|date|_at$|^at$|created|when")
_EVENT = re.compile(r"^(event|event_?(name|type)|action|kind|type|activity)$")
_ID = re.compile(r"(^|_)(id|key)(_|$)|id$")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
# Digits with zeros before them are a code and no number; digits of other scripts no contract reads.
_NUMBER = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


@dataclasses.dataclass(slots=True)
class _Seen:
    """One key of the payloads."""

    key: str
    name: str
    values: list[Any]
    """Those that are there, in order."""
    rows: int
    type: str = "string"
    missing: tuple[str, ...] = ()
    """Words that stand for no value; they are none of `values`."""
    formats: Sequence[str] = ()
    """The patterns that its times are of, where that is not ISO 8601; several where nobody can tell."""

    @property
    def required(self) -> bool:
        return len(self.values) == self.rows and not any(
            isinstance(one, str) and not one.strip() for one in self.values
        )

    @property
    def unique(self) -> bool:
        return len({str(one) for one in self.values}) == self.rows

    @property
    def identifies(self) -> bool:
        return self.required and self.type in {"string", "integer"}

    @property
    def identifies_most(self) -> bool:
        """Whether it could be an id, here and there left out. A file's 17850.0 is one, spoilt by a column with gaps."""
        filled = [one for one in self.values if not isinstance(one, str) or one.strip()]
        could = self.type in {"string", "integer"} or (
            self.type == "number" and all(isinstance(one, str) for one in filled)
        )
        return could and len(filled) >= _MOST * self.rows


def draft_contract(payloads: Sequence[Mapping[str, Any]], source: str, stream: str) -> str:
    """The text of a contract for payloads (JSON objects).

    Of the entity that the stream's name and the keys tell of, else of usage where a time is in all of them, else of
    customers. Raises ConfigurationError where nothing says whose the records are.
    """
    if not payloads:
        raise ConfigurationError("the sample has no records.", hint="Give some that are typical.")
    seen = _seen(payloads)
    proposal = propose(seen, stream, lambda one: isinstance(one, _Seen) and _pii(one) is not None)
    if proposal is not None:
        return _proposed(proposal, seen, source, stream)
    customer = _customer(seen)
    if customer is None:
        raise ConfigurationError(
            "no key with a text or whole number is in every record.",
            hint="A contract needs the customer's id in each: leave incomplete records out of the sample.",
        )
    if customer.type == "number":
        customer.type = "string"
    at = _best(seen, _TIME, lambda one: one.type == "timestamp" and one.required)
    key = next((one for one in seen if one.identifies and one.unique and _ID.search(one.name)), None)
    is_event = at is not None and key is not customer
    custom: dict[str, Any] = {"source": source, "partitionKey": customer.name}
    if is_event and at is not None:
        event = next((one for one in seen if one.required and one.type == "string" and _EVENT.search(one.name)), None)
        custom |= {"occurredAt": at.name, **({"recordId": key.name} if key is not None else {"repeat": "body"})}
        attributes: dict[str, Any] = {
            "customer_id": customer.name,
            "event": event.name if event is not None else {"constant": stream},
            "occurred_at": at.name,
        }
        custom["mapping"] = {"entity": "usage_event", "attributes": attributes}
    else:
        custom["mapping"] = {"entity": "customer", "attributes": {"customer_id": customer.name}}
    fields = [_field(one, primary=one is customer and not is_event, referring=one is customer) for one in seen]
    return _written(source, stream, custom, fields)


def _proposed(proposal: Proposal, seen: Sequence[_Seen], source: str, stream: str) -> str:
    """The text for records that are known to be of one of the entities."""
    said = proposal.attributes
    people = {said.get("customer_id"), said.get("person_id")}
    needed = {proposal.custom["partitionKey"], proposal.key, said.get("customer_id")}
    fields = []
    for one in seen:
        field = _field(one, primary=one.name == proposal.key, referring=one.name in people)
        if one.name in people and one.name not in needed and not one.required:
            field.pop("required", None)
        fields.append(field)
    for name, key in proposal.second.items():
        again = {"name": name, "logicalType": "string", "physicalName": key.key}
        fields.append(again | ({"required": True} if key.required else {}))
    for field in fields:
        codes = proposal.codes.get(field["name"])
        if codes is not None:
            field.pop("enum", None)
            if codes:
                field["description"] = "What its words mean is a guess: correct it."
                field["customProperties"] = [*field.get("customProperties", []), *_custom({"codes": codes})]
    custom = {"source": source, **proposal.custom, "mapping": {"entity": proposal.entity, "attributes": said}}
    return _written(source, stream, custom, fields)


def _written(source: str, stream: str, custom: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> str:
    text = {
        "apiVersion": VERSIONS[-1],
        "kind": "DataContract",
        "id": f"{source}-{stream}".replace("_", "-"),
        "name": stream.replace("_", " ").capitalize(),
        "version": "0.1.0",
        "status": "draft",
        "schema": [
            {
                "name": stream,
                "logicalType": "object",
                "customProperties": _custom(custom),
                "properties": list(fields),
            }
        ],
    }
    return yaml.safe_dump(text, sort_keys=False, allow_unicode=True, width=120)


def guess_field(key: str, values: Sequence[Any]) -> tuple[str, str | None]:
    """The logical type that takes all values (JSON values that are there), and the PII class they seem to have."""
    one = _Seen(key, _name(key, set()), list(values), len(values))
    one.type = _type([value for value in values if value != ""])
    return one.type, _pii(one)


def field_name(key: str, taken: Collection[str]) -> str:
    """A name for a field that lies under a key of the payload, none of those that are taken."""
    return _name(key, taken)


def _seen(payloads: Sequence[Mapping[str, Any]]) -> list[_Seen]:
    """Every key of the payloads that can be named, typed; in the order in which they are met."""
    values: dict[str, list[Any]] = {}
    for payload in payloads:
        for key, value in payload.items():
            known = values.setdefault(key, [])
            if value is not None:
                known.append(value)
    seen: list[_Seen] = []
    names: set[str] = set()
    for key, found in values.items():
        if not key or not key.isprintable() or set('"\\*') & set(key):
            continue
        name = _name(key, names)
        names.add(name)
        one = _Seen(key, name, found, len(payloads))
        _read_shape(one)
        seen.append(one)
    return seen


def _name(key: str, taken: Collection[str]) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:55]
    name = name if is_name(name) else f"field_{name}".rstrip("_")
    number = 1
    while (numbered := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return numbered


def _read_shape(one: _Seen) -> None:
    """Set what the values are, without the words for nothing among them where they are that."""
    told = [value for value in one.values if value != ""]
    texts = [value for value in told if isinstance(value, str)]
    words = words_for_nothing(texts)
    rest = [value for value in told if value not in words]
    formats = (
        time_formats([value for value in rest if isinstance(value, str)]) if rest and len(texts) == len(told) else []
    )
    kind = _type(rest)
    if words and rest and (kind != "string" or formats or surely_nothing(words)):
        one.missing = words
        one.values = [value for value in one.values if value not in words]
    else:
        kind = _type(told)
        formats = formats if not words else []
    one.formats = formats if kind == "string" else ()
    one.type = "timestamp" if len(one.formats) == 1 else kind


def _type(values: Sequence[Any]) -> str:
    """The narrowest type that takes all values; a text, where there are none."""
    tests: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        (
            "boolean",
            lambda one: isinstance(one, bool) or one in {"true", "false"} if isinstance(one, bool | str) else False,
        ),
        ("integer", _is_integer),
        ("number", _is_number),
        ("timestamp", lambda one: isinstance(one, str) and "-" in one and time_of_text(one) is not None),
        ("object", lambda one: isinstance(one, dict)),
        ("array", lambda one: isinstance(one, list)),
    )
    return next((name for name, test in tests if values and all(map(test, values))), "string")


def _is_integer(value: Any) -> bool:
    return not isinstance(value, bool | float | dict | list) and _INTEGER.fullmatch(str(value)) is not None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | dict | list):
        return False
    text = str(value)
    if isinstance(value, str) and _NUMBER.fullmatch(text) is None:
        return False
    number = Decimal(text)
    return number.is_finite() and abs(number) < 10**29


def _customer(seen: Sequence[_Seen]) -> _Seen | None:
    named = _best(seen, _CUSTOMER, lambda one: one.identifies and _pii(one) in {None, "name"})
    return (
        named
        or next((one for one in seen if _CUSTOMER_ID.fullmatch(one.name) and one.identifies_most), None)
        or next((one for one in seen if one.identifies and _ID.search(one.name)), None)
        or next((one for one in seen if one.identifies), None)
    )


def _best(seen: Sequence[_Seen], named: re.Pattern[str], test: Callable[[_Seen], bool]) -> _Seen | None:
    """The first that is named so, else the first; of those that pass, ids before others."""
    passing = [one for one in seen if test(one)]
    hits = sorted((one for one in passing if named.search(one.name)), key=lambda one: not one.name.endswith("id"))
    return next(iter(hits), passing[0] if named is _TIME and passing else None)


def _pii(one: _Seen) -> str | None:
    texts = [value for value in one.values if isinstance(value, str) and value]
    if texts and one.type == "string":
        if sum(_EMAIL.fullmatch(text) is not None for text in texts) >= _SHARE * len(texts):
            return "email"
        numbers = [text for text in texts if _PHONE.fullmatch(text) and not _DIGITS_ONLY.fullmatch(text)]
        if len(numbers) >= _SHARE * len(texts):
            return "phone"
    for word, pattern in _PII_NAMES:
        if pattern.search(one.name) and one.type not in {"boolean", "object", "array"}:
            return word
    people = [text for text in texts if _PERSON.fullmatch(text) and text == text.title()]
    if texts and len(people) >= _SHARE * len(texts) and len(set(texts)) > _SHARE * len(texts):
        return "name"
    return None


def _field(one: _Seen, *, primary: bool, referring: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"name": one.name, "logicalType": one.type}
    if one.key != one.name:
        said["physicalName"] = one.key
    if one.required or referring:
        said["required"] = True
    if primary:
        said["primaryKey"] = True
    if len(one.formats) == 1:
        said["logicalTypeOptions"] = {"format": one.formats[0]}
    elif one.formats:
        said["description"] = (
            f"Perhaps a time, {' or '.join(one.formats)}: the sample does not tell. "
            "Make it a timestamp, and the right one its logicalTypeOptions.format."
        )
    pii = _pii(one) or ("identifier" if referring else None)
    custom = {"missing": list(one.missing)} if one.missing else {}
    if pii is not None or custom:
        said["customProperties"] = _custom(custom | ({"pii": pii} if pii is not None else {}))
    texts = Counter(value for value in one.values if isinstance(value, str))
    if (
        pii is None
        and one.type == "string"
        and len(texts) <= _MOST_VALUES
        and one.values
        and texts.total() == len(one.values)
    ):
        often = len(one.values) >= _LEAST_REPEATS * len(texts) and len(texts) > 1
        if often and all(text.strip() and len(text) <= _LONGEST_VALUE and "\0" not in text for text in texts):
            said["enum"] = [{"value": text} for text in sorted(texts)]
    return said


def _custom(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]
