"""From the bytes of a body to columns, a group a stream: in a few calls that each handle all records at once."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import deepest
from mainstem.errors import RefusedError
from mainstem.hints import near_miss
from mainstem.intake._envelope import ENVELOPE_KEYS, Envelope, LenientEnvelope, PlainEnvelope
from mainstem.intake._salvage import Salvaged, judge_bare, judge_envelope, split_array
from mainstem.intake.delivery import Refusal
from mainstem.intake.settings import DoorSettings
from mainstem.model import ENVELOPE, is_name

__all__ = ["TIMESTAMP", "Columns", "Form", "Reading", "Texts", "Times", "form_of", "read", "read_rows"]

TIMESTAMP = ENVELOPE.field("occurred_at").type

_SPACE = b" \t\n\r"
_BOM = b"\xef\xbb\xbf"
_LINES_TYPES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
    }
)

# A body of this size cannot hold so many records, whatever they are, that decoding it at once would hurt.
_SLICE = 1 << 20
# Objects a record in a larger body, before it is taken for a bomb of tiny objects.
_OBJECTS = 20

Texts: TypeAlias = Sequence[str | None] | None
"""A column of texts; None when no record has one."""
Times: TypeAlias = pa.Array | None
"""A column of timestamps in UTC; None when no record has one."""


class Form(enum.Enum):
    """How a body holds its records."""

    ONE = "one"
    ARRAY = "array"
    LINES = "lines"


# One for each small request: a dataclass would take several times as long to make.
class Columns(msgspec.Struct, frozen=True):
    """Records of one stream. All columns are of the length of `payload`; `index` are their numbers in the delivery."""

    stream: str
    index: Sequence[int]
    payload: Sequence[bytes]
    id: Texts = None
    key: Texts = None
    customer_id: Texts = None
    occurred_at: Times = None
    observed_at: Times = None
    op: Texts = None


@dataclasses.dataclass(slots=True)
class Reading:
    """What a body holds: records that can be taken in, refused ones and warnings. `records` counts both."""

    records: int = 0
    groups: list[Columns] = dataclasses.field(default_factory=list)
    refused: list[Refusal] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


class _DoubtError(Exception):
    """The fast reading met something that has to be looked at record by record."""


class _Anything(msgspec.Struct, gc=False):
    pass


_lenient = msgspec.json.Decoder(LenientEnvelope)
# One and many, from the strictest on: the fewer fields a record may have, the less is to be done for each.
_STRICT: Sequence[tuple[Any, Any]] = [
    (msgspec.json.Decoder(PlainEnvelope), msgspec.json.Decoder(list[PlainEnvelope])),
    (msgspec.json.Decoder(Envelope), msgspec.json.Decoder(list[Envelope])),
]
_lenients = msgspec.json.Decoder(list[LenientEnvelope])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_members_list = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_raw = msgspec.json.Decoder(msgspec.Raw)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder(list[_Anything])

_LOOKS_ENVELOPED = (
    "With ?stream= every record is a bare payload, but the first one looks like an envelope. "
    "Leave out ?stream=, or send payloads alone."
)

_payload_of = attrgetter("payload")
_stream_of = attrgetter("stream")
# The years 2 to 9998, in microseconds since 1970: what lies in them is in the years 1 to 9999 in every zone.
_SURE_TIMES = (-62_104_060_800_000_000, 253_370_764_799_999_999)
# For fewer payloads a look at each is cheaper than calls that look at all of them.
_FEW = 8


def form_of(content_type: str | None, body: bytes) -> Form:
    """How the body holds its records, by its content type, and by looking where that says JSON or nothing.

    Raises RefusedError `unsupported_media_type`.
    """
    kind, _, parameters = (content_type or "application/json").partition(";")
    kind = kind.strip().lower()
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset.split(";")[0] not in {"", "utf-8", "utf8", "us-ascii"}:
        raise RefusedError("unsupported_media_type", "JSON is read in UTF-8 only.", hint="Send it as UTF-8.")
    if kind in _LINES_TYPES:
        return Form.LINES
    if kind not in {"application/json", "text/json"} and not kind.endswith("+json"):
        raise RefusedError(
            "unsupported_media_type",
            "A body of this content type is not read here.",
            hint="Send Content-Type: application/json, or application/x-ndjson for a record a line.",
        )
    start = body[:_SLICE].lstrip(_SPACE)[:1]
    if start == b"[":
        return Form.ARRAY
    line, newline, rest = body.partition(b"\n")
    if newline and start == b"{" and rest[:_SLICE].lstrip(_SPACE):
        # A first line that is a whole value, with more behind it: lines. One object in pretty print breaks it.
        try:
            _raw.decode(line)
        except (msgspec.DecodeError, RecursionError):
            return Form.ONE
        return Form.LINES
    return Form.ONE


def read(body: bytes, content_type: str | None, stream: str | None, settings: DoorSettings) -> Reading:
    """The records of a body; with `stream` each is a bare payload of it, without one an envelope.

    Raises RefusedError when the body as a whole cannot be read (`unsupported_media_type`, `empty_body`, `unreadable`) or
    has too many records (`too_many_records`).
    """
    body = body.removeprefix(_BOM)
    form = form_of(content_type, body)
    if not body.strip(_SPACE):
        raise RefusedError("empty_body", "The body is empty.", hint="Send a record, an array or a record a line.")
    reading = Reading()
    for piece in _slices(body) if form is Form.LINES else (body,):
        _read_piece(piece, form, stream, settings, reading)
        if reading.records > settings.max_records:
            raise RefusedError(
                "too_many_records",
                f"A body holds at most {settings.max_records} records.",
                hint="Send them in several bodies.",
            )
    return reading


def read_rows(payloads: Sequence[bytes], stream: str, settings: DoorSettings) -> Reading:
    """As `read`, of payloads that are cut apart already (the lines of a file); their number is not limited."""
    try:
        body = b"\n".join(payloads)
        body.decode()
        found = list(map(bytes, _raw.decode_lines(body)))
        _fit(found, settings)
        # Lengths alike, in order: no line ran into the next one, and none holds two values.
        if list(map(len, found)) == list(map(len, payloads)):
            return Reading(len(found), [Columns(stream, range(len(found)), found)])
    except (_DoubtError, UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        pass
    reading = Reading()
    _salvage(payloads, stream, settings, reading)
    return reading


def _slices(body: bytes) -> Iterator[bytes]:
    """A body of lines in pieces of whole lines."""
    start = 0
    while len(body) - start > _SLICE:
        end = body.rfind(b"\n", start, start + _SLICE)
        if end < 0:
            end = body.find(b"\n", start + _SLICE)
        if end < 0:
            break
        yield body[start:end]
        start = end + 1
    yield body[start:]


def _read_piece(piece: bytes, form: Form, stream: str | None, settings: DoorSettings, into: Reading) -> None:
    try:
        piece.decode()
        _guard(piece, form, stream, settings)
        n, groups, unknown = _fast_envelopes(piece, form) if stream is None else _fast_bare(piece, form, stream)
        for group in groups:
            _fit(group.payload, settings)
            _fit_identifiers(group, settings)
            _fit_times(group)
    except (_DoubtError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as doubt:
        records = _cut(piece, form, settings, doubt)
        if into.records + len(records) > settings.max_records:
            into.records += len(records)
        else:
            _salvage(records, stream, settings, into)
        return
    first = into.records
    if first:
        groups = [msgspec.structs.replace(group, index=[first + index for index in group.index]) for group in groups]
    into.records += n
    into.groups += groups
    into.warnings += _unknown_keys(unknown)
    if stream is not None and groups and not first:
        into.warnings += _looks_enveloped(groups[0].payload[0])


def _guard(piece: bytes, form: Form, stream: str | None, settings: DoorSettings) -> None:
    """Stop before a large body of countless tiny values becomes as many Python objects."""
    if form is Form.LINES:
        if len(piece) > _SLICE:
            raise _DoubtError
    elif len(piece) > _SLICE:
        if piece.count(b"{") > _OBJECTS * settings.max_records:
            raise RefusedError(
                "too_many_records",
                f"A body holds at most {settings.max_records} records of about {_OBJECTS} objects.",
                hint="Send them in several bodies.",
            )
        if stream is not None and form is Form.ARRAY:
            _anything.decode(piece)


def _fast_bare(piece: bytes, form: Form, stream: str) -> tuple[int, list[Columns], set[str]]:
    raws: list[msgspec.Raw]
    if form is Form.ARRAY:
        raws = _raws.decode(piece)
    elif form is Form.LINES:
        raws = _one_a_line(piece, _raw)
    else:
        raws = [_raw.decode(piece)]
    payloads = list(map(bytes, raws))
    return len(payloads), [Columns(stream, range(len(payloads)), payloads)] if payloads else [], set()


def _fast_envelopes(piece: bytes, form: Form) -> tuple[int, list[Columns], set[str]]:
    records, unknown = _envelopes(piece, form)
    # In the order they are met.
    streams = dict.fromkeys(map(_stream_of, records))
    if not all(map(is_name, streams)):
        raise _DoubtError
    if len(streams) <= 1:
        return len(records), [_columns(stream, range(len(records)), records) for stream in streams], unknown
    indexes: dict[str, list[int]] = {stream: [] for stream in streams}
    for index, stream in enumerate(map(_stream_of, records)):
        indexes[stream].append(index)
    groups = [
        _columns(stream, index, [records[index[0]]] if len(index) == 1 else list(itemgetter(*index)(records)))
        for stream, index in indexes.items()
    ]
    return len(records), groups, unknown


def _envelopes(piece: bytes, form: Form) -> tuple[list[Any], set[str]]:
    """The records of a piece, and the keys in them that an envelope does not have."""
    for one, many in _STRICT:
        with contextlib.suppress(msgspec.ValidationError):
            return _decode(piece, form, one, many), set()
    records = _decode(piece, form, _lenient, _lenients)
    return records, set().union(*_decode(piece, form, _members, _members_list)).difference(ENVELOPE_KEYS)


def _decode(piece: bytes, form: Form, one: Any, many: Any) -> list[Any]:
    if form is Form.ARRAY:
        decoded: list[Any] = many.decode(piece)
        return decoded
    if form is Form.LINES:
        return _one_a_line(piece, one)
    return [one.decode(piece)]


def _one_a_line(piece: bytes, decoder: Any) -> list[Any]:
    """The values of lines. Doubtful when they are not one a line: the decoder itself would not mind."""
    values: list[Any] = decoder.decode_lines(piece)
    if len(values) != piece.strip(_SPACE).count(b"\n") + 1:
        raise _DoubtError
    return values


def _columns(stream: str, index: Sequence[int], records: Sequence[PlainEnvelope]) -> Columns:
    payload = list(map(bytes, map(_payload_of, records)))
    if not isinstance(records[0], Envelope):
        return Columns(stream, index, payload)
    return Columns(
        stream,
        index,
        payload,
        id=_texts(list(map(attrgetter("id"), records))),
        key=_texts(list(map(attrgetter("key"), records))),
        customer_id=_texts(list(map(attrgetter("customer_id"), records))),
        occurred_at=_times(list(map(attrgetter("occurred_at"), records))),
        observed_at=_times(list(map(attrgetter("observed_at"), records))),
        op=_present(list(map(attrgetter("op"), records))),
    )


def _present(column: list[Any]) -> list[Any] | None:
    return None if column.count(None) == len(column) else column


def _times(column: list[Any]) -> Times:
    """Naive ones are meant as UTC."""
    return None if column.count(None) == len(column) else pa.array(column, TIMESTAMP)


def _texts(column: list[Any]) -> list[str | None] | None:
    """Whole numbers become text, empty text becomes none; None when nothing is left."""
    if column.count(None) == len(column):
        return None
    if int in set(map(type, column)):
        try:
            column = [str(value) if type(value) is int else value for value in column]
        except ValueError as error:
            raise _DoubtError from error
    if "" in column:
        return _present([value or None for value in column])
    return column


def _fit(payloads: Sequence[bytes], settings: DoorSettings) -> None:
    """Doubtful when a payload is no object, or may be too large or too deep."""
    if not payloads:
        return
    longest = max(map(len, payloads))
    if longest > settings.max_record or not all(map(bytes.startswith, payloads, itertools.repeat(b"{"))):
        raise _DoubtError
    # Together no more than a slice: of a body of nothing but brackets the places of all would fill the memory.
    together = max(_SLICE // longest, 1)
    for first in range(0, len(payloads), together):
        crowded = _crowded(payloads[first : first + together], longest, settings.max_nesting)
        if any(deepest(payload) > settings.max_nesting for payload in crowded):
            raise _DoubtError


def _crowded(payloads: Sequence[bytes], longest: int, most: int) -> Sequence[bytes]:
    """Those of the payloads, at most `longest` bytes each, in which more than `most` brackets open."""
    if len(payloads) < _FEW:
        return [payload for payload in payloads if payload.count(b"{") + payload.count(b"[") > most]
    # `[` and `{` differ in one bit.
    opening = np.flatnonzero(np.frombuffer(b"".join(payloads), np.uint8) | 0x20 == ord("{"))
    # As many as would be too many in one payload, in a row: do they lie as close together as in one?
    close = np.flatnonzero(opening[most:] - opening[:-most] < longest)
    if not len(close):
        return []
    ends = np.cumsum(np.fromiter(map(len, payloads), np.int64, len(payloads)))
    first, last = (np.searchsorted(ends, opening[close + n], side="right") for n in (0, most))
    return [payloads[owner] for owner in np.unique(first[first == last])]


def _fit_identifiers(group: Columns, settings: DoorSettings) -> None:
    for column in (group.id, group.key, group.customer_id):
        if column is not None and max(map(len, filter(None, column))) > settings.max_identifier:
            raise _DoubtError


def _fit_times(group: Columns) -> None:
    """Doubtful when a time may leave the years 1 to 9999 in UTC, which Python and stores cannot hold."""
    for column in (group.occurred_at, group.observed_at):
        if column is not None:
            bounds = pc.min_max(column.cast(pa.int64())).as_py()
            if not _SURE_TIMES[0] <= bounds["min"] <= bounds["max"] <= _SURE_TIMES[1]:
                raise _DoubtError


def _cut(piece: bytes, form: Form, settings: DoorSettings, doubt: Exception) -> Sequence[bytes]:
    """The records of a doubtful piece, as bytes."""
    if form is Form.ONE:
        return [piece]
    if form is Form.LINES:
        return [line for line in piece.split(b"\n") if line.strip(_SPACE)]
    why = f"{doubt}" if isinstance(doubt, msgspec.DecodeError) else "The array cannot be read"
    if len(piece) > settings.max_split:
        raise RefusedError(
            "unreadable",
            f"{why.rstrip('.')}.",
            hint=f"Broken records are told from good ones up to {settings.max_split} bytes; send smaller bodies.",
        )
    if len(piece) <= _SLICE:
        # What is wrong need not be broken: then the decoder itself can cut it, and fast.
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            return list(map(bytes, _raws.decode(piece)))
    elements = split_array(piece, settings.max_records)
    if elements is None:
        raise RefusedError("unreadable", f"{why.rstrip('.')}.", hint="Send valid JSON, or a record a line (NDJSON).")
    return elements


def _salvage(records: Sequence[bytes], stream: str | None, settings: DoorSettings, into: Reading) -> None:
    """Judge records one by one and add what can be taken in, a group a stream."""
    first = into.records
    into.records += len(records)
    judge: Callable[[int, bytes], Salvaged | Refusal]
    if stream is None:
        judge = lambda index, record: judge_envelope(index, record, settings)  # noqa: E731 - two judges of one shape
    else:
        judge = lambda index, record: judge_bare(index, record, stream, settings)  # noqa: E731
    good: dict[str, list[tuple[int, Salvaged]]] = {}
    unknown: set[str] = set()
    for index, record in enumerate(records, first):
        judged = judge(index, record)
        if isinstance(judged, Refusal):
            into.refused.append(judged)
        else:
            good.setdefault(judged.stream, []).append((index, judged))
            unknown.update(judged.unknown)
    into.groups += [_salvaged_columns(name, found) for name, found in good.items()]
    into.warnings += _unknown_keys(unknown)


def _salvaged_columns(stream: str, found: list[tuple[int, Salvaged]]) -> Columns:
    return Columns(
        stream,
        [index for index, _ in found],
        payload=[record.payload for _, record in found],
        id=_present([record.id for _, record in found]),
        key=_present([record.key for _, record in found]),
        customer_id=_present([record.customer_id for _, record in found]),
        occurred_at=_times([record.occurred_at for _, record in found]),
        observed_at=_times([record.observed_at for _, record in found]),
        op=_present([record.op for _, record in found]),
    )


def _unknown_keys(names: set[str]) -> list[str]:
    """A warning for each of the first few keys that an envelope does not have; what they held was not kept."""
    shown = sorted(names)[:5]
    return [
        f"{name[:64]!r} is no key of an envelope and was ignored. {near_miss(name, ENVELOPE_KEYS)}" for name in shown
    ]


def _looks_enveloped(payload: bytes) -> list[str]:
    """A warning when ?stream= was given although the records are envelopes."""
    if payload.startswith(b'{"stream"') or b'"payload"' in payload[:200]:
        try:
            _lenient.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        return [_LOOKS_ENVELOPED]
    return []
