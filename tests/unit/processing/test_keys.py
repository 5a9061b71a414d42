"""Keys of known events, and the file they are sealed in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mainstem.errors import IntegrityError
from mainstem.processing.dedup import Keys, LocalSegments, Segment, Slots, Space, keys_of
from mainstem.processing.dedup.keys import first_occurrences, merged


def _random(seed: int, count: int) -> Keys:
    words = np.random.default_rng(seed).integers(0, 2**64, (2, count), np.uint64)
    return Keys(words[0], words[1])


def test_keys_that_share_their_first_word_are_told_apart() -> None:
    hi = np.repeat(np.array([5, 6, 2**64 - 1], np.uint64), 4)
    lo = np.array([3, 1, 2, 9] * 3, np.uint64)
    probes = Keys(np.array([5, 5, 6, 2**64 - 1, 2**64 - 1, 7], np.uint64), np.array([9, 4, 2, 9, 0, 3], np.uint64))
    assert Keys(hi, lo).contain(probes).tolist() == [True, False, True, True, False, False]


def test_the_first_of_equal_keys_stays() -> None:
    keys = Keys(np.array([7, 1, 7, 7, 1], np.uint64), np.array([1, 5, 1, 2, 5], np.uint64))
    assert first_occurrences(keys).tolist() == [True, True, False, True, False]


def test_merged_keys_are_sorted_and_complete() -> None:
    left, right = _random(1, 1_000).ordered(), _random(2, 300).ordered()
    both = merged(left, right)
    assert (both.hi[1:] >= both.hi[:-1]).all()
    assert both.contain(left).all()
    assert both.contain(right).all()
    assert len(both) == 1_300


def test_packed_keys_come_back() -> None:
    keys = _random(3, 10)
    again = Keys.unpack(keys.pack())
    assert again.hi.tolist() == keys.hi.tolist()
    assert again.lo.tolist() == keys.lo.tolist()
    with pytest.raises(ValueError, match="16 bytes"):
        Keys.unpack(b"short")


def test_keys_of_one_day_lie_together_whatever_the_year() -> None:
    days = [dt.datetime(year, 1, 1, hour, tzinfo=dt.UTC) for year in (1, 1960, 2026, 9999) for hour in (0, 23)]
    hashes = pa.array([bytes([n]) * 16 for n in range(8)], pa.binary(16))
    keys = keys_of(hashes, pa.array(days, pa.timestamp("us", "UTC")))
    buckets = (keys.hi >> np.uint64(42)).tolist()
    assert buckets == sorted(buckets)
    assert len(set(buckets)) == 4
    assert keys_of(hashes, None).hi[1] == 0x0101010101010101


def test_hashes_must_be_there() -> None:
    with pytest.raises(ValueError, match="hash"):
        keys_of(pa.array([None], pa.binary(16)), None)


@pytest.mark.parametrize("space", list(Space))
def test_a_segment_finds_what_it_holds_and_nothing_else(tmp_path: Path, space: Space) -> None:
    store = LocalSegments(tmp_path)
    sources = [_random(seed, 40_000).ordered() for seed in range(5)]
    name, _ = store.write("dedup/app/usage", sources, space)
    segment = Segment(store.path(name))
    assert len(segment) == 200_000
    assert segment.space is space
    assert segment.contain(sources[3]).all()
    assert not segment.contain(_random(99, 40_000)).any()


def test_a_file_that_is_no_segment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.keys"
    for content in (b"", b"x" * 800):
        path.write_bytes(content)
        with pytest.raises(IntegrityError):
            Segment(path)


def test_slots_meet_and_cover() -> None:
    assert Slots(4, 1).meets(Slots(8, 5))
    assert not Slots(4, 1).meets(Slots(8, 6))
    assert Slots(2, 1).covers(Slots(8, 5))
    assert not Slots(8, 5).covers(Slots(2, 1))
