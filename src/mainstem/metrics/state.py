"""The states of measures that are more than a number: how they are laid out, and how they merge.

Layout: a version byte, a kind byte, then by kind

- `n` min, `x` max: the value (16 bytes), `occurred_at` (8), the record's hash (16);
- `f` first, `l` last: `occurred_at` (8), the record's hash (16), a type byte, the value;
- `e` exact set: entries of 12 bytes, ordered by hash: hash of the value (8), how often it was seen (4, signed);
- `s` sketch: 4,096 registers of one byte.

Numbers are laid out so that bytes order as they do (big endian, sign turned), so the merge of the first four is the
lesser or greater of two byte strings, which PostgreSQL does by itself, and ties end alike whatever came first. Sets merge
by adding up their entries; an entry at 0 is gone, one below 0 waits for what it was taken back from. Above a bound of
entries a set becomes a sketch: approximate, and nothing can be taken back from it.
"""

from __future__ import annotations

import dataclasses
import decimal
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import IntegrityError
from mainstem.metrics.definition import Measure
from mainstem.metrics.grouping import Ints
from mainstem.metrics.numbers import SCALE, halves
from mainstem.metrics.transfer import fixed_bytes, fixed_rows, joined_bytes
from mainstem.model import sketch

__all__ = [
    "DISTINCT_BOUND",
    "ENTRY_BYTES",
    "Merged",
    "OrderedValue",
    "decode_distinct",
    "decode_ordered",
    "distinct_entries",
    "distinct_total",
    "encode_distinct",
    "encode_edges",
    "encode_extremes",
    "entries_of",
    "merge_distinct",
]

DISTINCT_BOUND = 1_000
"""Different values that a set holds exactly: 12 kB at most."""

_EXACT, _SKETCH = b"\x01e", b"\x01s"
_KINDS = {Measure.MIN: b"\x01n", Measure.MAX: b"\x01x", Measure.FIRST: b"\x01f", Measure.LAST: b"\x01l"}
_ENTRY = np.dtype([("hash", ">u8"), ("count", ">i4")])
ENTRY_BYTES = _ENTRY.itemsize
_MOST = 2**31 - 1
_SIGN = 1 << 63
_HASH_BITS = 64
_NUMBER_BYTES = 16


@dataclasses.dataclass(frozen=True, slots=True)
class OrderedValue:
    """What a min, max, first or last holds, and when it occurred in microseconds since 1970."""

    value: decimal.Decimal | str | bytes
    occurred_at: int


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """Sets after a merge, and how many different values each has.

    `damaged` says from which something was to be taken back that a sketch cannot give.
    """

    states: pa.Array
    counts: Ints
    damaged: npt.NDArray[np.bool_]


def encode_extremes(measure: Measure, values: pa.Array, at: Ints, ties: pa.Array) -> pa.Array:
    """States of min or max, one a row: values decimal128(38, 9), times in microseconds, ties 16 bytes."""
    parts = [_decimal_bytes(values), _ordered_time(at), fixed_bytes(ties)]
    return _prefixed(_KINDS[measure], np.concatenate(parts, axis=1))


def encode_edges(measure: Measure, values: pa.Array, at: Ints, ties: pa.Array) -> pa.Array:
    """States of first or last, one a row: values decimal128(38, 9), string or binary."""
    if pa.types.is_decimal(values.type):
        tag, payload = b"d", fixed_rows(_decimal_bytes(values))
    elif pa.types.is_string(values.type):
        tag, payload = b"t", values.cast(pa.binary())
    else:
        tag, payload = b"b", values.cast(pa.binary())
    head = _prefixed(_KINDS[measure], np.concatenate([_ordered_time(at), fixed_bytes(ties)], axis=1))
    return pc.binary_join_element_wise(head, pa.scalar(tag, pa.binary()), payload, pa.scalar(b"", pa.binary()))


def decode_ordered(state: bytes) -> OrderedValue:
    """The value of a min, max, first or last. Raises IntegrityError."""
    kind, body = state[:2], state[2:]
    if kind in {_KINDS[Measure.MIN], _KINDS[Measure.MAX]}:
        return OrderedValue(_decimal(body[:_NUMBER_BYTES]), _time(body[_NUMBER_BYTES : _NUMBER_BYTES + 8]))
    if kind not in {_KINDS[Measure.FIRST], _KINDS[Measure.LAST]}:
        raise IntegrityError("A state is not one of a min, max, first or last.")
    tag, payload = body[24:25], body[25:]
    value: decimal.Decimal | str | bytes
    value = _decimal(payload) if tag == b"d" else payload.decode() if tag == b"t" else payload
    return OrderedValue(value, _time(body[:8]))


