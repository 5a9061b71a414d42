"""What the engine remembers of a stream for a while: the latest values and types of its fields, and new keys under look.

All of it is lost when the process ends and learnt anew: it serves to notice, and nothing is counted with it. Values stay
here; what is told of them are types, shares and, where the contract says that a field is no personal data, values that its
enumeration lacks.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import Contract, ContractField, DriftKind, declared_keys, guess_field
from mainstem.model import FieldType, PiiClass
from mainstem.processing.drift.effects import MOST_PATHS, NO_NAME, Finding
from mainstem.processing.drift.likeness import compare, likely

__all__ = ["Sampled", "StreamMemory", "are_key_names", "fits_type", "is_key_name", "json_type", "sampled", "value_at"]

_KEPT_VALUES = 300
_LOOKED_AT = 200
_LONGEST_VALUE = 64
_LONGEST_REMEMBERED = 200
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.: -]{0,62}")
_DIGITS = re.compile(r"[0-9]{5}")

_JSON_TYPES: Mapping[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array",
}  # fmt: skip
_DECLARED: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.STRING: ("string",),
    FieldType.INTEGER: ("integer",),
    FieldType.NUMBER: ("number", "integer"),
    FieldType.BOOLEAN: ("boolean",),
    FieldType.TIMESTAMP: ("string", "integer", "number"),
    FieldType.DATE: ("string",),
}
# Other JSON types from which a value may be read all the same.
_READ: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.STRING: ("integer", "number"),
    FieldType.INTEGER: ("string", "number"),
    FieldType.NUMBER: ("string",),
    FieldType.BOOLEAN: ("string",),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Sampled:
    """A record looked at whole."""

    payload: Mapping[str, Any]
    at: dt.datetime
    """When it was received."""


@dataclasses.dataclass(slots=True)
class _Candidate:
    """A new key: what its values look like so far, and which declared fields were never there beside it."""

    absent: set[str]
    values: dict[str, None] = dataclasses.field(default_factory=dict)
    raw: list[Any] = dataclasses.field(default_factory=list)
    types: set[str] = dataclasses.field(default_factory=set)
    rows: int = 0
    guess: tuple[str, str | None] = ("string", None)
    valued: int = 0
    """Records looked at in which it has a value."""
    rename: tuple[str, Mapping[str, Any]] | None = None
    """The field it seemed likely to be, with the evidence; `both` of it: a record that came later has the field too."""


class StreamMemory:
    """Of one contract version of a stream; used by one thread at a time."""

    def __init__(self, source: str, contract: Contract) -> None:
        self.looked_at = 0
        self._source = source
        self._contract = contract
        self._inner = {path: frozenset(keys) for path, keys in declared_keys(contract.fields.values()).items() if path}
        self._values: dict[str, dict[str, None]] = {name: {} for name in contract.fields}
        self._types: dict[str, set[str]] = {name: set() for name in contract.fields}
        self._candidates: dict[str, _Candidate] = {}
        self._told: set[tuple[object, ...]] = set()

    def look(self, sample: Sequence[Sampled]) -> Iterator[Finding]:
        """Learn from a batch's first records; new keys inside objects and changes of type that lose nothing."""
        self.looked_at += len(sample)
        # What was told may not have been written: each batch tells all that it shows.
        self._told.clear()
        for one in sample:
            for name, field in self._contract.fields.items():
                value = _value_of(one.payload, field)
                if value is None or value == "" or _is_word(field, value):
                    continue
                yield from self._read(name, field, json_type(value), one.at)
                _remember(self._values[name], value)
            for path, known in self._inner.items():
                inside = value_at(one.payload, path)
                # Of an object with a key for each of whatever there are many of, the first ones.
                for key in itertools.islice(inside, MOST_PATHS) if isinstance(inside, dict) else ():
                    if key not in known:
                        yield from self.new_key((*path, key), [one], one.at)

    def is_curious(self, path: Sequence[str]) -> bool:
        """Whether records with an undeclared key have to be looked at to know what it holds."""
        name = ".".join(path)
        known = self._candidates.get(name)
        return known.rows < _LOOKED_AT if known is not None else self._may_be_named(name, path)

    def new_key(self, path: Sequence[str], rows: Sequence[Sampled], at: dt.datetime) -> Iterator[Finding]:
        """Look at records that have an undeclared key; the first of all was received `at`."""
        name = ".".join(path)
        if not self._may_be_named(name, path):
            yield from self._tell(DriftKind.NEW_FIELD, NO_NAME, "", at)
            return
        known = self._candidates.setdefault(name, _Candidate(set(self._contract.fields)))
        if known.rows < _LOOKED_AT:
            self._learn(name, known, path, rows)
        evidence = {
            "type": known.guess[0],
            "pii": known.guess[1],
            "path": list(path),
            "looked_at": known.valued,
        }
        yield from self._tell(DriftKind.NEW_FIELD, name, "", at, known.types, evidence)
        if known.rename is not None:
            yield from self._tell(DriftKind.RENAME, name, known.rename[0], at, known.types, known.rename[1])

    def _may_be_named(self, name: str, path: Sequence[str]) -> bool:
        return name in self._candidates or (len(self._candidates) < MOST_PATHS and all(map(is_key_name, path)))

    def _learn(self, name: str, known: _Candidate, path: Sequence[str], rows: Sequence[Sampled]) -> None:
        for one in rows[: _LOOKED_AT - known.rows]:
            value = value_at(one.payload, path)
            known.rows += 1
            known.absent -= {
                field for field in known.absent if _value_of(one.payload, self._contract.fields[field]) is not None
            }
            if value is not None:
                known.types.add(json_type(value))
                known.raw.append(_shortened(value))
                known.valued += 1
                _remember(known.values, value)
        if known.raw:
            known.guess = guess_field(path[-1], known.raw)
        known.rename = known.rename or self._renamed(name, known)
        if known.rename is not None and known.rename[0] not in known.absent:
            known.rename = (known.rename[0], {**known.rename[1], "both": True})
        if known.rows >= _LOOKED_AT:
            known.raw, known.values = [], {}

    def departing(self, kind: DriftKind, name: str, rows: Sequence[Sampled]) -> Iterator[Finding]:
        """Look at records whose value of a field is not of its type, or not an allowed one."""
        field = self._contract.fields[name]
        for one in rows:
            value = _value_of(one.payload, field)
            if kind is DriftKind.TYPE_CHANGE:
                told = "" if value is None else json_type(value)
                yield from self._tell(kind, name, told, one.at, {told} - {""}, {"read": False})
            elif kind is DriftKind.ENUM_GROWTH:
                yield from self._tell(kind, name, _shown(field, value), one.at)
            else:
                yield from self._tell(kind, name, "", one.at, (), {"required": True})

    def grown(self, name: str, values: Sequence[str], at: dt.datetime) -> Iterator[Finding]:
        """Values of a field that are not allowed ones; the first of their records was received `at`."""
        for value in values:
            yield from self._tell(DriftKind.ENUM_GROWTH, name, _shown(self._contract.fields[name], value), at)

    def _read(self, name: str, field: ContractField, kind: str, at: dt.datetime) -> Iterator[Finding]:
        """A value of another JSON type than the field's other ones had, from which it can still be read."""
        known = self._types[name]
        known.add(kind)
        if kind in _READ.get(field.type, ()) and known & set(_DECLARED[field.type]):
            yield from self._tell(DriftKind.TYPE_CHANGE, name, kind, at, {kind}, {"read": True})

    def _renamed(self, key: str, known: _Candidate) -> tuple[str, Mapping[str, Any]] | None:
        """The declared field that a new key is likely to be, and what speaks for it."""
        found = []
        for name in known.absent:
            field = self._contract.fields[name]
            before = self._values[name]
            same = fits_type(field, known.types)
            # Of a field that was never met only a name can tell, and only a required one is known to have been there.
            if before or field.required:
                one = compare(field.path[-1], key.rsplit(".", 1)[-1], before, known.values, same_type=same)
                if likely(one):
                    found.append((one.score, name, one))
        if not found:
            return None
        _, name, one = max(found, key=lambda found: found[:2])
        return name, one.told()

    def _tell(
        self,
        kind: DriftKind,
        path: str,
        observed: str,
        at: dt.datetime,
        types: set[str] | tuple[str, ...] = (),
        evidence: Mapping[str, Any] | None = None,
    ) -> Iterator[Finding]:
        """The finding, once a batch."""
        key = (kind, path, observed, kind is DriftKind.TYPE_CHANGE and bool((evidence or {}).get("read")))
        if key in self._told:
            return
        self._told.add(key)
        contract = self._contract
        yield Finding(
            self._source,
            contract.stream,
            contract.version,
            kind,
            path,
            observed,
            at,
            tuple(sorted(types)),
            evidence or {},
        )


