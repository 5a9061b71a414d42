"""The recent timeline of each customer: packed events, a row a customer, stream and commit.

A row's body holds an event a line, each a JSON array of microseconds since 1970, event, object, quantity, person (the
hexadecimal reference) and, where there are any, properties (an object; `false` where they are too long to be kept here);
nothing in it is personal data. A long body is one zstd frame of its lines. Bodies, in whichever of
the two forms, are simply put after each other when rows are joined. Older events are in the lake; here they are trimmed by
age and number.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import threading
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from mainstem.processing.columns import whole
from mainstem.processing.tables.binary_copy import copy_rows
from mainstem.store import Connection, Database

__all__ = [
    "LONGEST_PROPERTIES",
    "TimelineEvent",
    "TimelineRows",
    "pack_timeline",
    "trim_timeline",
    "unpack_timeline",
    "write_timeline",
]

Codes = npt.NDArray[np.int64]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

_COLUMNS = ("occurred_at", "customer", "person", "event", "object", "quantity", "properties")

LONGEST_PROPERTIES = 2_048
"""Bytes of JSON of one event's properties that a timeline keeps; longer ones lie in the lake only."""

# PostgreSQL would compress what is longer, to twice the size and at ten times the cost.
_LONG = 2_000
_LEVEL = 1
# Begins every frame, and occurs in no UTF-8.
_FRAME = zstandard.FRAME_HEADER

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)


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


@dataclasses.dataclass(frozen=True, slots=True)
class TimelineRows:
    """Rows of the table `timeline`, in its columns but for the id, and the days they lie in."""

    rows: pa.Table
    days: frozenset[dt.date]


class _Line(msgspec.Struct, array_like=True, frozen=True):
    us: int
    event: str
    object: str | None
    quantity: msgspec.Raw
    person: str | None
    properties: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Line).decode_lines


class _Compressors(threading.local):
    """zstd's contexts are costly to make and belong to one thread."""

    def __init__(self) -> None:
        self.packer = zstandard.ZstdCompressor(level=_LEVEL)
        self.unpacker = zstandard.ZstdDecompressor()


_zstd = _Compressors()


