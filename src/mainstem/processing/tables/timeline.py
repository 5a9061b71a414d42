"""The recent timeline of each customer: packed events, a row a customer, stream and commit, of more where that is much.

What a row's body looks like is in `timeline_body`. Older events are in the lake; here they are trimmed by age and number
(`timeline_trimming`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.privacy import Sealer
from mainstem.processing.columns import whole
from mainstem.processing.tables.binary_copy import copy_rows
from mainstem.processing.tables.timeline_body import LONG, MOST_BYTES, pack_body
from mainstem.store import Connection

__all__ = ["LONGEST_PROPERTIES", "TimelineRows", "pack_timeline", "write_timeline"]

Codes = npt.NDArray[np.int64]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

_COLUMNS = ("occurred_at", "customer", "person", "event", "object", "quantity", "properties")

LONGEST_PROPERTIES = 2_048
"""Bytes of JSON of one event's properties that a timeline keeps; longer ones lie in the lake only."""

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)


@dataclasses.dataclass(frozen=True, slots=True)
class TimelineRows:
    """Rows of the table `timeline`, in its columns but for the id, and the days they lie in."""

    rows: pa.Table
    days: frozenset[dt.date]


def pack_timeline(
    rows: pa.Table, source: str, stream: str, *, since: dt.datetime, keep: int, sealer: Sealer
) -> TimelineRows:
    """The events (in `EVENT_EFFECTS` columns) newer than `since`, a customer's latest `keep`, packed by customer.

    A row's lines are about `MOST_BYTES` at most. Where an event has properties its row is sealed.
    """
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
    lines = _lines(rows)
    starts, ends = _bounded(lines, starts, ends)
    refs = rows["customer"].take(pa.array(starts))
    count = len(starts)
    packed = {
        "ref": refs,
        "last_at": rows["occurred_at"].take(pa.array(ends - 1)),
        "source": pa.repeat(source, count),
        "stream": pa.repeat(stream, count),
        "n": pa.array((ends - starts).astype(np.int32)),
        "body": _bodies(lines, starts, refs, _sealed(rows["properties"], starts), sealer),
    }
    table = pa.table(packed)
    days = pc.unique(table["last_at"].cast(pa.timestamp("us", "UTC")).cast(pa.date32())).to_pylist()
    return TimelineRows(table, frozenset(days))


def _stretches(codes: Codes) -> tuple[Codes, Codes]:
    """Where each run of equal codes begins, and where it ends."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return starts, np.append(starts[1:], len(codes))[: len(starts)]


def _offsets(lines: pa.Array) -> npt.NDArray[np.int32]:
    """Where each line begins, and where the last one ends."""
    return np.frombuffer(lines.buffers()[1], np.int32, count=len(lines) + 1)


def _bounded(lines: pa.Array, starts: Codes, ends: Codes) -> tuple[Codes, Codes]:
    """The stretches, split wherever the lines of one pass another multiple of `MOST_BYTES`."""
    offsets = _offsets(lines).astype(np.int64)
    if int((offsets[ends] - offsets[starts]).max()) <= MOST_BYTES:
        return starts, ends
    lengths = ends - starts
    into = offsets[1:] - np.repeat(offsets[starts], lengths)
    # A stretch's number in the upper half, its piece's in the lower: lines of one commit are less than 2**32 bytes.
    return _stretches((np.repeat(np.arange(len(starts)), lengths) << 32) + (into - 1) // MOST_BYTES)


def _sealed(properties: pa.ChunkedArray, starts: Codes) -> npt.NDArray[np.bool_]:
    """Of which stretches an event has properties."""
    given: npt.NDArray[np.bool_] = np.logical_or.reduceat(np.asarray(properties.is_valid()), starts)
    return given


def _bodies(
    lines: pa.Array, starts: Codes, refs: pa.ChunkedArray, sealed: npt.NDArray[np.bool_], sealer: Sealer
) -> pa.Array:
    """The lines from each start to the next as one body."""
    # They lie next to each other, so a body is a stretch of the one buffer.
    bounds = np.append(_offsets(lines)[starts], _offsets(lines)[-1])
    data = lines.buffers()[2]
    if not sealed.any() and int(np.diff(bounds).max()) <= LONG:
        return pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(bounds), data])
    view = memoryview(data)
    stretches = zip(itertools.pairwise(bounds.tolist()), refs.to_pylist(), sealed.tolist(), strict=True)
    bodies = [pack_body(view[start:end], ref, sealer if one else None) for (start, end), ref, one in stretches]
    return pa.array(bodies, pa.binary())


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