def is_key_name(key: str) -> bool:
    """Whether a key looks like a field's name, and not like data, which may be somebody's."""
    return _NAME.fullmatch(key) is not None and _DIGITS.search(key) is None


def are_key_names(keys: pa.Array) -> npt.NDArray[np.bool_]:
    """`is_key_name` of each text."""
    like_names = pc.match_substring_regex(keys, rf"\A(?:{_NAME.pattern})\z")
    return np.asarray(pc.and_not(like_names, pc.match_substring_regex(keys, _DIGITS.pattern)))


def fits_type(field: ContractField, types: Collection[str]) -> bool:
    """Whether values of these JSON types, of which there are some, can be the field's."""
    declared = {*_DECLARED.get(field.type, ()), *_READ.get(field.type, ())}
    return bool(types) and (declared.issuperset(types) if declared else field.type.value in types)


def json_type(value: object) -> str:
    """Of a value that is there."""
    return _JSON_TYPES[type(value)]


def sampled(payloads: Sequence[bytes], at: Sequence[dt.datetime]) -> list[Sampled | None]:
    """Records as they can be looked at; None for those that cannot be read."""
    found: list[Sampled | None] = []
    for payload, received in zip(payloads, at, strict=True):
        try:
            found.append(Sampled(msgspec.json.decode(payload, type=dict[str, Any]), received))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            found.append(None)
    return found


