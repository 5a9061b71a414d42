"""From a contract's text to a `Contract`: read by the standard's library, checked strictly by us.

docs/specs/contract.md says what may stand in a file. Whatever stands there and has no effect is either plain
documentation or an error: nobody shall rely on a check that is not made.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)

from mainstem.contracts._canonical import canonical_fields, with_canonical
from mainstem.contracts._coherence import check_coherence
from mainstem.contracts._custom import FIELD_PROPERTIES, STREAM_PROPERTIES, Custom
from mainstem.contracts._limits import read_limits
from mainstem.contracts._numbers import exact_number
from mainstem.contracts._policies import indispensable, read_field_policies, read_policies
from mainstem.contracts._reference_tables import split_text
from mainstem.contracts._relationships import read_parent
from mainstem.contracts._remedies import Tables, read_remedies
from mainstem.contracts._rules import RuleReader
from mainstem.contracts._source_form import missing_words, read_source_form
from mainstem.contracts._standard import VERSIONS, read_standard
from mainstem.contracts._team import read_owners
from mainstem.contracts._volume import is_row_count, read_volume
from mainstem.contracts.contract import (
    ANY_SOURCE,
    MOST_FORMER_PATHS,
    Constant,
    Contract,
    ContractField,
    EntityMapping,
    Repeat,
)
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import ENTITIES, MAINSTEM_SOURCE, NAME_PATTERN, EntityKind, FieldType, PiiClass, is_name

__all__ = ["read_contract"]

_LOGICAL_TYPES = {
    "string": FieldType.STRING,
    "integer": FieldType.INTEGER,
    "number": FieldType.NUMBER,
    "boolean": FieldType.BOOLEAN,
    "timestamp": FieldType.TIMESTAMP,
    "date": FieldType.DATE,
    "object": FieldType.OBJECT,
    "array": FieldType.OBJECT,
}

# Keys of the standard that would promise a check which is not made, and what to do instead.
_REFUSED = {
    "properties": "The inside of an object is not checked; declare its parts as fields with a `path`.",
    "items": "The members of an array are not checked; remove it.",
    "map": "Declare `logicalType: object`, and parts of it as fields with a `path`.",
}

_MOST_FIELDS = 500
_DEEPEST_PATH = 20
# DuckDB's JSON paths cannot say these.
_NO_STEP = frozenset('"\\*')

# Of these only freshness has an effect; the others are promises between people.
_SLA_WORDS = (
    *("availability", "endOfLife", "endOfSupport", "errorRate", "frequency", "freshness", "generalAvailability"),
    *("latency", "retention", "throughput", "timeOfAvailability", "timeToDetect", "timeToNotify", "timeToRepair"),
)
_SLA_UNITS = {
    **dict.fromkeys(("s", "second", "seconds"), dt.timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "minute", "minutes"), dt.timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hour", "hours"), dt.timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), dt.timedelta(days=1)),
}


def read_contract(text: str, where: str) -> Contract:
    """The contract in a text, version 0; `where` is the file's name for messages.

    Raises ConfigurationError, saying where and what to do, at the first defect.
    """
    declared, tables = split_text(text, where)
    standard = read_standard(declared, where)
    _check_head(standard, where)
    return _Reading(standard, where, tables).contract(text)


def _check_head(standard: OpenDataContractStandard, where: str) -> None:
    for name in ("apiVersion", "kind", "id", "version"):
        if getattr(standard, name) is None:
            raise ConfigurationError(f"{name!r} is missing.", where=where, hint="The standard asks for it.")
    if standard.kind != "DataContract":
        raise ConfigurationError(f"{standard.kind!r} is not read.", where=f"{where}: kind", hint="Write DataContract.")
    if standard.apiVersion not in VERSIONS:
        raise ConfigurationError(
            f"{standard.apiVersion!r} is not read.", where=f"{where}: apiVersion", hint=f"Write {VERSIONS[-1]}."
        )
    if len(standard.schema_ or ()) != 1:
        raise ConfigurationError(
            f"holds {len(standard.schema_ or ())} schema objects.",
            where=f"{where}: schema",
            hint="A file holds one: the stream.",
        )


class _Reading:
    """One file being read."""

    def __init__(self, standard: OpenDataContractStandard, where: str, tables: Tables) -> None:
        self._standard = standard
        self._tables = tables
        self._where = where
        self._stream: SchemaObject = (standard.schema_ or [])[0]
        self._custom = Custom(
            [
                (standard.customProperties, "customProperties"),
                (self._stream.customProperties, "schema[0].customProperties"),
            ],
            STREAM_PROPERTIES,
            where,
        )
        self._field_custom: list[Custom] = []

    def contract(self, text: str) -> Contract:
        custom = self._custom
        self._check_stream()
        mapping = self._mapping()
        fields, key = self._fields(mapping)
        fields = read_remedies(fields, self._field_custom, self._tables, self._allowed_value)
        rules = RuleReader(fields, self._where)
        for index, one in enumerate(self._stream.properties or ()):
            rules.read(one.quality, f"schema[0].properties[{index}].quality", one.name)
        rules.read(self._stream.quality, "schema[0].quality", None)
        contract = Contract(
            source=self._source(),
            stream=self._stream.name or "",
            version=0,
            kind=custom.choice("kind", EntityKind) if "kind" in custom else ENTITIES[mapping.entity].kind,
            fields=MappingProxyType(fields),
            partition_key=self._named("partitionKey"),
            mapping=mapping,
            text=text,
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            key=key,
            record_id=custom.text("recordId"),
            occurred_at=custom.text("occurredAt"),
            entity_version=custom.text("entityVersion"),
            deleted=custom.text("deleted"),
            freshness=self._freshness(self._standard.slaProperties or ()),
            rules=rules.rules,
            owners=read_owners(self._standard),
            **self._given(),
        )
        contract = with_canonical(contract, custom)
        check_coherence(contract, custom, self._where)
        return self._with_policies(contract)

    def _with_policies(self, contract: Contract) -> Contract:
        """What is done about drift, which is read last: what a field is for decides what may be said of it."""
        stream, needed, closed = read_policies(self._custom), indispensable(contract), canonical_fields(contract)
        fields = {}
        for index, (name, field) in enumerate(contract.fields.items()):
            custom = self._field_custom[index]
            policies = read_field_policies(custom, stream, needed=name in needed, closed=name in closed)
            fields[name] = dataclasses.replace(field, policies=policies)
        return dataclasses.replace(contract, fields=MappingProxyType(fields), policies=stream)

    def _given(self) -> dict[str, Any]:
        """What has a default in `Contract`, where the file says something else."""
        custom = self._custom
        given: dict[str, Any] = {name: custom.duration(name) for name in ("grace", "oldest", "ahead") if name in custom}
        if "repeat" in custom:
            given["repeat"] = custom.choice("repeat", Repeat)
        if self._standard.status is not None:
            given["status"] = self._standard.status
        counts = [
            (entry, f"schema[0].quality[{index}]")
            for index, entry in enumerate(self._stream.quality or ())
            if is_row_count(entry)
        ]
        given["volume"] = read_volume(counts, custom, self._where)
        if "occurredAtImmutable" in custom:
            given["occurred_at_immutable"] = custom.flag("occurredAtImmutable")
        return given

    def _wrong(self, path: str, message: str, hint: str | None = None) -> ConfigurationError:
        return ConfigurationError(message, where=f"{self._where}: {path}", hint=hint)

    def _named(self, name: str) -> str:
        value = self._custom.text(name)
        if value is None:
            raise self._wrong("customProperties", f"{name!r} is missing.", f"Add it. {STREAM_PROPERTIES[name]}")
        return value

    def _source(self) -> str:
        source = self._named("source")
        if source != ANY_SOURCE and not is_name(source):
            raise self._custom.wrong("source", f"{source!r} is no name.", f"Names match {NAME_PATTERN}.")
        if source == MAINSTEM_SOURCE:
            raise self._custom.wrong("source", f"{source!r} is Mainstem's own.", "Name the system the data comes from.")
        return source

    def _check_stream(self) -> None:
        name = self._stream.name
        if name is None or not is_name(name):
            raise self._wrong("schema[0].name", f"{name!r} is no name of a stream.", f"Names match {NAME_PATTERN}.")
        if self._stream.logicalType not in {None, "object"}:
            raise self._wrong("schema[0].logicalType", "is not `object`.", "Write object, or remove it.")
        if self._stream.relationships is not None:
            raise self._wrong(
                "schema[0].relationships", "is not read here.", "Write it at the field that refers to another stream."
            )
        for index, rule in enumerate(self._stream.quality or ()):
            if rule.type != "text" and not RuleReader.is_rule(rule) and not is_row_count(rule):
                raise self._wrong(
                    f"schema[0].quality[{index}]",
                    "is a rule that is not checked.",
                    "Write a condition: `type: custom`, `engine: mainstem`, `implementation: ...`; `metric: rowCount`; "
                    "or `type: text`.",
                )

    def _freshness(self, agreed: Sequence[ServiceLevelAgreementProperty]) -> dt.timedelta | None:
        found = None
        for index, one in enumerate(agreed):
            place = f"slaProperties[{index}]"
            if one.property not in _SLA_WORDS:
                raise self._wrong(
                    f"{place}.property", f"{one.property!r} is unknown.", near_miss(one.property or "", _SLA_WORDS)
                )
            if one.property != "freshness":
                continue
            if found is not None:
                raise self._wrong(place, "freshness is there twice.", "Keep one.")
            if one.unit not in _SLA_UNITS:
                raise self._wrong(f"{place}.unit", f"{one.unit!r} is no unit of time.", "Write s, min, h or d.")
            if isinstance(one.value, bool) or not isinstance(one.value, int | float) or not 0 < one.value <= 1e6:
                raise self._wrong(f"{place}.value", f"{one.value!r} is no span.", "Write a number above zero.")
            found = one.value * _SLA_UNITS[one.unit]
        return found

    # Mapping.

    def _mapping(self) -> EntityMapping:
        custom = self._custom
        value = custom.value("mapping")
        if value is None:
            raise self._wrong("customProperties", "'mapping' is missing.", f"Add it. {STREAM_PROPERTIES['mapping']}")
        if not isinstance(value, dict):
            raise custom.wrong("mapping", f"is {value!r}.", "Write a mapping with `entity` and `attributes`.")
        for key in value:
            if key not in {"entity", "attributes"}:
                raise custom.wrong(
                    "mapping", f"{key!r} is unknown here.", near_miss(str(key), ["entity", "attributes"])
                )
        entity, attributes = value.get("entity"), value.get("attributes")
        if not isinstance(entity, str) or entity not in ENTITIES:
            raise custom.wrong("mapping", f"{entity!r} is no entity.", near_miss(str(entity), ENTITIES))
        if not isinstance(attributes, dict) or not attributes:
            raise custom.wrong("mapping", "has no `attributes`.", "Say which field each attribute is.")
        return EntityMapping(
            entity, MappingProxyType({str(name): self._mapped(name, to) for name, to in attributes.items()})
        )

    def _mapped(self, name: object, to: object) -> str | Constant:
        if not isinstance(name, str) or not is_name(name):
            raise self._custom.wrong("mapping", f"{name!r} is no name of an attribute.", f"Names match {NAME_PATTERN}.")
        if isinstance(to, str):
            return to
        if isinstance(to, dict) and set(to) == {"constant"}:
            constant = to["constant"]
            if isinstance(constant, bool):
                return Constant("true" if constant else "false")
            if isinstance(constant, str | int):
                return Constant(str(constant))
            if isinstance(constant, float):
                return Constant(f"{Decimal(repr(constant)):f}")
        raise self._custom.wrong(
            "mapping", f"{name!r} is mapped to no field.", "Write a field's name, or {constant: value}."
        )

    # Fields.

    def _fields(self, mapping: EntityMapping) -> tuple[dict[str, ContractField], tuple[str, ...]]:
        properties = self._stream.properties or []
        if not 0 < len(properties) <= _MOST_FIELDS:
            raise self._wrong(
                "schema[0].properties", f"holds {len(properties)} fields.", f"Declare 1 to {_MOST_FIELDS} of them."
            )
        referring = _referring(mapping)
        fields: dict[str, ContractField] = {}
        key: dict[int, str] = {}
        for index, one in enumerate(properties):
            place = f"schema[0].properties[{index}]"
            field = self._field(one, place, referring)
            if field.name in fields:
                raise self._wrong(
                    f"{place}.name", f"{field.name!r} is there twice.", "Give each field a name of its own."
                )
            fields[field.name] = field
            if one.primaryKey:
                position = one.primaryKeyPosition or 1
                if position in key:
                    raise self._wrong(
                        f"{place}.primaryKeyPosition",
                        f"{key[position]!r} has position {position} too.",
                        "Number the fields of the key 1, 2, and so on.",
                    )
                key[position] = field.name
            elif one.primaryKeyPosition not in {None, -1}:
                raise self._wrong(f"{place}.primaryKeyPosition", "is given without `primaryKey: true`.", "Add it.")
        return fields, tuple(key[position] for position in sorted(key))

    def _field(self, one: SchemaProperty, place: str, referring: frozenset[str]) -> ContractField:
        name = one.name
        if name is None or not is_name(name):
            raise self._wrong(
                f"{place}.name",
                f"{name!r} is no name of a field.",
                f"Names match {NAME_PATTERN}; the payload's own name goes into `physicalName` or `path`.",
            )
        for key, hint in _REFUSED.items():
            if getattr(one, key) not in (None, False):
                raise self._wrong(f"{place}.{key}", f"is not supported for {name!r}.", hint)
        if one.logicalType not in _LOGICAL_TYPES:
            raise self._wrong(
                f"{place}.logicalType",
                f"{one.logicalType!r} is no type of a field.",
                near_miss(one.logicalType or "", _LOGICAL_TYPES),
            )
        custom = Custom([(one.customProperties, f"{place}.customProperties")], FIELD_PROPERTIES, self._where)
        self._field_custom.append(custom)
        kind = _LOGICAL_TYPES[one.logicalType]
        form = read_source_form(one, kind, custom, place, self._where, self._allowed_value)
        if kind is not FieldType.OBJECT:
            everywhere = (word for word in missing_words(self._custom) if word not in form.missing)
            form = dataclasses.replace(form, missing=(*form.missing, *everywhere))
        return ContractField(
            name=name,
            type=kind,
            path=self._path(one, custom, place),
            required=bool(one.required),
            unique=bool(one.unique),
            allowed=self._allowed(one, kind, place),
            pii=self._pii(one, custom, place, name in referring),
            description=(one.description or "").strip(),
            array=one.logicalType == "array",
            limits=read_limits(one, kind, custom, place, self._where),
            completeness=custom.share("completeness") if "completeness" in custom else None,
            form=form,
            former=self._former(custom),
            parent=read_parent(one, kind, place, self._where),
        )

    def _path(self, one: SchemaProperty, custom: Custom, place: str) -> tuple[str, ...]:
        steps: Any
        if "path" not in custom:
            steps, at = [one.physicalName or one.name], f"{place}.physicalName"
        elif one.physicalName is not None:
            raise self._wrong(f"{place}.physicalName", "is given beside `path`.", "Keep one of them.")
        else:
            steps, at = custom.value("path"), self._at(custom, "path")
        return self._steps(steps, at)

    def _former(self, custom: Custom) -> tuple[tuple[str, ...], ...]:
        if "formerPaths" not in custom:
            return ()
        paths, at = custom.value("formerPaths"), self._at(custom, "formerPaths")
        if not isinstance(paths, list) or not 0 < len(paths) <= MOST_FORMER_PATHS:
            raise self._wrong(
                at, "is no list of paths.", f"Write 1 to {MOST_FORMER_PATHS} paths, each as `path` is written."
            )
        return tuple(self._steps(path, at) for path in paths)

    def _at(self, custom: Custom, name: str) -> str:
        return custom.place(name).removeprefix(f"{self._where}: ")

    def _steps(self, path: Any, at: str) -> tuple[str, ...]:
        steps = path.split(".") if isinstance(path, str) else path
        if not isinstance(steps, list) or not 0 < len(steps) <= _DEEPEST_PATH:
            raise self._wrong(at, "is no path.", "Write keys with dots between them, or a list of keys.")
        for step in steps:
            if not isinstance(step, str) or not step or not step.isprintable() or _NO_STEP & set(step):
                raise self._wrong(
                    at, f"{step!r} is no key of a path.", 'A key is text without control characters, ", \\ and *.'
                )
        return tuple(steps)

    def _pii(self, one: SchemaProperty, custom: Custom, place: str, referring: bool) -> PiiClass:  # noqa: FBT001 - a fact
        classes = {str(word) for word in PiiClass}
        if one.classification in classes - {"none"} and "pii" not in custom:
            raise self._wrong(
                f"{place}.classification",
                f"{one.classification!r} here protects nothing: it is your company's own label.",
                f"Add the custom property pii: {one.classification}.",
            )
        if "pii" not in custom:
            return PiiClass.IDENTIFIER if referring else PiiClass.NONE
        pii = custom.choice("pii", PiiClass)
        if referring and pii is PiiClass.NONE:
            raise custom.wrong(
                "pii", f"{one.name!r} refers to a customer or person.", "It is an identifier; remove `pii: none`."
            )
        return pii

    def _allowed(self, one: SchemaProperty, kind: FieldType, place: str) -> tuple[str, ...]:
        lists: list[tuple[Sequence[Any], str]] = []
        if one.enum is not None:
            lists.append(([value.value for value in one.enum], f"{place}.enum"))
        for index, rule in enumerate(one.quality or ()):
            if rule.type == "text" or RuleReader.is_rule(rule):
                continue
            at = f"{place}.quality[{index}]"
            lists.append((self._valid_values(rule, at), f"{at}.arguments.validValues"))
        if len(lists) > 1:
            raise self._wrong(lists[1][1], "lists allowed values a second time.", "Keep one list.")
        if not lists:
            return ()
        values, at = lists[0]
        if not values:
            raise self._wrong(at, "is empty.", "List the allowed values, or remove it.")
        allowed = tuple(self._allowed_value(value, kind, f"{self._where}: {at}") for value in values)
        if len(set(allowed)) != len(allowed):
            raise self._wrong(at, "holds a value twice.", "Keep one.")
        return allowed

    def _valid_values(self, rule: DataQuality, at: str) -> Sequence[Any]:
        arguments: Mapping[str, Any] = rule.arguments or {}
        values = arguments.get("validValues")
        if rule.metric != "invalidValues" or rule.mustBe != 0 or set(arguments) != {"validValues"}:
            raise self._wrong(
                at,
                "is a rule that is not checked.",
                "Checked are `required`, `enum`, `logicalTypeOptions`, conditions (`type: custom`, `engine: mainstem`, "
                "`implementation: ...`), and `metric: invalidValues` with `mustBe: 0` and `arguments: {validValues: […]}`; "
                "write others as `type: text`.",
            )
        if not isinstance(values, list):
            raise self._wrong(f"{at}.arguments.validValues", "is no list.", "List the allowed values.")
        return values

    @staticmethod
    def _allowed_value(value: object, kind: FieldType, at: str) -> str:
        if kind is FieldType.STRING and isinstance(value, str) and "\0" not in value:
            return value
        if kind is FieldType.INTEGER and type(value) is int and -(2**63) <= value < 2**63:
            return str(value)
        number = exact_number(value) if kind is FieldType.NUMBER else None
        if number is not None:
            return f"{number:f}"
        if kind is FieldType.DATE and isinstance(value, str):
            try:
                return dt.date.fromisoformat(value).isoformat()
            except ValueError:
                pass
        if kind in {FieldType.BOOLEAN, FieldType.TIMESTAMP, FieldType.OBJECT}:
            hint = "Values are listed of strings, numbers and dates only."
            raise ConfigurationError(f"lists values of a {kind}.", where=at, hint=hint)
        hint = "Put it in quotes." if kind is FieldType.STRING else f"Write a {kind}."
        raise ConfigurationError(f"{value!r} is no {kind}.", where=at, hint=hint)


def _referring(mapping: EntityMapping) -> frozenset[str]:
    """Fields mapped to references of customers and persons: who somebody is, and not which ticket."""
    attributes = ENTITIES[mapping.entity].attributes
    return frozenset(
        to
        for name, to in mapping.attributes.items()
        if isinstance(to, str) and name in attributes and attributes[name].reference in {"customer", "person"}
    )
