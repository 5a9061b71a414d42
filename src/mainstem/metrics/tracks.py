"""Tracks as they are read: who did what in which moments, as arrays. PostgreSQL joins the states, nothing loops over rows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.errors import IntegrityError
from mainstem.metrics.grouping import Ints, different
from mainstem.metrics.journey import Resolution, Subject, Track
from mainstem.metrics.state import ENTRY_BYTES, entries_of
from mainstem.store import Connection

__all__ = ["MOST_AT_ONCE", "Asked", "Occurrences", "TracksRead", "moment_of", "read_tracks", "time_of"]

MOST_AT_ONCE = 8_000_000
"""Moments that are in memory together, at about 40 bytes each; what more are asked for come in parts."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INSTANT = dt.timedelta(microseconds=1)
_REF_BYTES = 16
_FETCHED = 64
# Subjects that turn out to be too many are divided by four, and by 4,096 at most.
_FINER, _MOST_BITS = 2, 12
_EXACT = b"\x01e"

_SEGMENT = {
    Subject.CUSTOMER: """
        AND ref IN (SELECT customer FROM entity
            WHERE entity = 'customer' AND NOT deleted AND attributes ->> 'segment' = %(segment)s)
        """,
    Subject.PERSON: """
        AND ref IN (SELECT person.ref FROM entity AS person JOIN entity AS owner ON owner.customer = person.customer
            WHERE person.entity = 'person' AND NOT person.deleted AND owner.entity = 'customer' AND NOT owner.deleted
              AND owner.attributes ->> 'segment' = %(segment)s)
        """,
}
# Grouped along the primary key: each row of the answer is one stretch of the index, and all three columns have one order.
_READ = """
    SELECT string_agg(uuid_send(ref), ''::bytea), string_agg(int4send(octet_length(state)), ''::bytea),
           string_agg(substr(state, 3), ''::bytea), bool_and(substr(state, 1, 2) = %(exact)s)
    FROM track WHERE series = ANY(%(series)s) AND bucket >= %(from)s AND bucket < %(to)s
      AND ref BETWEEN %(least)s AND %(greatest)s {audience}
    GROUP BY series, bucket ORDER BY series, bucket
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A track, and the moments of it that are wanted: those that begin from `start` until before `end`."""

    track: Track
    start: dt.datetime | None
    """None: from the first one there is."""
    end: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Occurrences:
    """Who did one thing in which moments: ordered by subject and moment, each pair once."""

    subjects: Ints
    """The subjects' numbers."""
    moments: Ints
    """Counted from 1970, in the journey's resolution."""

    @classmethod
    def of(cls, subjects: Ints, moments: Ints) -> Occurrences:
        """Those of pairs in any order."""
        if not len(subjects):
            return cls(subjects, moments)
        first = int(moments.min())
        span = int(moments.max()) - first + 1
        keys = different(subjects * span + (moments - first))
        return cls(keys // span, keys % span + first)

    def __len__(self) -> int:
        return len(self.subjects)

    def firsts(self) -> Occurrences:
        """Of each subject the earliest one."""
        if not len(self):
            return self
        begins = np.flatnonzero(np.diff(self.subjects, prepend=-1))
        return Occurrences(self.subjects[begins], self.moments[begins])

    def chosen(self, mask: npt.NDArray[np.bool_]) -> Occurrences:
        """Those for which the mask is true."""
        return Occurrences(self.subjects[mask], self.moments[mask])


@dataclasses.dataclass(frozen=True, slots=True)
class TracksRead:
    """What was asked of a journey's tracks, in the order asked: of some subjects everything."""

    refs: pa.Array
    """Of the subjects, by number."""
    tracks: tuple[Occurrences, ...]
    streams: tuple[tuple[str, str], ...]
    """(source, stream) pairs that feed them."""


def moment_of(at: dt.datetime, resolution: Resolution) -> int:
    """The moment that an instant lies in."""
    return (at - _EPOCH) // resolution.length


def time_of(moment: int, resolution: Resolution) -> dt.datetime:
    """When a moment begins."""
    return _EPOCH + moment * resolution.length


def read_tracks(conn: Connection, asked: Sequence[Asked], segment: str | None) -> Iterator[TracksRead]:
    """The occurrences of several tracks of one journey, their subjects numbered alike: in one part or in several.

    Each part holds all of its subjects and none of another's, and is at least one. Where all tracks together have more than
    `MOST_AT_ONCE` moments the subjects are divided by their references, so that memory does not grow with what is asked.
    `segment`: only subjects that belong to the segment now; None: all. Inside a transaction; raises IntegrityError for a
    damaged state.
    """
    series = conn.execute(
        "SELECT metric, series, source, stream FROM series WHERE metric = ANY(%s) ORDER BY source, stream, metric",
        [[one.track.series for one in asked]],
    ).fetchall()
    streams = tuple(sorted({(row[2], row[3]) for row in series}))
    part, bits = 0, 0
    while part < 1 << bits:
        share = _Share(segment, part, bits)
        read = _read_share(
            conn, asked, [[row[1] for row in series if row[0] == one.track.series] for one in asked], share
        )
        if read is None:
            part, bits = part << _FINER, bits + _FINER
            continue
        yield _numbered(asked, read, streams)
        part += 1


@dataclasses.dataclass(frozen=True, slots=True)
class _Share:
    """Whose rows are read: of the segment, those whose references begin with the `bits` bits of `part`."""

    segment: str | None
    part: int
    bits: int

    def bounds(self) -> tuple[uuid.UUID, uuid.UUID]:
        """The least and the greatest reference."""
        rest = _REF_BYTES * 8 - self.bits
        return uuid.UUID(int=self.part << rest), uuid.UUID(int=((self.part + 1) << rest) - 1)


def _read_share(
    conn: Connection, asked: Sequence[Asked], series: Sequence[Sequence[int]], share: _Share
) -> list[_Rows] | None:
    """The rows of each track; None where they have too many moments and can be divided further."""
    left = MOST_AT_ONCE if share.bits < _MOST_BITS else None
    read = []
    for one, own in zip(asked, series, strict=True):
        rows = _read(conn, one, own, share, left)
        if rows is None:
            return None
        left = None if left is None else left - len(rows.moments)
        read.append(rows)
    return read


def _numbered(asked: Sequence[Asked], read: Sequence[_Rows], streams: tuple[tuple[str, str], ...]) -> TracksRead:
    """Rows of several tracks as occurrences of the same subjects."""
    encoded = pa.concat_arrays([rows.refs for rows in read]).dictionary_encode()
    numbers = np.split(encoded.indices.to_numpy().astype(np.int64), np.cumsum([len(rows.refs) for rows in read])[:-1])
    tracks = []
    for one, own, rows in zip(asked, numbers, read, strict=True):
        subjects = np.repeat(own, rows.sizes)
        resolution = one.track.resolution
        inside = rows.moments < moment_of(one.end - _INSTANT, resolution) + 1
        if one.start is not None:
            inside &= rows.moments >= moment_of(one.start, resolution)
        tracks.append(Occurrences.of(subjects[inside], rows.moments[inside]))
    return TracksRead(encoded.dictionary, tuple(tracks), streams)


@dataclasses.dataclass(frozen=True, slots=True)
class _Rows:
    """A track's rows: whose each is, how many moments each has, and all moments one after another."""

    refs: pa.Array
    sizes: Ints
    moments: Ints


def _read(conn: Connection, asked: Asked, series: Sequence[int], share: _Share, most: int | None) -> _Rows | None:
    """The rows of a track; None where they have more than `most` moments."""
    length = asked.track.resolution.bucket
    start = "-infinity" if asked.start is None else _EPOCH + (asked.start - _EPOCH) // length * length
    audience = "" if share.segment is None else _SEGMENT[asked.track.subject]
    least, greatest = share.bounds()
    rows: list[tuple[bytes, bytes, bytes, bool]] = []
    size = 0
    with conn.cursor("track_rows") as cursor:
        cursor.execute(
            _READ.format(audience=audience),
            {
                "series": list(series),
                "from": start,
                "to": asked.end,
                "least": least,
                "greatest": greatest,
                "segment": share.segment,
                "exact": _EXACT,
            },
            binary=True,
        )
        while some := cursor.fetchmany(_FETCHED):
            rows += some
            size += sum(len(row[2]) for row in some) // ENTRY_BYTES
            if most is not None and size > most:
                return None
    if not all(row[3] for row in rows):
        raise IntegrityError("A state is not one of a track.")
    refs = b"".join(row[0] for row in rows)
    sizes = (np.frombuffer(b"".join(row[1] for row in rows), ">i4").astype(np.int64) - len(_EXACT)) // ENTRY_BYTES
    moments, counts = entries_of(b"".join(row[2] for row in rows))
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_REF_BYTES), len(refs) // _REF_BYTES, [None, pa.py_buffer(refs)]
    )
    # What was taken back before it came waits in the set, and did not happen.
    happened = counts > 0
    if not happened.all():
        owners = np.repeat(np.arange(len(sizes)), sizes)
        sizes = np.bincount(owners[happened], minlength=len(sizes)).astype(np.int64)
        moments = moments[happened]
    return _Rows(column, sizes, moments)
