"""The door plan: a contract compiled to what the door must know of a payload before it goes into the log.

The door needs an identity, a partition key and a time, and nothing else of a payload; msgspec finds them without keeping
the rest. What it cannot find or read is null and never an error: the record goes into the log as it is, and the check
plan, which reads the payload again and strictly, says what is wrong with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from mainstem.contracts._times import time_of_number, time_of_text, times_of_texts
from mainstem.contracts.contract import Contract
from mainstem.model import ENVELOPE, FieldType, Op

__all__ = ["DoorPlan", "Picked"]

Texts: TypeAlias = Sequence[str | None] | None

_TIMESTAMP = ENVELOPE.field("occurred_at").type
# A column's worth of Arrow's calls costs as much as so many times read one by one.
_FEW = 16

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)
_Getters: TypeAlias = Sequence[Callable[[Any], Any]]


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Picked:
    """Columns, a row a payload; None: the contract names no such field."""

    record_id: Texts = None
    key: Texts = None
    """Of a key of several fields a JSON array of their texts."""
    partition_key: Texts = None
    occurred_at: pa.Array | None = None
    """Timestamps in UTC."""
    op: Sequence[Op] | None = None
    """DELETE where the payload says that the entity is gone, else UPSERT; None for events and where none can say so."""


class DoorPlan:
    """See the module's text; immutable, for any thread."""

    def __init__(self, contract: Contract) -> None:
        """Use `compile`."""
        named = (contract.record_id, contract.partition_key, *contract.key, contract.occurred_at, contract.deleted)
        self._contract = contract
        self._names = list(dict.fromkeys(name for name in named if name is not None))
        self._paths = [contract.fields[name].path for name in self._names]
        self._decode, self._getters = _fast(self._paths, [_leaf(contract, name) for name in self._names])

    @classmethod
    def compile(cls, contract: Contract) -> DoorPlan:
        """The plan of a contract."""
        return cls(contract)

    def pick(self, payloads: Sequence[bytes | msgspec.Raw]) -> Picked:
        """What the payloads say; raises nothing because of them."""
        columns = dict(zip(self._names, self._columns(payloads), strict=True))
        contract = self._contract
        keys = [self._texts(name, columns[name]) for name in contract.key]
        return Picked(
            record_id=None
            if contract.record_id is None
            else self._texts(contract.record_id, columns[contract.record_id]),
            key=(keys[0] if len(keys) == 1 else [_joined(parts) for parts in zip(*keys, strict=True)])
            if keys
            else None,
            partition_key=self._texts(contract.partition_key, columns[contract.partition_key]),
            occurred_at=self._times(columns),
            op=None if contract.deleted is None else self._ops(contract.deleted, columns[contract.deleted]),
        )

    def _columns(self, payloads: Sequence[bytes | msgspec.Raw]) -> list[Sequence[Any]]:
        """The values of each path."""
        # Nearly always all fit, and then no line of Python is run for each.
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            found = list(map(self._decode, payloads))
            return [list(map(get, found)) for get in self._getters]
        rows = [self._row(payload) for payload in payloads]
        return list(zip(*rows, strict=True))

    def _row(self, payload: bytes | msgspec.Raw) -> Sequence[Any]:
        """The same of one payload. If it does not fit each value by itself, null where it cannot be read."""
        try:
            found = self._decode(payload)
            return [get(found) for get in self._getters]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            members = _members(bytes(payload))
            return [_at(members, path) for path in self._paths]

    def _times(self, columns: Mapping[str, Sequence[Any]]) -> pa.Array | None:
        """When the records were true. Times in a form of their own are left to the check plan, which alone reads them."""
        name = self._contract.occurred_at
        if name is None:
            return None
        form = self._contract.fields[name].form
        if form.time_format is not None or form.zone is not None:
            return pa.nulls(len(columns[name]), _TIMESTAMP)
        return _times(self._present(name, columns[name]))

    def _present(self, name: str, column: Sequence[Any]) -> Sequence[Any]:
        """The column without the words for nothing."""
        missing = self._contract.fields[name].form.missing
        return [None if _said(value) in missing else value for value in column] if missing else column

    def _ops(self, name: str, column: Sequence[Any]) -> list[Op]:
        """What the payloads say by a field that marks tombstones; codes of the source's are taken as they are meant."""
        codes = dict(self._contract.fields[name].form.codes)
        present = self._present(name, column)
        return [_op(codes.get(_said(value) or "", value)) for value in present] if codes else list(map(_op, present))

    def _texts(self, name: str, column: Sequence[Any]) -> Sequence[str | None]:
        column = self._present(name, column)
        if self._contract.fields[name].type is FieldType.INTEGER:
            return [_whole(value) for value in column]
        # The usual case needs no look at each value.
        if set(map(type, column)) == {str} and not any(map(str.isspace, column)) and "" not in column:
            return list(column)
        return [_text(value) for value in column]