def encode_distinct(groups: Ints, hashes: sketch.Hashes, counts: Ints, total: int) -> pa.Array:
    """Sets of `total` groups from their entries, ordered by (group, hash), each pair once."""
    return _sets(hashes, counts, np.bincount(groups, minlength=total))


def merge_distinct(groups: Ints, states: pa.Array, total: int, bound: int = DISTINCT_BOUND) -> Merged:
    """The sets of `total` groups, each the sum of the given states of its group; an absent one is empty.

    Raises IntegrityError for bytes that are no such state.
    """
    exact = _are_exact(states)
    entry_groups, hashes, counts = _summed(groups[exact], states.filter(pa.array(exact)))
    sizes = np.bincount(entry_groups, minlength=total)
    numbers = np.bincount(entry_groups[counts > 0], minlength=total).astype(np.int64)
    damaged = np.zeros(total, np.bool_)
    result = _sets(hashes, counts, sizes)
    sketched = np.flatnonzero(~exact)
    rough = np.union1d(np.flatnonzero(sizes > bound), groups[sketched])
    if not len(rough):
        return Merged(result, numbers, damaged)
    every = result.to_pylist()
    ends = np.cumsum(sizes)
    for group in rough.tolist():
        own = slice(int(ends[group] - sizes[group]), int(ends[group]))
        damaged[group] = bool((counts[own] < 0).any())
        registers = sketch.with_hashes(sketch.empty(), hashes[own][counts[own] > 0])
        for place in sketched[groups[sketched] == group].tolist():
            registers = sketch.merged(registers, _registers(states[place].as_py()))
        every[group] = _SKETCH + registers.tobytes()
        numbers[group] = sketch.estimate(registers)
    return Merged(pa.array(every, pa.binary()), numbers, damaged)


def decode_distinct(state: bytes) -> tuple[int, bool]:
    """How many different values a set holds, and whether that is approximate. Raises IntegrityError."""
    if not _are_exact(pa.array([state], pa.binary()))[0]:
        return sketch.estimate(_registers(state)), True
    return int((np.frombuffer(state, _ENTRY, offset=2)["count"] > 0).sum()), False


def distinct_total(states: Sequence[bytes]) -> tuple[int, bool]:
    """How many different values the sets have together, and whether that is approximate. Raises IntegrityError."""
    merged = merge_distinct(np.zeros(len(states), np.int64), pa.array(states, pa.binary()), 1)
    return int(merged.counts[0]), merged.states[0].as_py()[:2] == _SKETCH


def distinct_entries(groups: Ints, states: Sequence[bytes]) -> tuple[Ints, sketch.Hashes, list[int]]:
    """The values of exact sets, flat: group and hash of each; and the places of the states that are sketches."""
    column = pa.array(states, pa.binary())
    exact = _are_exact(column)
    entry_groups, hashes, counts = _summed(groups[exact], column.filter(pa.array(exact)))
    present = counts > 0
    return entry_groups[present], hashes[present], np.flatnonzero(~exact).tolist()


def entries_of(bodies: bytes) -> tuple[Ints, Ints]:
    """The entries of exact sets whose bodies (states without their first two bytes) lie one after another.

    Of a track: the moments' numbers and how many events each has. An entry takes `ENTRY_BYTES`.
    """
    entries = np.frombuffer(bodies, _ENTRY)
    return entries["hash"].astype(np.uint64).view(np.int64), entries["count"].astype(np.int64)


def _are_exact(states: pa.Array) -> npt.NDArray[np.bool_]:
    """Which states are exact sets; the others are sketches."""
    kinds = pc.binary_slice(states, 0, 2)
    sizes = pc.binary_length(states).to_numpy() - 2
    exact: npt.NDArray[np.bool_] = pc.equal(kinds, _EXACT).to_numpy(zero_copy_only=False)
    sketched = pc.equal(kinds, _SKETCH).to_numpy(zero_copy_only=False) & (sizes == sketch.REGISTERS)
    if not ((exact & (sizes % _ENTRY.itemsize == 0)) | sketched).all():
        raise IntegrityError("A state is not one of a distinct count, or of a version not known here.")
    return exact