def value_at(payload: Any, path: Sequence[str]) -> Any:
    """What lies at a path of a payload; None where nothing does."""
    for step in path:
        if not isinstance(payload, dict):
            return None
        payload = payload.get(step)
    return payload


def _value_of(payload: Any, field: ContractField) -> Any:
    return next((value for path in field.paths if (value := value_at(payload, path)) is not None), None)


def _is_word(field: ContractField, value: Any) -> bool:
    """Whether the contract says what the value means, whatever its JSON type."""
    form = field.form
    return bool(form.missing or form.codes) and str(value) in {*form.missing, *(code for code, _ in form.codes)}


def _shortened(value: Any) -> Any:
    """A value of which type and kind can still be told, and which takes no room."""
    if isinstance(value, dict | list):
        return type(value)()
    return value[:_LONGEST_REMEMBERED] if isinstance(value, str) else value


def _remember(values: dict[str, None], value: Any) -> None:
    """Keep a scalar as text, the latest ones."""
    if isinstance(value, dict | list):
        return
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) > _LONGEST_REMEMBERED:
        return
    values.pop(text, None)
    values[text] = None
    if len(values) > _KEPT_VALUES:
        del values[next(iter(values))]


def _shown(field: ContractField, value: Any) -> str:
    """A value as a finding may tell it: short text of a field that is no personal data, and looks like none; else nothing."""
    if field.pii is not PiiClass.NONE or value is None or isinstance(value, dict | list):
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) > _LONGEST_VALUE or not text.isprintable():
        return ""
    somebodys = _DIGITS.search(text) is not None or guess_field("", [text])[1] in {PiiClass.EMAIL, PiiClass.PHONE}
    return "" if somebodys else text
