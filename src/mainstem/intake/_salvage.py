"""The slow, patient reading: tells the broken records of a body from the good ones, and says what is wrong with each.

The fast reading decodes a whole body at once and gives up at the first thing it dislikes. This one cuts the body into
records by brackets, quotes and commas alone, so that one broken record takes no neighbour with it, and judges each by
itself. It also accepts what msgspec does not but the JSON standard does: escapes of lone surrogates.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from mainstem.contracts import deepest
from mainstem.hints import near_miss
from mainstem.intake._envelope import ENVELOPE_KEYS, Identifier, LenientEnvelope, OpName
from mainstem.intake.delivery import Refusal
from mainstem.intake.settings import DoorSettings
from mainstem.model import NAME_PATTERN, is_name

__all__ = ["Salvaged", "judge_bare", "judge_envelope", "split_array"]

# A string, a structural character, or a quote that nothing closes.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_TOKEN_OR_COLON = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},:]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"
_SPACE = b" \t\n\r"

_raw = msgspec.json.Decoder(msgspec.Raw)
_whole = msgspec.json.Decoder(LenientEnvelope)
_names = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_identifier: msgspec.json.Decoder[Identifier] = msgspec.json.Decoder(Identifier)
_op: msgspec.json.Decoder[OpName | None] = msgspec.json.Decoder(OpName | None)
_instant: msgspec.json.Decoder[dt.datetime | None] = msgspec.json.Decoder(dt.datetime | None)

_NAME_HINT = f"Names match {NAME_PATTERN}: lower case, digits and underscores."
_OBJECT_HINT = "The payload is the source's record as a JSON object."


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Numbers are not built: a number of a million digits is valid JSON, and nobody's value here.
_strict_json = json.JSONDecoder(parse_constant=_no_constant, parse_int=len, parse_float=len)


@dataclasses.dataclass(frozen=True, slots=True)
class Salvaged:
    """One record that can be taken in; the fields of an envelope, or a bare payload with nothing else."""

    stream: str
    payload: bytes
    id: str | None = None
    key: str | None = None
    customer_id: str | None = None
    occurred_at: dt.datetime | None = None
    observed_at: dt.datetime | None = None
    op: OpName | None = None
    unknown: tuple[str, ...] = ()


class _RefusedError(Exception):
    def __init__(self, field: str | None, reason: str, hint: str) -> None:
        super().__init__(field, reason, hint)
        self.field = field
        self.reason = reason
        self.hint = hint


def judge_envelope(index: int, record: bytes, settings: DoorSettings) -> Salvaged | Refusal:
    """What is in an envelope, or why it is refused."""
    try:
        record = _readable(record, settings, settings.max_nesting + 1)
        return _at_once(record, settings) or _by_members(record, settings)
    except _RefusedError as why:
        return Refusal(index, why.field, why.reason, why.hint)


def judge_bare(index: int, record: bytes, stream: str, settings: DoorSettings) -> Salvaged | Refusal:
    """A bare payload, or why it is refused."""
    try:
        payload = _readable(record, settings, settings.max_nesting)
    except _RefusedError as why:
        return Refusal(index, why.field, why.reason, why.hint)
    if not payload.startswith(b"{"):
        return Refusal(index, None, "not_an_object", "Every record is a JSON object.")
    return Salvaged(stream, payload)


def split_array(body: bytes, limit: int) -> list[bytes] | None:
    """The elements of a JSON array as bytes; None when its brackets and quotes do not even close.

    Only quotes, brackets and commas are looked at, so an element may be anything, also nothing. Past `limit` elements
    the rest is not looked at.
    """
    elements: list[bytes] = []
    depth = 0
    start = 0
    for position, mark, level in _structure(body):
        if mark == b'"':
            return None
        if depth == 0 and (elements or mark != b"["):
            return None
        depth = level
        if depth == 1 and mark in b"[," and (mark == b"," or not elements):
            if mark == b",":
                elements.append(body[start:position].strip(_SPACE))
                if len(elements) > limit:
                    return elements
            start = position + 1
        elif depth == 0:
            elements.append(body[start:position].strip(_SPACE))
            if mark != b"]" or body[position + 1 :].strip(_SPACE):
                return None
            return [] if elements == [b""] else elements
    return None


def _structure(text: bytes, token: re.Pattern[bytes] = _TOKEN) -> Iterator[tuple[int, bytes, int]]:
    """Structural characters outside strings: position, character, and the depth behind it.

    A quote that nothing closes is told as one, at the end.
    """
    depth = 0
    for match in token.finditer(text):
        mark = match.group()
        if len(mark) > 1:
            continue
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING:
            depth -= 1
        yield match.start(), mark, depth
        if mark == b'"':
            return


def _readable(record: bytes, settings: DoorSettings, nesting: int) -> bytes:
    record = record.strip(_SPACE)
    if len(record) > settings.max_record:
        raise _RefusedError(None, "too_large", f"A record has at most {settings.max_record} bytes.")
    if record.count(b"{") + record.count(b"[") > nesting and deepest(record) > nesting:
        raise _RefusedError(
            None, "too_deep", f"Objects and arrays of a payload nest at most {settings.max_nesting} deep."
        )
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise _RefusedError(None, "unreadable", f"Byte {error.start} is not valid UTF-8.") from error
    try:
        _raw.decode(record)
    except (msgspec.DecodeError, RecursionError) as error:
        # msgspec refuses lone surrogates, the standard does not; whether they are of use is for the checks to say.
        try:
            _strict_json.decode(text)
        except (ValueError, RecursionError):
            message = str(error) if record else "There is nothing between two commas or lines"
            raise _RefusedError(None, "unreadable", f"{message.rstrip('.')}.") from error
    return record


def _at_once(record: bytes, settings: DoorSettings) -> Salvaged | None:
    """What is in an envelope with nothing to find fault with, and no more in it than there should be."""
    try:
        found = _whole.decode(record)
        members = _names.decode(record)
        id_, key, customer_id = (
            None if value is None else str(value) or None for value in (found.id, found.key, found.customer_id)
        )
    except (msgspec.DecodeError, ValueError):
        return None
    payload = bytes(found.payload)
    longest = max(len(text) for text in (id_ or "", key or "", customer_id or ""))
    if not is_name(found.stream) or not payload.startswith(b"{") or longest > settings.max_identifier:
        return None
    unknown = tuple(name for name in members if name not in ENVELOPE_KEYS)
    try:
        times = _in_utc(found.occurred_at), _in_utc(found.observed_at)
    except OverflowError:
        return None
    return Salvaged(found.stream, payload, id_, key, customer_id, *times, found.op, unknown)


def _members(record: bytes) -> dict[str, bytes]:
    """The members of a readable JSON object, values as bytes; of equal keys the last."""
    members: dict[str, bytes] = {}
    key, start = b"", 1
    for position, mark, level in _structure(record, _TOKEN_OR_COLON):
        if mark == b":" and level == 1:
            key, start = record[start:position].strip(_SPACE), position + 1
        elif (mark == b"," and level == 1) or level == 0:
            if key:
                members[_key(key)] = record[start:position].strip(_SPACE)
            key, start = b"", position + 1
    return members


def _key(quoted: bytes) -> str:
    try:
        return _text.decode(quoted)
    except msgspec.DecodeError:
        return quoted.decode()


def _by_members(record: bytes, settings: DoorSettings) -> Salvaged:
    """The same, member by member: says which one is at fault."""
    if not record.startswith(b"{"):
        raise _RefusedError(None, "not_an_object", "A record is a JSON object with `stream` and `payload`.")
    members = _members(record)
    present = {name for name, value in members.items() if value != b"null"}
    for name in ("stream", "payload"):
        if name not in present:
            other = near_miss(name, members) if members else ""
            hint = other if other.startswith("Did") else "A record needs `stream` and `payload`, or send ?stream=NAME."
            raise _RefusedError(name, f"missing_{name}", hint)
    if not members["payload"].startswith(b"{"):
        raise _RefusedError("payload", "bad_payload", _OBJECT_HINT)
    return Salvaged(
        stream=_stream(members["stream"]),
        payload=members["payload"],
        id=_name_of("id", members, settings),
        key=_name_of("key", members, settings),
        customer_id=_name_of("customer_id", members, settings),
        occurred_at=_time("occurred_at", members),
        observed_at=_time("observed_at", members),
        op=_operation(members.get("op", b"null")),
        unknown=tuple(name for name in members if name not in ENVELOPE_KEYS),
    )


def _stream(value: bytes) -> str:
    try:
        stream = _text.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError("stream", "bad_stream", _NAME_HINT) from error
    if not is_name(stream):
        raise _RefusedError("stream", "bad_stream", _NAME_HINT)
    return stream


def _name_of(field: str, members: dict[str, bytes], settings: DoorSettings) -> str | None:
    raw = members.get(field, b"null")
    too_long = _RefusedError(field, "too_long", f"`{field}` has at most {settings.max_identifier} characters.")
    # Before it is decoded: Python itself refuses to write out a whole number of thousands of digits.
    if not raw.startswith(b'"') and len(raw) > settings.max_identifier:
        raise too_long
    try:
        value = _identifier.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError(field, "bad_field", f"`{field}` is text or a whole number.") from error
    text = None if value is None else str(value) or None
    if text is not None and len(text) > settings.max_identifier:
        raise too_long
    return text


def _time(field: str, members: dict[str, bytes]) -> dt.datetime | None:
    try:
        return _in_utc(_instant.decode(members.get(field, b"null")))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        hint = f"`{field}` is an RFC 3339 time such as 2026-01-15T12:00:00Z."
        raise _RefusedError(field, "bad_field", hint) from error


def _in_utc(time: dt.datetime | None) -> dt.datetime | None:
    """The same, naive ones too. Raises OverflowError for what is beyond the years 1 to 9999 there."""
    return time if time is None or time.tzinfo is None else time.astimezone(dt.UTC)


def _operation(value: bytes) -> OpName | None:
    try:
        return _op.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError("op", "bad_field", "`op` is event, upsert, patch or delete.") from error
