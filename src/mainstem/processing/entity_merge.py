"""How versions of one entity add up: the same state whatever order they were received in.

Records are ordered by (vendor version, `observed_at`, content hash); the place in the log never decides. Folded in that
order, an `upsert` is the whole content, a `patch` sets the attributes it names (null takes one away), a `delete` leaves a
tombstone, and whatever follows a tombstone begins anew. So a `patch` holds per attribute what came last.

A record is a duplicate when it changes nothing of the state it follows. One that repeats the version just before it only
lengthens that version's span: what was observed again needs no new row, unless it was observed earlier. A later record that falls within a span cuts it
in two: the version was seen before it and seen again after it. Any other duplicate (a patch that sets what is so already)
keeps a row of its own, because its place in the order still counts when an older record arrives late.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mainstem.model import Op

__all__ = ["Order", "State", "Version", "canonical_json", "fold", "merge", "running_states"]

Order = tuple[str, dt.datetime, bytes]
"""(vendor version, observed_at, content hash)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """One row of an entity's history. `attributes` and `personal` are JSON objects, the latter None when empty.

    So are `remedied` and `remedied_personal`: what was remedied of the two, None when nothing was.
    """

    version: str
    observed_at: dt.datetime
    content_hash: bytes
    op: Op
    stream: str
    contract_version: int
    day: dt.date
    attributes: str
    personal: str | None
    customer: bytes | None
    last_version: str
    last_observed_at: dt.datetime
    accepted: bool = True
    remedied: str | None = None
    remedied_personal: str | None = None

    @property
    def first(self) -> Order:
        """Where its span begins."""
        return (self.version, self.observed_at, self.content_hash)

    @property
    def last(self) -> Order:
        """Where its span ends."""
        return (self.last_version, self.last_observed_at, self.content_hash)

    def says(self, other: Version) -> bool:
        """Whether the other has the same content and operation."""
        return self.content_hash == other.content_hash

    def until(self, order: Order) -> Version:
        """The same version, observed up to `order`."""
        return dataclasses.replace(self, last_version=order[0], last_observed_at=order[1])


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What an entity is after some versions. `patched` says that no single version says it all."""

    deleted: bool
    customer: bytes | None
    attributes: Mapping[str, Any]
    personal: Mapping[str, Any]
    patched: bool
    remedied: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    remedied_personal: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def content(self) -> tuple[str, str | None]:
        """Attributes and personal ones as canonical JSON."""
        return canonical_json(self.attributes), canonical_json(self.personal) if self.personal else None

    def remedies(self) -> tuple[str | None, str | None]:
        """What was remedied of attributes and personal ones as canonical JSON, None for nothing."""
        return _json_or_none(self.remedied), _json_or_none(self.remedied_personal)

    def said(self) -> tuple[str | None, str | None]:
        """The same without the times: equal whenever it was observed."""
        return _json_or_none(_timeless(self.remedied)), _json_or_none(_timeless(self.remedied_personal))


def _json_or_none(part: Mapping[str, Any]) -> str | None:
    return canonical_json(part) if part else None


def _timeless(remedied: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {key: value for key, value in one.items() if key != "at"} for name, one in remedied.items()}


def _parsed(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    # Numbers as decimals: exact, and blind to how they were written.
    parsed: dict[str, Any] = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    return parsed


def canonical_json(value: Any) -> str:
    """JSON in one form: keys sorted, no spaces, numbers (given as Decimal) by value and not by spelling."""
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{canonical_json(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(canonical_json, value)) + "]"
        case Decimal():
            return _number(value)
        case _:
            return json.dumps(value)


def _number(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    significant = "".join(map(str, digits)).lstrip("0").rstrip("0")
    if not significant:
        return "0"
    # JSON has no NaN, so the exponent is a number. Never written out: 1e999999 is short only this way.
    exponent = int(exponent) + len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return f"{'-' if sign else ''}{significant}{f'E{exponent}' if exponent else ''}"


def fold(versions: Sequence[Version]) -> State | None:
    """The state after versions in merge order; None when there are none."""
    if not versions:
        return None
    start = next((n for n in range(len(versions) - 1, -1, -1) if versions[n].op is not Op.PATCH), 0)
    *_, state = running_states(versions[start:])
    return state


def running_states(versions: Sequence[Version]) -> Iterator[State]:
    """The state after each of the versions, which are in merge order and begin with one that says everything, if any does."""
    state = State(deleted=False, customer=None, attributes={}, personal={}, patched=True)
    for version in versions:
        state = _applied(state, version)
        yield state


def _applied(state: State, version: Version) -> State:
    match version.op:
        case Op.DELETE:
            return State(deleted=True, customer=None, attributes={}, personal={}, patched=False)
        case Op.PATCH:
            named, personal = _parsed(version.attributes), _parsed(version.personal)
            # A contract may have moved an attribute between the two parts: it lies in the one that spoke last.
            both = named.keys() | personal.keys()
            return State(
                deleted=False,
                customer=version.customer or state.customer,
                attributes=_patched(state.attributes, both, named),
                personal=_patched(state.personal, both, personal),
                patched=True,
                remedied=_patched(state.remedied, both, _parsed(version.remedied)),
                remedied_personal=_patched(state.remedied_personal, both, _parsed(version.remedied_personal)),
            )
        case _:
            return State(
                deleted=False,
                customer=version.customer,
                attributes=_parsed(version.attributes),
                personal=_parsed(version.personal),
                patched=False,
                remedied=_parsed(version.remedied),
                remedied_personal=_parsed(version.remedied_personal),
            )


def _patched(old: Mapping[str, Any], named: Iterable[str], new: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in old.items() if key not in named}
    return kept | {key: value for key, value in new.items() if value is not None}


def merge(history: Sequence[Version], record: Version) -> tuple[list[Version], bool]:
    """The history with the record in its place, and whether it was a version of its own (False: a duplicate).

    `history` is in merge order, its spans do not overlap; so is what comes back.
    """
    rows = list(history)
    at = bisect.bisect_right(rows, record.first, key=lambda row: row.first)
    before = rows[at - 1] if at else None
    if before is not None and before.says(record):
        if record.observed_at < before.observed_at:
            # Since when a state is in force is the earliest that it was observed.
            own = dataclasses.replace(record, accepted=False)
            rows[at - 1 : at] = [before.until(before.first), own.until(max(before.last, record.last))]
        elif before.last < record.last:
            rows[at - 1] = before.until(record.last)
        return rows, False
    if before is not None and before.last > record.first:
        again = dataclasses.replace(
            before, version=before.last_version, observed_at=before.last_observed_at, accepted=False
        )
        rows[at - 1 : at] = [before.until(before.first), again]
    previous = fold(rows[:at])
    accepted = previous is None or _meaning(_applied(previous, record)) != _meaning(previous)
    rows.insert(at, dataclasses.replace(record, accepted=accepted))
    return rows, accepted


def _meaning(state: State) -> tuple[Any, ...]:
    return (state.deleted, state.customer, *state.content(), *state.said())
