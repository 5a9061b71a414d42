"""A contract's next version, proposed from what was noticed of drift: for a person to read, or to be activated as it is.

One change after the other is made in the text, each only if the text is a contract with it; what was left out says why.
Comments in the file are lost: the proposal is the file's content, written anew.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import yaml

from mainstem.contracts._canonical import canonical_fields
from mainstem.contracts._reference_tables import own_text
from mainstem.contracts._standard import load_standard
from mainstem.contracts.contract import ANY_SOURCE, MOST_FORMER_PATHS, Contract, ContractField
from mainstem.contracts.drafting import field_name
from mainstem.contracts.policy import DriftKind, Policies, Policy
from mainstem.contracts.reader import read_contract
from mainstem.errors import ConfigurationError
from mainstem.model import EntityKind, FieldType, PiiClass

__all__ = ["Evolution", "Observed", "Proposed", "propose_evolution"]

_NO_NAME = "*"
_SEMANTIC = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SCALARS = frozenset({"string", "integer", "number", "boolean"})


@dataclasses.dataclass(frozen=True, slots=True)
class Observed:
    """What was noticed of one contract version (docs/specs/drift.md has the meaning of each part)."""

    kind: DriftKind
    path: str
    observed: str
    types: Sequence[str]
    evidence: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Proposed:
    """One change. `left` says why it was left out; None when it is in the text."""

    kind: str
    path: str
    message: str
    left: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Evolution:
    """`text` is the next version's, None when nothing would change."""

    text: str | None
    changes: Sequence[Proposed]


class _LeftError(Exception):
    """A change that is not made, and why."""


def propose_evolution(contract: Contract, source: str, observed: Sequence[Observed]) -> Evolution:
    """The next version of a contract in force for a source; of one for any source, a version of the source's own."""
    evolving = _Evolving(contract, source)
    kinds = (
        DriftKind.RENAME,
        DriftKind.NEW_FIELD,
        DriftKind.TYPE_CHANGE,
        DriftKind.ENUM_GROWTH,
        DriftKind.MISSING_FIELD,
    )
    for kind in kinds:
        for one in observed:
            if one.kind is kind:
                evolving.take(one)
    return evolving.done()


class _Evolving:
    """A text on its way."""

    def __init__(self, contract: Contract, source: str) -> None:
        self._contract = contract
        declared, self._tables = own_text(contract.text)
        self._data = copy.deepcopy(dict(load_standard(declared, "the contract in force")))
        if contract.source == ANY_SOURCE:
            _set_custom(self._data, "source", source)
        self._changes: list[Proposed] = []
        self._renamed: dict[str, str] = {}
        self._handlers: Mapping[DriftKind, Callable[[dict[str, Any], Observed], str]] = {
            DriftKind.RENAME: self._rename,
            DriftKind.NEW_FIELD: self._add,
            DriftKind.TYPE_CHANGE: self._widen,
            DriftKind.ENUM_GROWTH: self._allow,
            DriftKind.MISSING_FIELD: self._relax,
        }

    def take(self, one: Observed) -> None:
        """Make the change that answers what was observed, if one does."""
        tried = copy.deepcopy(self._data)
        try:
            message = self._handlers[one.kind](tried, one)
            if tried != self._data:
                read_contract(_dumped(tried) + self._tables, "the proposal")
        except _LeftError as left:
            self._changes.append(Proposed(one.kind.value, one.path, _named(one), str(left)))
            return
        except ConfigurationError as error:
            self._changes.append(Proposed(one.kind.value, one.path, _named(one), f"it would be no contract: {error}"))
            return
        if tried == self._data:
            return
        self._data = tried
        self._changes.append(Proposed(one.kind.value, one.path, message))

    def done(self) -> Evolution:
        if not any(change.left is None for change in self._changes):
            return Evolution(None, self._changes)
        version = _SEMANTIC.fullmatch(str(self._data.get("version")))
        if version is not None:
            self._data["version"] = f"{version[1]}.{int(version[2]) + 1}.0"
        return Evolution(_dumped(self._data) + self._tables, self._changes)

    # One for each kind: change the data, and say what was changed.

    def _rename(self, data: dict[str, Any], one: Observed) -> str:
        field = self._declared(one.observed)
        _allowed_by(field.policies, DriftKind.MISSING_FIELD)
        _allowed_by(self._contract.policies, DriftKind.NEW_FIELD)
        if one.evidence.get("both"):
            raise _LeftError("records have both: the field still comes.")
        if one.path in self._renamed.values() or field.name in self._renamed:
            raise _LeftError("another field is likelier.")
        if "." in one.path:
            raise _LeftError("the new key lies inside an object: write its path yourself.")
        # What lies at the same place has gone with it.
        moved = [other for other in self._contract.fields.values() if other.path == field.path]
        for other in moved:
            _allowed_by(other.policies, DriftKind.MISSING_FIELD)
            _move(_property(data, other.name), other, one.path)
        self._renamed |= dict.fromkeys((other.name for other in moved), one.path)
        whose = ", ".join(repr(other.name) for other in moved)
        which = f"the field {whose} is" if len(moved) == 1 else f"the fields {whose} are"
        return f"{which} read from the key {one.path!r}, and where that is not there as before"

    def _add(self, data: dict[str, Any], one: Observed) -> str:
        _allowed_by(self._contract.policies, DriftKind.NEW_FIELD)
        if one.path == _NO_NAME:
            raise _LeftError("keys that look like data and not like names, or too many of them, are no fields.")
        if one.path in self._renamed.values():
            return ""
        if not one.types:
            raise _LeftError("none of its values was anything but null: its type is not known yet.")
        path = [str(step) for step in one.evidence.get("path", [one.path])]
        properties = data["schema"][0]["properties"]
        name = field_name("_".join(path), {str(known["name"]) for known in properties})
        kind = _type_of(one)
        said: dict[str, Any] = {"name": name, "logicalType": kind}
        custom: dict[str, Any] = {}
        if len(path) > 1:
            custom["path"] = _written(path)
        elif path[0] != name:
            said["physicalName"] = path[0]
        pii = one.evidence.get("pii")
        if pii is not None:
            custom["pii"] = pii
        if custom:
            said["customProperties"] = [{"property": key, "value": value} for key, value in custom.items()]
        properties.append(said)
        guessed = "" if pii is None else f", of the PII class {pii}"
        if self._contract.kind is EntityKind.STATE:
            attributes = _custom(data, "mapping")["value"]["attributes"]
            attribute = field_name(name, set(attributes))
            attributes[attribute] = name
            return f"the field {name!r} ({kind}{guessed}) is new, and becomes the attribute {attribute!r}"
        return f"the field {name!r} ({kind}{guessed}) is new"

    def _widen(self, data: dict[str, Any], one: Observed) -> str:
        field = self._declared(one.path)
        if one.evidence.get("read"):
            return ""
        _allowed_by(field.policies, DriftKind.TYPE_CHANGE)
        declared = _property(data, field.name)
        was = declared["logicalType"]
        seen = set(one.types)
        if was in {"object", "array"} or not seen <= _SCALARS:
            raise _LeftError(f"no type takes both {was} and {' or '.join(sorted(seen))}: declare a second field.")
        wider = "number" if was == "integer" and seen <= {"integer", "number"} else "string"
        if was == wider:
            return ""
        declared["logicalType"] = wider
        return f"the field {field.name!r} was {was} and is {wider}"

    def _allow(self, data: dict[str, Any], one: Observed) -> str:
        field = self._declared(one.path)
        _allowed_by(field.policies, DriftKind.ENUM_GROWTH)
        if field.name in canonical_fields(self._contract):
            raise _LeftError("its values are the entity's: say with `codes` which of them a new one means.")
        if not one.observed:
            why = (
                "its values are personal data"
                if field.pii is not PiiClass.NONE
                else "the value is too long, no text, or may be somebody's"
            )
            raise _LeftError(f"{why}: list the new ones yourself.")
        value: Any = one.observed
        if field.type is FieldType.INTEGER:
            value = int(value)
        elif field.type is FieldType.NUMBER:
            value = float(value)
        declared = _property(data, field.name)
        if "enum" in declared:
            declared["enum"].append({"value": value})
        else:
            for rule in declared.get("quality", ()):
                if rule.get("metric") == "invalidValues":
                    rule["arguments"]["validValues"].append(value)
        return f"the field {field.name!r} may be {one.observed!r}"

    def _relax(self, data: dict[str, Any], one: Observed) -> str:
        field = self._declared(one.path)
        if field.name in self._renamed or not field.required:
            return ""
        _allowed_by(field.policies, DriftKind.MISSING_FIELD)
        _property(data, field.name)["required"] = False
        return f"the field {field.name!r} is optional"

    def _declared(self, name: str) -> ContractField:
        field = self._contract.fields.get(name)
        if field is None:
            raise _LeftError("the contract has no such field.")
        return field