def _registers(state: bytes) -> sketch.Registers:
    return np.frombuffer(state, np.uint8, offset=2)


def _summed(groups: Ints, states: pa.Array) -> tuple[Ints, sketch.Hashes, Ints]:
    """The entries of exact sets added up by (group, hash), in that order, without those that came to nothing."""
    entries = np.frombuffer(joined_bytes(pc.binary_slice(states, 2, _MOST)), _ENTRY)
    hashes, counts = entries["hash"].astype(np.uint64), entries["count"].astype(np.int64)
    lengths = (pc.binary_length(states).to_numpy() - 2) // _ENTRY.itemsize
    owners = np.repeat(groups, lengths)
    if not len(hashes):
        return owners, hashes, counts
    order = _entry_order(owners, hashes)
    hashes, counts, owners = hashes[order], counts[order], owners[order]
    starts = np.flatnonzero(np.concatenate([[True], (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])]))
    counts = np.add.reduceat(counts, starts)
    kept = counts != 0
    return owners[starts][kept], hashes[starts][kept], counts[kept]


def _entry_order(owners: Ints, hashes: sketch.Hashes) -> Ints:
    """How to order entries by owner and hash.

    States hold their entries in this order, and mostly come in the order of their owners too: what is sorted are a few
    long runs, which a stable sort joins.
    """
    bits = int(owners.max()).bit_length()
    least = hashes.min()
    rest = int(hashes.max() - least).bit_length()
    if bits + rest <= _HASH_BITS:
        # Moments of tracks, or few owners: both fit into one number.
        return np.argsort((owners.astype(np.uint64) << np.uint64(rest)) | (hashes - least), kind="stable")
    # The owner and as much of the hash as fits beside it: one sort of numbers instead of two.
    keys = (owners.astype(np.uint64) << np.uint64(_HASH_BITS - bits)) | (hashes >> np.uint64(bits))
    order = np.argsort(keys, kind="stable")
    keys, ordered = keys[order], hashes[order]
    if ((keys[1:] == keys[:-1]) & (ordered[1:] != ordered[:-1])).any():
        # Two hashes that begin alike: all but impossible where owners are few.
        return np.lexsort((hashes, owners))
    return order


def _sets(hashes: sketch.Hashes, counts: Ints, sizes: Ints) -> pa.Array:
    """The states of exact sets of so many entries each, from all their entries one after another."""
    entries = np.empty(len(hashes), _ENTRY)
    entries["hash"], entries["count"] = hashes, np.clip(counts, -_MOST, _MOST)
    ends = np.cumsum(np.concatenate([[0], sizes])) * _ENTRY.itemsize
    bodies = pa.Array.from_buffers(
        pa.binary(), len(sizes), [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(entries)]
    )
    return pc.binary_join_element_wise(pa.scalar(_EXACT), bodies, pa.scalar(b""))


def _decimal_bytes(values: pa.Array) -> npt.NDArray[np.uint8]:
    """decimal128(38, 9) as 16 bytes a row that order as the numbers do."""
    low, high = halves(values)
    ordered = np.empty((len(values), 2), ">u8")
    ordered[:, 0] = high.view("<u8") ^ np.uint64(_SIGN)
    ordered[:, 1] = low
    return ordered.view(np.uint8).reshape(-1, _NUMBER_BYTES)


def _decimal(data: bytes) -> decimal.Decimal:
    number = int.from_bytes(data) - (1 << 127)
    return decimal.Decimal(number).scaleb(-SCALE, decimal.Context(prec=50))


def _ordered_time(at: Ints) -> npt.NDArray[np.uint8]:
    return (at.astype(np.uint64) ^ np.uint64(_SIGN)).astype(">u8").view(np.uint8).reshape(-1, 8)


def _time(data: bytes) -> int:
    return int(struct.unpack(">Q", data)[0]) - _SIGN


def _prefixed(prefix: bytes, matrix: npt.NDArray[np.uint8]) -> pa.Array:
    head = np.broadcast_to(np.frombuffer(prefix, np.uint8), (len(matrix), len(prefix)))
    return fixed_rows(np.concatenate([head, matrix], axis=1))
