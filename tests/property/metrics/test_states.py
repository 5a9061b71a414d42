"""States merge alike whatever the order, and give back what was taken."""

from __future__ import annotations

import decimal
import struct
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.metrics import Measure
from mainstem.metrics.grouping import Groups
from mainstem.metrics.numbers import DECIMAL, billionths, decimals
from mainstem.metrics.state import (
    Merged,
    decode_distinct,
    decode_ordered,
    distinct_entries,
    encode_distinct,
    encode_edges,
    encode_extremes,
    merge_distinct,
)
from mainstem.model import sketch

BOUND = 8
VALUES = st.lists(st.integers(0, 30), max_size=25)


def _hash(value: int) -> int:
    # Spread over all 64 bits, as real hashes are.
    return value * 0x9E3779B97F4A7C15 % 2**64


def _set(values: list[int], sign: int = 1) -> bytes:
    counts = Counter(values)
    values = sorted(counts, key=_hash)
    hashes = np.array([_hash(value) for value in values], np.uint64)
    numbers = np.array([counts[value] for value in values], np.int64) * sign
    [state] = encode_distinct(np.zeros(len(counts), np.int64), hashes, numbers, 1).to_pylist()
    assert isinstance(state, bytes)
    return state


def _merged(groups: np.ndarray, states: Sequence[bytes], total: int, bound: int = BOUND) -> tuple[list[bytes], Merged]:
    merged = merge_distinct(groups, pa.array(states, pa.binary()), total, bound)
    return merged.states.to_pylist(), merged


def _merge(*states: bytes, bound: int = BOUND) -> bytes:
    return _merged(np.zeros(len(states), np.int64), states, 1, bound)[0][0]


@given(VALUES, VALUES, VALUES)
def test_sets_merge_in_any_order_and_grouping(a: list[int], b: list[int], c: list[int]) -> None:
    one, two, three = _set(a), _set(b), _set(c)
    expected = _merge(one, two, three)
    assert _merge(_merge(one, two), three) == expected
    assert _merge(one, _merge(two, three)) == expected
    assert _merge(_merge(three, one), two) == expected
    assert _merge(_merge(one), _merge(two), _merge(three)) == expected


@given(VALUES, VALUES)
def test_a_set_is_exact_up_to_its_bound_and_near_above_it(a: list[int], b: list[int]) -> None:
    count, approximate = decode_distinct(_merge(_set(a), _set(b)))
    different = len(set(a) | set(b))
    assert approximate == (different > BOUND)
    # In the range of a few dozen of 4,096 registers a sketch is off by a collision at most.
    assert abs(count - different) <= (1 if approximate else 0)


# Moments around 1970 and now, and numbers that begin alike: neighbours in all ways of putting entries in order.
NEIGHBOURS = st.one_of(
    st.integers(-4, 4), st.integers(1_768_435_200, 1_768_435_209), st.integers(0, 3).map(lambda n: (1 << 62) + n)
)


@given(st.lists(st.lists(st.tuples(st.integers(0, 40), NEIGHBOURS), max_size=30), max_size=4))
def test_sets_of_neighbours_are_told_apart(parts: list[list[tuple[int, int]]]) -> None:
    total = 41
    groups, states, expected = [], [], Counter[tuple[int, int]]()
    for part in parts:
        counts = Counter((group, value % 2**64) for group, value in part)
        keys = sorted(counts)
        owners = np.array([group for group, _ in keys], np.int64)
        hashes = np.array([value for _, value in keys], np.uint64)
        groups.append(np.arange(total))
        states.append(encode_distinct(owners, hashes, np.array([counts[key] for key in keys], np.int64), total))
        expected += counts
    merged = merge_distinct(
        np.concatenate([*groups, np.empty(0, np.int64)]), pa.concat_arrays([*states, pa.array([], pa.binary())]), total
    )
    for group, state in enumerate(merged.states.to_pylist()):
        entries = {value: count for (owner, value), count in expected.items() if owner == group}
        assert state[2:] == b"".join(struct.pack(">Qi", value, entries[value]) for value in sorted(entries))


@given(VALUES, VALUES)
def test_what_is_taken_back_was_never_there(kept: list[int], gone: list[int]) -> None:
    state = _merge(_set(kept), _set(gone), _set(gone, -1), bound=1_000)
    assert state == _merge(_set(kept), bound=1_000)
    assert _merge(_set(gone, -1), _set(kept), _set(gone), bound=1_000) == state