def _allowed_by(policies: Policies, kind: DriftKind) -> None:
    """Raise `_LeftError` where the contract says that drift changes nothing in it."""
    policy = policies.of(kind)
    if policy is Policy.FREEZE:
        raise _LeftError("it is frozen.")
    if policy in {Policy.DISCARD_ROW, Policy.DISCARD_VALUE}:
        raise _LeftError(f"the contract says {policy}.")


def _type_of(one: Observed) -> str:
    """The narrowest type that takes what was seen; a text that only looks like a number stays a text."""
    seen, guess = set(one.types), str(one.evidence.get("type", "string"))
    if seen == {"string"}:
        return "timestamp" if guess == "timestamp" else "string"
    if seen <= {"integer", "number"}:
        return "number" if "number" in seen else "integer"
    if len(seen) == 1:
        return seen.pop()
    if seen <= _SCALARS - {"boolean"}:
        return "string"
    raise _LeftError(f"its values are of several types: {', '.join(sorted(seen))}.")


def _named(one: Observed) -> str:
    rest = f" ({one.observed})" if one.observed else ""
    return f"{one.kind.value.replace('_', ' ')} {one.path!r}{rest}"


def _move(declared: dict[str, Any], field: ContractField, key: str) -> None:
    """Have a field read from a key of the top level, and where that is not there as before."""
    declared.pop("physicalName", None)
    for name in ("path", "formerPaths"):
        _drop_custom(declared, name)
    if key != field.name:
        declared["physicalName"] = key
    former = [_written(path) for path in field.paths if path != (key,)][:MOST_FORMER_PATHS]
    declared.setdefault("customProperties", []).append({"property": "formerPaths", "value": former})


def _property(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in data["schema"][0]["properties"] if one["name"] == name)
    return found


def _custom(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    lists: tuple[Collection[dict[str, Any]], ...] = (
        data["schema"][0].get("customProperties") or (),
        data.get("customProperties") or (),
    )
    return next(one for properties in lists for one in properties if one["property"] == name)


def _set_custom(data: dict[str, Any], name: str, value: str) -> None:
    _custom(data, name)["value"] = value


def _written(path: Sequence[str]) -> str | list[str]:
    """A path as contracts write it."""
    return ".".join(path) if all("." not in step for step in path) else list(path)


def _drop_custom(declared: dict[str, Any], name: str) -> None:
    kept = [one for one in declared.get("customProperties") or () if one["property"] != name]
    declared.pop("customProperties", None)
    if kept:
        declared["customProperties"] = kept


def _dumped(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=120)
