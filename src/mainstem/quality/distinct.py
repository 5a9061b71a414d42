"""How many different values fields have: of each a small sketch.

Values are hashed with a word of the installation, so that a sketch tells nobody whether a value that he guesses was there.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from mainstem.model import sketch
from mainstem.privacy import Hasher

__all__ = ["FIELD_REGISTERS", "no_values", "seed_of", "sketched"]

FIELD_REGISTERS = 128
"""A standard error of 9 %: less than what is told of a day, and two kilobytes for fifteen fields."""

Registers = sketch.Registers
Words = npt.NDArray[np.uint64]

# Odd, so that it has an inverse modulo 2**64; its bits are those of the golden ratio.
_STEP = 0x9E3779B97F4A7C15
_BACK = pow(_STEP, -1, 1 << 64)
# Bytes whose powers are at hand; what is longer is cut there.
_CHUNK = 1 << 14
_MOST_BYTES = 1 << 12


def seed_of(hasher: Hasher) -> int:
    """The word by which an installation's values are hashed: 64 bits that follow from its key."""
    return int.from_bytes(hasher.digest(b"distinct", [])[:8], "big")


def no_values(fields: int) -> Registers:
    """Sketches of fields without a value (fields x FIELD_REGISTERS)."""
    return np.zeros((fields, FIELD_REGISTERS), np.uint8)


def sketched(columns: Sequence[pa.ChunkedArray], seed: int) -> Registers:
    """The sketches (columns x FIELD_REGISTERS) of the values of columns; null is none. A text counts by its first 4,096 bytes."""
    hashes: list[Words] = []
    texts: list[pa.Array] = []
    order: list[list[int]] = [[], []]
    for place, column in enumerate(columns):
        values = _whole(column)
        if pt.is_primitive(values.type) and not pt.is_boolean(values.type):
            hashes.append(_bits(values))
            order[0].append(place)
        else:
            texts.append(_text(values))
            order[1].append(place)
    sizes = [*map(len, hashes), *map(len, texts)]
    if texts:
        hashes.append(_text_hashes(pa.concat_arrays(texts)))
    registers = no_values(len(columns))
    if not sum(sizes):
        return registers
    index, rank = sketch.placed(_mixed(np.concatenate(hashes), seed), FIELD_REGISTERS)
    owner = np.repeat(np.array(order[0] + order[1], np.intp), sizes)
    np.maximum.at(registers.reshape(-1), owner * FIELD_REGISTERS + index, rank)
    return registers


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.chunks
    values = chunks[0] if len(chunks) == 1 else column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], column.type)
    return values.drop_null() if values.null_count else values


def _text(values: pa.Array) -> pa.Array:
    texts = values if pt.is_string(values.type) else values.cast(pa.string())
    if len(texts) and (pc.max(pc.binary_length(texts)).as_py() or 0) > _MOST_BYTES:
        texts = pc.binary_slice(texts.cast(pa.binary()), 0, _MOST_BYTES)
    return texts.cast(pa.binary())


def _bits(values: pa.Array) -> Words:
    """Numbers and times by their bits: +0.0 and -0.0 are one value."""
    numbers = values.view(pa.int64()) if pt.is_temporal(values.type) and values.type.bit_width == 64 else values
    if pt.is_floating(numbers.type):
        floats: npt.NDArray[np.float64] = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False) + 0.0
        return floats.view(np.uint64)
    if pt.is_temporal(numbers.type):
        numbers = numbers.view(pa.int32())
    integers: npt.NDArray[np.int64] = numbers.to_numpy(zero_copy_only=False).astype(np.int64)
    return integers.view(np.uint64)


def _text_hashes(texts: pa.Array) -> Words:
    """Of each text the sum of its bytes, each by a power of its place: sums up to each byte give those of all texts at once."""
    ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    found = np.zeros(len(texts), np.uint64)
    powers, inverses = _powers()
    first = 0
    while first < len(texts):
        last = int(np.searchsorted(ends, ends[first] + _CHUNK, side="right")) - 1
        begin, end = ends[first], ends[last]
        sums = np.zeros(end - begin + 1, np.uint64)
        np.cumsum(np.multiply(data[begin:end], powers[: end - begin], dtype=np.uint64), out=sums[1:])
        at = ends[first : last + 1] - begin
        # A byte of zero adds nothing, but to the length.
        found[first:last] = (sums[at[1:]] - sums[at[:-1]]) * inverses[at[:-1]] + np.diff(at).astype(np.uint64)
        first = last
    return found


@functools.cache
def _powers() -> tuple[Words, Words]:
    """The powers of the step, and of its inverse, up to a chunk's."""

    def rising(step: int) -> Words:
        factors = np.full(_CHUNK + 1, step, np.uint64)
        factors[0] = 1
        return np.cumprod(factors, dtype=np.uint64)

    return rising(_STEP), rising(_BACK)


def _mixed(words: Words, seed: int) -> Words:
    """Every bit of the word and of the seed in every bit: Stafford's 13th mixer of 64 bits."""
    mixed = words ^ np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
