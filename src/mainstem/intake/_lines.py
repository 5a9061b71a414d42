"""Which lines of a text file are meant: numbers for byte positions, and where a record that holds line ends ends."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator, Sequence

import numpy as np

from mainstem.intake._files import DataFile

__all__ = ["line_numbers", "past_blank_lines", "quoted_ends"]

_BLOCK = 4 << 20
_LINE_ENDS = frozenset(b"\r\n")


def past_blank_lines(file: DataFile, positions: Sequence[int]) -> list[int]:
    """The byte positions (these rise), those at which a blank line begins moved to the next that is none.

    DuckDB names some rows by the blank lines that come before them.
    """
    found: list[int] = []
    blank, before = False, ord("\n")
    for start, block in _blocks(file):
        while len(found) < len(positions) and positions[len(found)] < start + len(block):
            offset = max(positions[len(found)] - start, 0)
            blank = blank or (block[offset - 1] if offset else before) == ord("\n")
            while blank and offset < len(block) and block[offset] in _LINE_ENDS:
                offset += 1
            if offset == len(block):
                break
            found.append(start + offset)
            blank = False
        before = block[-1]
    return [*found, *positions[len(found) :]]


def line_numbers(file: DataFile, positions: Sequence[int]) -> list[int]:
    """The numbers (from 1) of the lines that begin at byte positions; these rise."""
    if not positions:
        return []
    numbers: list[int] = []
    left = list(reversed(positions))
    lines = 1
    for start, block in _blocks(file):
        ends = np.flatnonzero(block == ord("\n")) + start
        while left and left[-1] <= start + len(block):
            numbers.append(lines + int(np.searchsorted(ends, left.pop())))
        lines += len(ends)
        if not left:
            break
    return numbers + [lines] * len(left)


def quoted_ends(file: DataFile, positions: Sequence[int]) -> list[int]:
    """The number of the last line of each record that begins at a byte position; these rise.

    A record ends at the first line end with an even number of quotes before it, or with the file.
    """
    if not positions:
        return []
    found = [0] * len(positions)
    # Records whose end is looked for, each with whether a quote is open at the block's start.
    looking: dict[int, int] = {}
    coming = 0
    lines = 1
    for start, block in _blocks(file):
        quotes = np.flatnonzero(block == ord('"'))
        ends = np.flatnonzero(block == ord("\n"))
        parity = np.searchsorted(quotes, ends) % 2
        by_parity = [np.flatnonzero(parity == wanted) for wanted in (0, 1)]
        begun = [(index, 0, odd) for index, odd in looking.items()]
        while coming < len(positions) and positions[coming] < start + len(block):
            offset = max(positions[coming] - start, 0)
            begun.append((coming, offset, int(np.searchsorted(quotes, offset)) % 2))
            coming += 1
        looking = {}
        for index, offset, odd in begun:
            candidates = by_parity[odd]
            at = int(np.searchsorted(candidates, np.searchsorted(ends, offset)))
            if at < len(candidates):
                found[index] = lines + int(candidates[at])
            else:
                looking[index] = (len(quotes) + odd) % 2
        lines += len(ends)
        if not looking and coming == len(positions):
            return found
    last = lines if _ends_within_a_line(file) else lines - 1
    return [number or last for number in found]


def _ends_within_a_line(file: DataFile) -> bool:
    last = b"\n"
    for _, block in _blocks(file):
        last = block[-1:].tobytes()
    return last != b"\n"


def _blocks(file: DataFile) -> Iterator[tuple[int, np.ndarray]]:
    """The file's bytes, decompressed, with the position of each block."""
    start = 0
    with file.path.open("rb") as raw, contextlib.ExitStack() as stack:
        source = stack.enter_context(gzip.open(raw)) if file.compressed else raw
        while block := source.read(_BLOCK):
            yield start, np.frombuffer(block, np.uint8)
            start += len(block)
