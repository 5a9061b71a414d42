"""What lies in one row of a timeline: lines of events, compressed where they are long and sealed where they say much.

An event is a line, a JSON array of microseconds since 1970, event, object, quantity, person (the hexadecimal reference)
and, where there are any, properties (an object; `false` where they are too long to be kept here). Long lines are one zstd
frame. Lines of which one has properties, long or not, are sealed for the row's customer, with a header that says how
long the sealed part is: properties are whatever a contract maps, and no contract's word is needed for what they say of
people. Bodies, in whichever of the three forms, are simply put after each other when rows are joined.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import struct
import threading
from collections.abc import Iterable, Iterator

import msgspec
import zstandard

from mainstem.errors import IntegrityError
from mainstem.privacy import Sealer

__all__ = [
    "LONG",
    "MOST_BYTES",
    "Line",
    "TimelineEvent",
    "decode_lines",
    "encode_line",
    "pack_body",
    "plain_lines",
    "read_event",
    "unpack_timeline",
]

LONG = 2_000
"""Bytes of lines from which they are compressed: PostgreSQL would do it, to twice the size and at ten times the cost."""

MOST_BYTES = 256 * 1024
"""About how many bytes one row holds: little enough for a page to be read at once, and for a row to be written anew."""

_LEVEL = 1
# Begins every frame, and occurs in no UTF-8.
_FRAME = zstandard.FRAME_HEADER
# Before what is sealed, its length; the first byte occurs in no UTF-8 and begins no frame.
_SEALED = b"\xff"
_HEADER = struct.Struct(">cI")

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event as a timeline shows it. `quantity` is a decimal's text; `person` a hexadecimal reference."""

    at: dt.datetime
    event: str
    object: str | None
    quantity: str | None
    person: str | None
    properties: bytes | None = None
    """A JSON object."""
    left_out: bool = False
    """Whether it has properties that are too long to be kept here."""


class Line(msgspec.Struct, array_like=True, frozen=True):
    """One event as it is written; `us` is microseconds since 1970."""

    us: int
    event: str
    object: str | None
    quantity: msgspec.Raw
    person: str | None
    properties: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(Line)


class _Compressors(threading.local):
    """zstd's contexts are costly to make and belong to one thread."""

    def __init__(self) -> None:
        self.packer = zstandard.ZstdCompressor(level=_LEVEL)
        self.unpacker = zstandard.ZstdDecompressor()


_zstd = _Compressors()


def pack_body(lines: bytes | memoryview, ref: bytes, sealer: Sealer | None) -> bytes:
    """Lines as a body; with a sealer they are sealed for the customer `ref` (16 bytes)."""
    body = _zstd.packer.compress(lines) if len(lines) > LONG else bytes(lines)
    if sealer is None:
        return body
    sealed = sealer.seal(body, _context(ref))
    return _HEADER.pack(_SEALED, len(sealed)) + sealed


def unpack_timeline(body: bytes, ref: bytes, sealer: Sealer) -> list[TimelineEvent]:
    """The events of a body of the customer `ref`, oldest first within each commit. Raises IntegrityError."""
    return [read_event(line) for line in decode_lines(plain_lines([body], ref, sealer))]


def decode_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """Lines, read. Raises IntegrityError for one that is none."""
    try:
        for one in lines:
            yield _decoder.decode(one)
    except msgspec.MsgspecError as error:
        raise _damaged() from error


def encode_line(line: Line) -> bytes:
    """A line as it is written, with its end."""
    text = msgspec.json.encode(line)
    return (text.removesuffix(b",null]") + b"]\n") if bytes(line.properties) == b"null" else text + b"\n"


def plain_lines(slices: Iterable[bytes], ref: bytes, sealer: Sealer) -> Iterator[bytes]:
    """The lines of a body that comes in slices cut anywhere; never more than a slice and a part are in memory.

    Raises IntegrityError when it is damaged, or not of the customer `ref`.
    """
    rest = b""
    try:
        for text in _texts(slices, ref, sealer):
            *lines, rest = (rest + text).split(b"\n")
            yield from lines
    except zstandard.ZstdError as error:
        raise _damaged() from error
    if rest:
        raise _damaged()


def _texts(slices: Iterable[bytes], ref: bytes, sealer: Sealer) -> Iterator[bytes]:
    """What the parts say, piece by piece as the slices come."""
    frame: zstandard.ZstdDecompressionObj | None = None
    data = b""
    for one in slices:
        data += one
        while data:
            if frame is None and data.startswith(_FRAME):
                frame = _zstd.unpacker.decompressobj()
            if frame is not None:
                yield frame.decompress(data)
                data, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
            elif data.startswith(_SEALED):
                end = _HEADER.size + _HEADER.unpack_from(data)[1] if len(data) >= _HEADER.size else len(data) + 1
                if len(data) < end:
                    break
                yield _opened(data[_HEADER.size : end], ref, sealer)
                data = data[end:]
            else:
                # A part ends with a line, and only where a line ends can one begin.
                ends = [found for found in (data.find(_FRAME), data.find(_SEALED)) if found >= 0]
                end = min(ends) if ends else data.rfind(b"\n") + 1
                if end == 0:
                    break
                yield data[:end]
                data = data[end:]
    if data or frame is not None:
        raise _damaged()


def _opened(sealed: bytes, ref: bytes, sealer: Sealer) -> bytes:
    body = sealer.open(sealed, _context(ref))
    return _zstd.unpacker.decompress(body) if body.startswith(_FRAME) else body


def read_event(line: Line) -> TimelineEvent:
    """A line's event."""
    quantity, properties = bytes(line.quantity), bytes(line.properties)
    return TimelineEvent(
        _EPOCH + dt.timedelta(microseconds=line.us),
        line.event,
        line.object,
        None if quantity == b"null" else quantity.decode(),
        line.person,
        properties if properties.startswith(b"{") else None,
        properties == b"false",
    )


def _context(ref: bytes) -> bytes:
    return b"mainstem.timeline\0" + ref


def _damaged() -> IntegrityError:
    return IntegrityError(
        "A row of a timeline is damaged.", hint="Run: mainstem rebuild analytics --from-lake, which makes it anew."
    )
