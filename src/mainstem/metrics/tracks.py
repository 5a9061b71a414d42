"""Tracks as they are read: who did what in which moments, as arrays. PostgreSQL joins the states, nothing loops over rows."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.errors import IntegrityError
from mainstem.metrics.grouping import Ints, different
from mainstem.metrics.journey import Resolution, Subject, Track
from mainstem.metrics.state import ENTRY_BYTES, entries_of
from mainstem.store import Connection

__all__ = ["Asked", "Occurrences", "TracksRead", "moment_of", "read_tracks", "time_of"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INSTANT = dt.timedelta(microseconds=1)
_REF_BYTES = 16
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
    FROM track WHERE series = ANY(%(series)s) AND bucket >= %(from)s AND bucket < %(to)s {audience}
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
    """What was asked of a journey's tracks, in the order asked."""

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


def read_tracks(conn: Connection, asked: Sequence[Asked], segment: str | None) -> TracksRead:
    """The occurrences of several tracks of one journey, their subjects numbered alike.

    `segment`: only subjects that belong to the segment now; None: all. Raises IntegrityError for a damaged state.
    """
    rows = conn.execute(
        "SELECT metric, series, source, stream FROM series WHERE metric = ANY(%s) ORDER BY source, stream, metric",
        [[one.track.series for one in asked]],
    ).fetchall()
    read = [_read(conn, one, [row[1] for row in rows if row[0] == one.track.series], segment) for one in asked]
    encoded = pa.concat_arrays([refs for refs, _, _ in read]).dictionary_encode()
    numbers = np.split(encoded.indices.to_numpy().astype(np.int64), np.cumsum([len(refs) for refs, _, _ in read])[:-1])
    tracks = []
    for one, own, (_, sizes, moments) in zip(asked, numbers, read, strict=True):
        subjects = np.repeat(own, sizes)
        resolution = one.track.resolution
        inside = moments < moment_of(one.end - _INSTANT, resolution) + 1
        if one.start is not None:
            inside &= moments >= moment_of(one.start, resolution)
        tracks.append(Occurrences.of(subjects[inside], moments[inside]))
    return TracksRead(encoded.dictionary, tuple(tracks), tuple(sorted({(row[2], row[3]) for row in rows})))


def _read(conn: Connection, asked: Asked, series: Sequence[int], segment: str | None) -> tuple[pa.Array, Ints, Ints]:
    """The references of a track's rows, how many moments each row has, and all moments one after another."""
    length = asked.track.resolution.bucket
    start = "-infinity" if asked.start is None else _EPOCH + (asked.start - _EPOCH) // length * length
    audience = "" if segment is None else _SEGMENT[asked.track.subject]
    rows = conn.execute(
        _READ.format(audience=audience),
        {"series": list(series), "from": start, "to": asked.end, "segment": segment, "exact": _EXACT},
        binary=True,
    ).fetchall()
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
    return column, sizes, moments
