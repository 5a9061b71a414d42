"""What becomes of a selection of records that wait: how many pass, and what is wrong with the others."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from mainstem.eventlog import Head

__all__ = ["MOST_FAILING", "Failing", "Outcome", "Stretch", "most_frequent"]

MOST_FAILING = 1000
"""Causes that are told: a sender may invent a stream, and with it a cause, for each record."""
_FIRST = uuid.UUID(int=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Failing:
    """Records that do not pass, by what is wrong with them now; `example` is one's id."""

    source: str
    stream: str
    reason: str
    field: str | None
    rule: str | None
    message: str
    count: int
    example: uuid.UUID

    def told(self) -> dict[str, Any]:
        """For answers."""
        return {**dataclasses.asdict(self), "example": str(self.example)}


@dataclasses.dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a selection, by id: what follows a record, and at most so many."""

    following: uuid.UUID = _FIRST
    most: int | None = None


@dataclasses.dataclass(slots=True)
class Outcome:
    """What became of a selection, or would become of it."""

    matched: int = 0
    passing: int = 0
    failing: Sequence[Failing] = ()
    """The most frequent first, at most a thousand."""
    failed: int = 0
    """Records that do not pass, also those that are not in `failing`."""
    decided: int = 0
    underway: int = 0
    """Of those that pass: another decision about them is on its way, and nothing was decided here."""
    settled: int = 0
    """Of those named by id: decided already. Of all others: somebody else decided about them meanwhile."""
    heads: tuple[Head, ...] = ()
    """Up to where the log has to take effect until the decisions do."""
    reached: uuid.UUID | None = None
    """Where a `Stretch` ended before the selection did: its last record."""

    def told(self) -> dict[str, Any]:
        """For answers: the counts, and `failures` by what is wrong."""
        names = ("matched", "passing", "decided", "underway", "settled")
        failures = [one.told() for one in self.failing]
        return {**{name: getattr(self, name) for name in names}, "failing": self.failed, "failures": failures}


def most_frequent(failing: Iterable[Failing]) -> list[Failing]:
    """Those of one cause as one, with the example of the first; the most frequent first, at most a thousand."""
    by_cause: dict[tuple[str, str, str, str | None, str | None, str], Failing] = {}
    for one in failing:
        cause = (one.source, one.stream, one.reason, one.field, one.rule, one.message)
        known = by_cause.get(cause)
        by_cause[cause] = one if known is None else dataclasses.replace(known, count=known.count + one.count)
    return sorted(by_cause.values(), key=lambda one: one.count, reverse=True)[:MOST_FAILING]