def _leaf(contract: Contract, name: str) -> Any:
    if name != contract.deleted:
        return str | int | None
    # A code may be a number, and what may be one costs no look at each value.
    return bool | int | str | None if contract.fields[name].form.codes else bool | str | None


def _fast(paths: Sequence[tuple[str, ...]], types: Sequence[Any]) -> tuple[Callable[[Any], Any], _Getters]:
    """A decoder into structs that hold the paths only, and what gets each path from such a struct."""
    tree: dict[str, Any] = {}
    for path, kind in zip(paths, types, strict=True):
        branch = tree
        for step in path[:-1]:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                return _never, [_never] * len(paths)
        if branch.setdefault(path[-1], kind) != kind:
            return _never, [_never] * len(paths)
    return msgspec.json.Decoder(_struct(tree)).decode, [_getter(tree, path) for path in paths]


def _never(_: Any) -> Any:
    raise ValueError("these paths need a look at each value")


def _struct(tree: dict[str, Any]) -> type[msgspec.Struct]:
    fields = [
        (_member(tree, step), _struct(below) | None if isinstance(below, dict) else below, None)
        for step, below in tree.items()
    ]
    renamed = {_member(tree, step): step for step in tree}
    return msgspec.defstruct("Found", fields, rename=renamed, gc=False)


def _member(tree: dict[str, Any], step: str) -> str:
    return f"m{list(tree).index(step)}"


def _getter(tree: dict[str, Any], path: Sequence[str]) -> Callable[[Any], Any]:
    if len(path) == 1:
        return operator.attrgetter(_member(tree, path[0]))
    members = []
    for step in path:
        members.append(_member(tree, step))
        tree = tree[step]

    def get(struct: Any) -> Any:
        for member in members:
            if struct is None:
                return None
            struct = getattr(struct, member)
        return struct

    return get


_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string_of = msgspec.json.Decoder(str).decode


def _members(payload: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _members_of(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def _at(members: dict[str, msgspec.Raw], path: Sequence[str]) -> Any:
    for step in path[:-1]:
        members = _members(bytes(members[step])) if step in members else {}
    raw = bytes(members.get(path[-1], b"")).strip()
    if raw in {b"true", b"false"}:
        return raw == b"true"
    if raw[:1] == b'"':
        try:
            return _string_of(raw)
        except (msgspec.MsgspecError, ValueError):
            return None
    # Of what is valid JSON only numbers begin so.
    return _Number(raw.decode("ascii", "replace")) if raw[:1].isdigit() or raw[:1] == b"-" else None


def _said(value: object) -> str | None:
    """A value as the check plan compares it with words of the contract."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return str(value) if value and not value.isspace() else None
    return None if value is None or isinstance(value, bool) else str(value)


def _whole(value: object) -> str | None:
    """The text of an identity declared an integer: 7, "7" and 7.0 are one."""
    text = _text(value)
    if text is None or _WHOLE.fullmatch(text) is None:
        return text
    return str(int(text.partition(".")[0]))


def _joined(parts: Sequence[str | None]) -> str | None:
    return None if None in parts else json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def _times(column: Sequence[Any]) -> pa.Array:
    found = None if len(column) < _FEW else times_of_texts(column)
    return pa.array([_time(value) for value in column], _TIMESTAMP) if found is None else found


def _time(value: object) -> dt.datetime | None:
    if isinstance(value, str) and not isinstance(value, _Number):
        return time_of_text(value)
    return None if value is None or isinstance(value, bool) else time_of_number(str(value))


def _op(value: object) -> Op:
    return Op.DELETE if value is True or (isinstance(value, str) and value.lower() == "true") else Op.UPSERT
