"""Names, slots and partitions: how a record finds its place."""

from __future__ import annotations

import re

__all__ = [
    "CORRECTIONS_STREAM",
    "DECISIONS_STREAM",
    "MAINSTEM_SOURCE",
    "NAME_PATTERN",
    "OBSERVED_STREAMS",
    "SCORES_STREAM",
    "SHARDS",
    "SLOTS",
    "TURNS_STREAM",
    "check_partitions",
    "is_name",
]

NAME_PATTERN = r"[a-z][a-z0-9_]{0,62}"
"""Sources and streams: short, lower case, safe as a file name, a label and an identifier in every store."""

SLOTS = 4096
"""Every record has one of these for ever; partitions are slots modulo their number, so a new number moves whole slots."""

SHARDS = 16
"""Coarse cells are split by slot modulo this, so that each has one writer while partitions are at most this many."""

MAINSTEM_SOURCE = "mainstem"
"""The source of Mainstem's own streams; nobody outside may write it."""

DECISIONS_STREAM = "decisions"
"""Decisions are records of this stream of `MAINSTEM_SOURCE`, written `mainstem.decisions` in prose."""

CORRECTIONS_STREAM = "corrections"
"""Corrections of metrics, as they were made: records of this stream of `MAINSTEM_SOURCE` in the lake, never in the log."""

SCORES_STREAM = "scores"
"""The history of scores, as they were shown: likewise."""

TURNS_STREAM = "turns"
"""In which turns the lanes of a partition took effect: likewise."""

OBSERVED_STREAMS = frozenset((MAINSTEM_SOURCE, stream) for stream in (CORRECTIONS_STREAM, SCORES_STREAM, TURNS_STREAM))
"""What the lake has beside what was received."""

_NAME = re.compile(NAME_PATTERN)


def is_name(value: str) -> bool:
    """Whether a source or stream may be called this."""
    return _NAME.fullmatch(value) is not None


def check_partitions(count: int) -> int:
    """The count back, when it can be one. Raises ValueError: partitions are a power of two from 1 to 16."""
    if count not in (1, 2, 4, 8, 16):
        raise ValueError(f"{count} partitions: choose 1, 2, 4, 8 or 16, so that every shard has one writer")
    return count
