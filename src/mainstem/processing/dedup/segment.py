"""Sealed keys: one sorted file that is mapped, not read, behind a filter of 12 bits a key.

File (all words are little-endian, 64 bits):

    header   8 words: magic, format, keys n, fences f, filter words w, space (0 day, 1 whole), 0, 0
    hi       n words, sorted
    lo       n words
    bucket   f words: the days that occur, rising (one fence, 0, in the space `whole`)
    first    f + 1 words: where each day's keys begin; n at the end
    word     f + 1 words: where each day's filter begins; w at the end
    filter   w words

The filter is a blocked Bloom filter whose blocks are single words, laid out in the order of the keys: a day's keys have
the day's own stretch of it, so a probe touches neither keys nor filter of other days. Four bits a key of 12 let about
3 % of unknown keys through to the sorted words; the answer itself is always exact.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mainstem.errors import IntegrityError
from mainstem.processing.dedup.keys import DAY_SHIFT, Keys, Mask, Space, Words

__all__ = ["Segment", "file_hash", "write_segment"]

_MAGIC = int.from_bytes(b"MSDEDUP1", "little")
_FORMAT = 1
_HEADER = 8
_BITS_A_KEY = 12
# Keys merged at a time: 32 MB of working memory whatever the size of the file.
_CHUNK = 1_000_000
_32 = np.uint64(32)


def _filter_place(hi: Words, space: Space, first: Words, width: Words) -> Words:
    """Each key's word of the filter, rising with `hi` within a fence: `first` and `width` are its fence's stretch."""
    uniform = hi << np.uint64(64 - DAY_SHIFT) if space is Space.DAY else hi
    return first + (((uniform >> _32) * width) >> _32)


def _filter_bits(lo: Words) -> Words:
    one, six = np.uint64(1), np.uint64(63)
    bits = one << (lo & six)
    for shift in (6, 12, 18):
        bits |= one << ((lo >> np.uint64(shift)) & six)
    return bits


def _buckets(hi: Words, space: Space) -> Words:
    return hi >> np.uint64(DAY_SHIFT) if space is Space.DAY else np.zeros(len(hi), np.uint64)


def _days(hi: Words, space: Space) -> Iterator[tuple[int, int]]:
    """The days of sorted first words and how many have each; looks at a few words a day only."""
    at = 0
    while at < len(hi):
        if space is Space.WHOLE:
            day, stop = 0, len(hi)
        else:
            day = int(hi[at]) >> DAY_SHIFT
            end = (day + 1) << DAY_SHIFT
            stop = int(np.searchsorted(hi, np.uint64(end))) if end < 1 << 64 else len(hi)
        yield day, stop - at
        at = stop


@dataclasses.dataclass(frozen=True, slots=True)
class _Fences:
    bucket: Words
    first: Words
    word: Words

    @classmethod
    def of(cls, sources: Sequence[Keys], space: Space) -> _Fences:
        counts: dict[int, int] = {}
        for source in sources:
            for day, n in _days(source.hi, space):
                counts[day] = counts.get(day, 0) + n
        days = sorted(counts)
        sizes = np.array([counts[day] for day in days], np.uint64)
        widths = (sizes * np.uint64(_BITS_A_KEY) + np.uint64(63)) // np.uint64(64)
        return cls(np.array(days, np.uint64), _starts(sizes), _starts(widths))

    def locate(self, hi: Words, space: Space) -> tuple[Mask, Words, Words]:
        """For each key: whether its day occurs, and its stretch of the filter."""
        bucket = _buckets(hi, space)
        at = np.minimum(np.searchsorted(self.bucket, bucket), len(self.bucket) - 1)
        first = self.word[at]
        return self.bucket[at] == bucket, first, self.word[at + 1] - first


def _starts(sizes: Words) -> Words:
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes, dtype=np.uint64)])


def _chunks(sources: Sequence[Keys]) -> Iterator[Keys]:
    """The sources merged, about `_CHUNK` keys at a time, each chunk above the one before."""
    largest = max(sources, key=len)
    share = max(1, _CHUNK * len(largest) // max(1, sum(len(source) for source in sources)))
    bounds = largest.hi[share::share]
    at = [0] * len(sources)
    for bound in [*bounds, None]:
        parts = []
        for n, source in enumerate(sources):
            stop = len(source) if bound is None else int(np.searchsorted(source.hi, bound))
            if stop > at[n]:
                parts.append(source.slice(at[n], stop))
                at[n] = stop
        if parts:
            hi = np.concatenate([part.hi for part in parts])
            order = np.argsort(hi, kind="stable")
            yield Keys(hi[order], np.concatenate([part.lo for part in parts])[order])


def write_segment(path: Path, sources: Sequence[Keys], space: Space) -> int:
    """Write the sorted sources, which share no key, as one new file, durably; the number of keys. Memory is flat.

    Raises OSError when the disk has no room; what was written of the file is then for the caller to remove.
    """
    n = sum(len(source) for source in sources)
    fences = _Fences.of(sources, space)
    days, words = len(fences.bucket), int(fences.word[-1])
    total = _HEADER + 2 * n + days + 2 * (days + 1) + words
    with path.open("xb") as file:
        # Room is taken before it is written through the map: a full disk must be an error here, not a SIGBUS there.
        os.posix_fallocate(file.fileno(), 0, total * 8)
    data = np.memmap(path, dtype="<u8", mode="r+", shape=(total,))
    data[:_HEADER] = [_MAGIC, _FORMAT, n, days, words, 0 if space is Space.DAY else 1, 0, 0]
    hi, lo = data[_HEADER : _HEADER + n], data[_HEADER + n : _HEADER + 2 * n]
    rest = np.concatenate([fences.bucket, fences.first, fences.word])
    data[_HEADER + 2 * n : _HEADER + 2 * n + len(rest)] = rest
    bits = data[total - words :]
    at = 0
    for chunk in _chunks(sources):
        hi[at : at + len(chunk)], lo[at : at + len(chunk)] = chunk.hi, chunk.lo
        at += len(chunk)
        _, first, width = fences.locate(chunk.hi, space)
        place = _filter_place(chunk.hi, space, first, width)
        starts = np.flatnonzero(np.diff(place, prepend=place[0] + np.uint64(1)))
        bits[place[starts]] |= np.bitwise_or.reduceat(_filter_bits(chunk.lo), starts)
    data.flush()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return n


def file_hash(path: Path) -> str:
    """SHA-256 of the file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Segment:
    """A sealed file, mapped. Raises IntegrityError when it is not one or is cut short, FileNotFoundError when gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.stat().st_size < _HEADER * 8:
            raise IntegrityError(f"The deduplication segment {path.name} is cut short.")
        data = np.asarray(np.memmap(path, dtype="<u8", mode="r"))
        magic, version, n, days, words, space = (int(word) for word in data[:6])
        if magic != _MAGIC or version != _FORMAT or len(data) != _HEADER + 2 * n + 3 * days + 2 + words:
            raise IntegrityError(f"The deduplication segment {path.name} is damaged.")
        self.space = Space.WHOLE if space else Space.DAY
        self.keys = Keys(data[_HEADER : _HEADER + n], data[_HEADER + n : _HEADER + 2 * n])
        at = _HEADER + 2 * n
        # Fences are few and asked for each batch: they are kept in memory.
        bucket, first, word = data[at : at + days], data[at + days : at + 2 * days + 1], data[at + 2 * days + 1 :]
        self._fences = _Fences(bucket.copy(), first.copy(), word[: days + 1].copy())
        self._filter = data[len(data) - words :]

    def __len__(self) -> int:
        return len(self.keys)

    def contain(self, probes: Keys) -> Mask:
        """For each probe whether it is in the segment; fastest when the probes are sorted."""
        found = np.zeros(len(probes), dtype=np.bool_)
        known, first, width = self._fences.locate(probes.hi, self.space)
        if not known.any():
            return found
        at = np.flatnonzero(known)
        near = probes.take(at)
        place = _filter_place(near.hi, self.space, first[at], width[at])
        bits = _filter_bits(near.lo)
        maybe = at[(self._filter[place] & bits) == bits]
        if len(maybe):
            found[maybe] = self.keys.contain(probes.take(maybe))
        return found