@given(st.lists(st.tuples(st.integers(0, 5), VALUES), min_size=1, max_size=12))
def test_many_sets_at_once_are_as_one_by_one(parts: list[tuple[int, list[int]]]) -> None:
    groups = np.array([group for group, _ in parts], np.int64)
    states = [_set(values) for _, values in parts]
    found, merged = _merged(groups, states, 6)
    for group in range(6):
        own = [state for number, state in zip(groups, states, strict=True) if number == group]
        [state], alone = _merged(np.zeros(len(own), np.int64), own, 1)
        assert found[group] == state
        assert merged.counts[group] == alone.counts[0]


def test_a_sketch_cannot_give_back() -> None:
    full = _merge(_set(list(range(30))))
    [state], merged = _merged(np.zeros(2, np.int64), [full, _set([3], -1)], 1)
    assert merged.damaged.tolist() == [True]
    assert state == full


def test_entries_of_sets_are_told_flat() -> None:
    groups, hashes, sketched = distinct_entries(np.arange(3), [_set([1, 2]), _merge(_set(list(range(30)))), _set([2])])
    assert groups.tolist() == [0, 0, 2]
    assert sorted(hashes.tolist()) == sorted([_hash(1), _hash(2), _hash(2)])
    assert sketched == [1]


@settings(max_examples=20)
@given(st.integers(1, 200_000), st.integers(0, 2**32))
def test_a_sketch_counts_within_a_few_percent(size: int, seed: int) -> None:
    hashes = np.random.default_rng(seed).integers(0, 2**64, size, np.uint64)
    counted = sketch.estimate(sketch.with_hashes(sketch.empty(), hashes))
    # Five times the standard error of 1.6 %.
    assert abs(counted - size) <= max(3, 0.082 * size)


NUMBERS = st.decimals("-99999999999999999999", "99999999999999999999", places=9)
EVENTS = st.tuples(NUMBERS, st.integers(-(2**50), 2**50), st.binary(min_size=16, max_size=16))


def _columns(events: list[tuple[decimal.Decimal, int, bytes]]) -> tuple[pa.Array, np.ndarray, pa.Array]:
    return (
        pa.array([value for value, _, _ in events], pa.decimal128(38, 9)),
        np.array([at for _, at, _ in events], np.int64),
        pa.array([tie for _, _, tie in events], pa.binary(16)),
    )


@given(st.lists(EVENTS, min_size=1, max_size=20))
def test_states_order_as_their_values_do(events: list[tuple[decimal.Decimal, int, bytes]]) -> None:
    columns = _columns(events)
    least = decode_ordered(min(encode_extremes(Measure.MIN, *columns).to_pylist()))
    greatest = decode_ordered(max(encode_extremes(Measure.MAX, *columns).to_pylist()))
    first = decode_ordered(min(encode_edges(Measure.FIRST, *columns).to_pylist()))
    last = decode_ordered(max(encode_edges(Measure.LAST, *columns).to_pylist()))
    assert least.value == min(value for value, _, _ in events)
    assert greatest.value == max(value for value, _, _ in events)
    assert (first.occurred_at, first.value) == min((at, tie, value) for value, at, tie in events)[::2]
    assert (last.occurred_at, last.value) == max((at, tie, value) for value, at, tie in events)[::2]


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9)), min_size=1, max_size=9))
def test_texts_may_be_first_and_last(events: list[tuple[str, int]]) -> None:
    values = pa.array([text for text, _ in events], pa.string())
    at = np.array([us for _, us in events], np.int64)
    ties = pa.array([bytes(16)] * len(events), pa.binary(16))
    last = decode_ordered(max(encode_edges(Measure.LAST, values, at, ties).to_pylist()))
    # Without ids the text itself decides between two of one moment, by its bytes.
    assert last.value == max(events, key=lambda event: (event[1], event[0].encode()))[0]


@given(st.lists(NUMBERS, max_size=9), st.lists(st.decimals("-9", "9", places=9), max_size=9))
def test_numbers_are_summed_exactly_whether_small_or_large(
    large: list[decimal.Decimal], small: list[decimal.Decimal]
) -> None:
    for values in (small, [*large, *small]):
        numbers = billionths(pa.array(values, DECIMAL))
        assert decimals(numbers).to_pylist() == values
        groups = Groups.by(np.zeros(len(values), np.int64))
        exact = sum(int(value.scaleb(9, decimal.Context(prec=50))) for value in values)
        assert groups.total(numbers).tolist() == ([exact] if values else [])