def pack_timeline(rows: pa.Table, source: str, stream: str, *, since: dt.datetime, keep: int) -> TimelineRows:
    """The events (in `EVENT_EFFECTS` columns) newer than `since`, a customer's latest `keep`, packed by customer."""
    rows = rows.select(_COLUMNS)
    us = rows["occurred_at"].cast(pa.int64()).to_numpy()
    codes = whole(rows["customer"]).dictionary_encode().indices.to_numpy()
    order = np.lexsort((us, codes))
    order = order[us[order] > (since - _EPOCH) // _MICROSECOND]
    starts, ends = _stretches(codes[order])
    if len(order) and int((ends - starts).max()) > keep:
        # Numbered from a customer's last one backwards.
        order = order[np.repeat(ends, ends - starts) - np.arange(len(order)) <= keep]
        starts, ends = _stretches(codes[order])
    if not len(order):
        return TimelineRows(_EMPTY, frozenset())
    rows = rows.take(pa.array(order))
    count = len(starts)
    packed = {
        "ref": rows["customer"].take(pa.array(starts)),
        "last_at": rows["occurred_at"].take(pa.array(ends - 1)),
        "source": pa.repeat(source, count),
        "stream": pa.repeat(stream, count),
        "n": pa.array((ends - starts).astype(np.int32)),
        "body": _bodies(_lines(rows), starts),
    }
    table = pa.table(packed)
    days = pc.unique(table["last_at"].cast(pa.timestamp("us", "UTC")).cast(pa.date32())).to_pylist()
    return TimelineRows(table, frozenset(days))


def _stretches(codes: Codes) -> tuple[Codes, Codes]:
    """Where each run of equal codes begins, and where it ends."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return starts, np.append(starts[1:], len(codes))[: len(starts)]


def _bodies(lines: pa.Array, starts: Codes) -> pa.Array:
    """The lines from each start to the next as one body."""
    # They lie next to each other, so a body is a stretch of the one buffer.
    offsets = np.frombuffer(lines.buffers()[1], np.int32, count=len(lines) + 1)
    bounds = np.append(offsets[starts], offsets[-1])
    data = lines.buffers()[2]
    if int(np.diff(bounds).max()) <= _LONG:
        return pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(bounds), data])
    view = memoryview(data)
    bodies = [view[start:end] for start, end in itertools.pairwise(bounds.tolist())]
    compress = _zstd.packer.compress
    return pa.array([compress(body) if len(body) > _LONG else bytes(body) for body in bodies], pa.binary())


def _lines(rows: pa.Table) -> pa.Array:
    """A line of JSON an event; values that recur are written once for each different one."""
    return pc.binary_join_element_wise(
        "[",
        whole(rows["occurred_at"]).cast(pa.int64()).cast(pa.string()),
        ",",
        _texts(rows["event"]),
        ",",
        _texts(rows["object"]),
        ",",
        _quantities(rows["quantity"]),
        ",",
        _persons(rows["person"]),
        _properties(rows["properties"]),
        "]\n",
        "",
    )


def _texts(column: pa.ChunkedArray) -> pa.Array:
    encoded = whole(column).dictionary_encode()
    quoted = [msgspec.json.encode(text).decode() for text in encoded.dictionary.to_pylist()]
    return pa.array(quoted, pa.string()).take(encoded.indices).fill_null("null")


def _quantities(column: pa.ChunkedArray) -> pa.Array:
    encoded = whole(column).dictionary_encode()
    numbers = encoded.dictionary
    texts = pc.replace_substring_regex(numbers.cast(pa.string()), r"\.?0+$", "")
    # Arrow writes zero and the smallest numbers with an exponent.
    small = pc.match_substring(texts, "E")
    if pc.any(small).as_py():
        plain = [f"{number:f}".rstrip("0").rstrip(".") for number in numbers.filter(small).to_pylist()]
        texts = pc.replace_with_mask(texts, small, pa.array(plain, pa.string()))
    return texts.take(encoded.indices).fill_null("null")


def _persons(column: pa.ChunkedArray) -> pa.Array:
    """References as quoted hexadecimal text."""
    refs = whole(column).fill_null(bytes(16))
    raw = np.frombuffer(refs.buffers()[1], np.uint8, count=16 * len(refs), offset=16 * refs.offset)
    bounds = pa.array(np.arange(len(refs) + 1, dtype=np.int32) * 32)
    text = pa.Array.from_buffers(
        pa.string(), len(refs), [None, bounds.buffers()[1], pa.py_buffer(_HEX[raw].reshape(-1))]
    )
    quoted = pc.binary_join_element_wise('"', text, '"', "")
    return pc.if_else(column.is_valid().combine_chunks(), quoted, "null") if column.null_count else quoted


def _properties(column: pa.ChunkedArray) -> pa.Array:
    """What follows the person: nothing where there are no properties."""
    texts = whole(column)
    if texts.null_count == len(texts):
        return pa.repeat("", len(texts))
    # A line break in JSON is only white space, and here it would end the event.
    texts = pc.replace_substring_regex(texts, "[\r\n]", " ")
    texts = pc.if_else(pc.greater(pc.binary_length(texts), LONGEST_PROPERTIES), "false", texts)
    return pc.binary_join_element_wise(",", texts, "").fill_null("")


_EMPTY = pa.table(
    {
        "ref": pa.array([], pa.binary(16)),
        "last_at": pa.array([], pa.timestamp("us", "UTC")),
        "source": pa.array([], pa.string()),
        "stream": pa.array([], pa.string()),
        "n": pa.array([], pa.int32()),
        "body": pa.array([], pa.binary()),
    }
)


def write_timeline(conn: Connection, timeline: TimelineRows) -> None:
    """Append the rows, inside the sink's transaction."""
    if timeline.rows.num_rows:
        copy_rows(conn, "timeline", {name: timeline.rows[name] for name in timeline.rows.column_names})


def unpack_timeline(body: bytes) -> list[TimelineEvent]:
    """The events of a body, oldest first within each commit."""
    return [
        TimelineEvent(
            _EPOCH + dt.timedelta(microseconds=line.us),
            line.event,
            line.object,
            None if bytes(line.quantity) == b"null" else bytes(line.quantity).decode(),
            line.person,
            *_kept(bytes(line.properties)),
        )
        for line in _decode(b"".join(_plain(body)))
    ]


def _kept(properties: bytes) -> tuple[bytes | None, bool]:
    return (properties if properties.startswith(b"{") else None), properties == b"false"


def _plain(body: bytes) -> Iterator[bytes]:
    """The parts of a body as they were before some were compressed."""
    while body:
        if body.startswith(_FRAME):
            frame = _zstd.unpacker.decompressobj()
            yield frame.decompress(body)
            body = frame.unused_data
        else:
            end = body.find(_FRAME)
            yield body if end < 0 else body[:end]
            body = b"" if end < 0 else body[end:]


def trim_timeline(database: Database, *, before: dt.datetime, keep: int, crowd: int = 32) -> int:
    """Forget rows wholly older than `before` or behind a customer's latest `keep` events; how many.

    Where a customer has more than `crowd` rows of a stream, those of a day are joined first. Raises StorageFullError or
    UnavailableError.
    """
    with database.transaction() as conn:
        conn.execute(
            """
            WITH crowded AS (
                SELECT ref, source, stream FROM timeline GROUP BY ref, source, stream HAVING count(*) > %(crowd)s
            ), gone AS (
                DELETE FROM timeline AS t USING crowded AS c
                WHERE (t.ref, t.source, t.stream) = (c.ref, c.source, c.stream)
                RETURNING t.*
            )
            INSERT INTO timeline (ref, last_at, source, stream, n, body)
            SELECT ref, max(last_at), source, stream, sum(n), string_agg(body, ''::bytea ORDER BY last_at, id)
            FROM gone GROUP BY ref, source, stream, (last_at AT TIME ZONE 'UTC')::date
            """,
            {"crowd": crowd},
        )
        return conn.execute(
            """
            DELETE FROM timeline AS t USING (
                SELECT ref, last_at, id, last_at < %(before)s
                    OR sum(n) OVER (PARTITION BY ref ORDER BY last_at DESC, id DESC) - n >= %(keep)s AS old
                FROM timeline
            ) AS judged
            WHERE judged.old AND (t.ref, t.last_at, t.id) = (judged.ref, judged.last_at, judged.id)
            """,
            {"before": before, "keep": keep},
        ).rowcount
