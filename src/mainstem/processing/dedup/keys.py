"""Keys of known events: fixed-width, sortable, and near each other when the events are near in time.

A key has two words of 64 bits. In the space `day` the first holds the event's own day (22 bits) and 42 bits of its keyed
identity hash, the second 64 more: a repeat carries the same `occurred_at` and so finds its day, sorted arrays keep days
together, and a live stream never touches the pages of old ones. There are no buckets on disk to choose a size for: a bulk
load over years writes runs as large as any other. In the space `whole`, for streams whose `occurred_at` may change, the
key is the 128-bit hash alone.

Keys are sorted by the first word only; the few that agree in it stand in any order and are told apart by the second.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["DAY_SHIFT", "Keys", "Mask", "Space", "Words", "first_occurrences", "keys_of", "merged"]

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

DAY_SHIFT = 42
"""Bits of the hash in the first word of the space `day`; above them is the day."""

_DAYS = 1 << 22
# Days are counted from the year 1, so that none that a timestamp of ours can hold is negative.
_YEAR_1 = 719_162
_MICROSECONDS_A_DAY = 86_400_000_000


class Space(enum.StrEnum):
    """Where identities of a stream are compared: within the event's own day, or over the whole stream."""

    DAY = "day"
    WHOLE = "whole"


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """Keys in two parallel arrays of words."""

    hi: Words
    lo: Words

    def __len__(self) -> int:
        return len(self.hi)

    def take(self, index: npt.NDArray[np.intp] | Mask) -> Keys:
        """The keys at these indices, or where the mask holds."""
        return Keys(self.hi[index], self.lo[index])

    def slice(self, start: int, stop: int) -> Keys:
        """The keys from `start` up to `stop`, without a copy."""
        return Keys(self.hi[start:stop], self.lo[start:stop])

    def ordered(self) -> Keys:
        """The keys sorted by their first word."""
        return self.take(np.argsort(self.hi, kind="stable"))

    def contain(self, probes: Keys) -> Mask:
        """For each probe, in any order, whether it is among these keys, which are sorted."""
        found = np.zeros(len(probes), dtype=np.bool_)
        size = len(self.hi)
        if not size or not len(probes):
            return found
        at = np.searchsorted(self.hi, probes.hi)
        open_ = np.flatnonzero(at < size)
        while len(open_):
            # One round for nearly all probes; more only where first words are equal.
            here = at[open_]
            near = self.hi[here] == probes.hi[open_]
            open_, here = open_[near], here[near]
            same = self.lo[here] == probes.lo[open_]
            found[open_[same]] = True
            open_ = open_[~same]
            at[open_] += 1
            open_ = open_[at[open_] < size]
        return found

    def pack(self) -> bytes:
        """All first words, then all second words, little-endian: 16 bytes a key."""
        return self.hi.astype("<u8", copy=False).tobytes() + self.lo.astype("<u8", copy=False).tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> Keys:
        """The inverse of `pack`. Raises ValueError when the length is no multiple of 16."""
        if len(data) % 16:
            raise ValueError("packed keys are 16 bytes each")
        words = np.frombuffer(data, dtype="<u8").astype(np.uint64, copy=False)
        half = len(words) // 2
        return cls(words[:half], words[half:])

    @classmethod
    def empty(cls) -> Keys:
        """No keys."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint64))


def keys_of(hashes: pa.Array, occurred_at: pa.Array | None) -> Keys:
    """Keys of identity hashes (binary(16), none null), in their order.

    With `occurred_at` (microseconds since 1970, none null) they are of the space `day`, without it of `whole`.
    """
    if hashes.null_count:
        raise ValueError("a key needs a hash")
    words = np.frombuffer(
        hashes.buffers()[1] or b"", dtype=">u8", count=2 * len(hashes), offset=16 * hashes.offset
    ).reshape(-1, 2)
    hi, lo = words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)
    if occurred_at is None:
        return Keys(hi, lo)
    micros = occurred_at.cast(pa.int64()).to_numpy(zero_copy_only=False)
    days = np.clip(micros // _MICROSECONDS_A_DAY + _YEAR_1, 0, _DAYS - 1).astype(np.uint64)
    return Keys((days << np.uint64(DAY_SHIFT)) | (hi >> np.uint64(64 - DAY_SHIFT)), lo)


def first_occurrences(keys: Keys) -> Mask:
    """For each key, in its order, whether no earlier one is equal."""
    first = np.ones(len(keys), dtype=np.bool_)
    ordered = np.sort(keys.hi)
    if not (ordered[1:] == ordered[:-1]).any():
        return first
    # lexsort is stable: among equal keys the earliest comes first and stays.
    order = np.lexsort((keys.lo, keys.hi))
    hi, lo = keys.hi[order], keys.lo[order]
    first[order[1:][(hi[1:] == hi[:-1]) & (lo[1:] == lo[:-1])]] = False
    return first


def merged(left: Keys, right: Keys) -> Keys:
    """Two sorted sets of keys as one."""
    if len(left) < len(right):
        left, right = right, left
    places = np.searchsorted(left.hi, right.hi) + np.arange(len(right))
    from_left = np.ones(len(left) + len(right), dtype=np.bool_)
    from_left[places] = False
    hi, lo = np.empty(len(from_left), np.uint64), np.empty(len(from_left), np.uint64)
    hi[places], lo[places] = right.hi, right.lo
    hi[from_left], lo[from_left] = left.hi, left.lo
    return Keys(hi, lo)
