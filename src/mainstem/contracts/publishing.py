"""A contract as others read it: what it says as plain data, and its payload as JSON Schema (2020-12).

The JSON Schema is for who writes a sender. It is stricter than the reading, which takes a number in quotes as well, and
says nothing about rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.contracts._limits import FORMATS
from mainstem.contracts._regex import portable_pattern
from mainstem.contracts._remedies import remedy_words
from mainstem.contracts._source_form import form_words
from mainstem.contracts.contract import Contract, ContractField, Limit, Severity
from mainstem.contracts.remedy import Enrich, Impute
from mainstem.model import FieldType

__all__ = ["described", "json_schema"]

_TYPES: Mapping[FieldType, Mapping[str, Any]] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.TIMESTAMP: {"type": "string", "format": "date-time"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.OBJECT: {"type": "object"},
}


def described(contract: Contract) -> dict[str, Any]:
    """What a contract says, as JSON values."""
    attributes: dict[str, list[str]] = {}
    constants = {}
    for name, to in contract.mapping.attributes.items():
        if isinstance(to, str):
            attributes.setdefault(to, []).append(name)
        else:
            constants[name] = to.value
    return {
        "source": contract.source,
        "stream": contract.stream,
        "version": contract.version,
        "fingerprint": contract.fingerprint,
        "kind": contract.kind.value,
        "entity": contract.mapping.entity,
        "constants": constants,
        "key": list(contract.key),
        "partition_key": contract.partition_key,
        "record_id": contract.record_id,
        "occurred_at": contract.occurred_at,
        "repeat": contract.repeat.value,
        "schema_change": {"new_field": contract.policies.new_field.value},
        "freshness_seconds": None if contract.freshness is None else contract.freshness.total_seconds(),
        "fields": [
            {
                "name": field.name,
                "type": "array" if field.array else field.type.value,
                "required": field.required,
                "unique": field.unique,
                "path": list(field.path),
                "former_paths": [list(path) for path in field.former],
                "pii": field.pii.value,
                "allowed": list(field.allowed),
                "form": dict(form_words(field.form)),
                "remedies": remedy_words(field),
                "limits": [
                    {"limit": limit.word, "value": limit.value, "severity": limit.severity.value}
                    for limit in field.limits
                ],
                "completeness": field.completeness,
                "refers_to": None
                if field.parent is None
                else {
                    "stream": field.parent.stream,
                    "field": field.parent.field,
                    "wait_seconds": field.parent.wait.total_seconds(),
                },
                "attributes": attributes.get(field.name, []),
                "schema_change": {
                    kind: getattr(field.policies, kind).value
                    for kind in ("missing_field", "type_change", "enum_growth")
                },
                "description": field.description,
            }
            for field in contract.fields.values()
        ],
        "load_volume": None if contract.volume is None else dataclasses.asdict(contract.volume),
        "rules": [
            {
                "name": rule.name,
                "field": rule.field,
                "condition": rule.expression,
                "severity": rule.severity.value,
                "uses": sorted(rule.uses),
                "description": rule.description,
            }
            for rule in contract.rules
        ],
    }


def json_schema(contract: Contract) -> dict[str, Any]:
    """The schema of a record's payload; fields lie where their paths lead."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{contract.source}.{contract.stream}",
        "type": "object",
        "properties": {},
    }
    for field in contract.fields.values():
        for path in field.paths:
            # Of several places one is enough.
            imputed = any(isinstance(one, Impute | Enrich) for one in field.remedies)
            _place(root, path, _field(field), required=field.required and not field.former and not imputed)
    return root


def _place(level: dict[str, Any], path: Sequence[str], said: Mapping[str, Any], *, required: bool) -> None:
    for step in path[:-1]:
        if required:
            _require(level, step)
        level = level.setdefault("properties", {}).setdefault(step, {"type": "object"})
    last = path[-1]
    if required:
        _require(level, last)
    known = level.setdefault("properties", {})
    known[last] = {**known.get(last, {}), **said}


def _require(level: dict[str, Any], name: str) -> None:
    required = level.setdefault("required", [])
    if name not in required:
        required.append(name)


def _field(field: ContractField) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "array"} if field.array else dict(_TYPES[field.type])
    if field.description:
        said["description"] = field.description
    if form_words(field.form) or field.remedies:
        # What is sent is the source's writing, or is remedied, which JSON Schema cannot say; types and limits are about what it means.
        return {name: value for name, value in said.items() if name == "description"}
    if field.allowed:
        said["enum"] = [
            _number(one) if field.type in {FieldType.INTEGER, FieldType.NUMBER} else one for one in field.allowed
        ]
    for limit in field.limits:
        if limit.severity is Severity.QUARANTINE:
            said.update(_limit(field, limit))
    if not field.required:
        # A key without value is the same as none.
        said["type"] = [said["type"], "null"]
        if "enum" in said:
            said["enum"] = [*said["enum"], None]
    return said


def _limit(field: ContractField, limit: Limit) -> Mapping[str, Any]:
    if limit.word == "format":
        return {"format": limit.value} if limit.value in FORMATS else {}
    if limit.word == "pattern":
        return {"pattern": portable_pattern(limit.value)}
    if field.type in {FieldType.TIMESTAMP, FieldType.DATE}:
        return {}
    return {limit.word: _number(limit.value)}


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
