"""The sink's contract: the one committer.

`commit` applies the effects of one span in ONE transaction of the analytics database: it removes repeats, merges what is
left, keeps the ledger and moves the position, compare-and-set with the lease's epoch. A repeated span finds the position
moved (FencedError: drop it and read on from the position), a zombie finds its lease's epoch passed (FencedError too).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from mainstem.intake import Decision
from mainstem.model import Lane, Place
from mainstem.processing.effects import Effects
from mainstem.store import Connection

__all__ = ["Commit", "DecisionApplier", "Sink"]


@dataclasses.dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did, in records; the parts add up to the span's records."""

    accepted: int
    duplicate: int
    quarantined: int
    held: int
    discarded: int


class DecisionApplier(Protocol):
    """A port: what other rooms make of decisions that are not about quarantined records (links, erasures ...)."""

    def apply(self, conn: Connection, decision: Decision, place: Place, at: dt.datetime) -> None:
        """Inside the sink's transaction, once for each decision: make it true, by writing to the fold's tables only."""
        ...


class Sink(Protocol):
    """See the module's text for what must hold."""

    def commit(self, effects: Effects, *, lease_epoch: int) -> Commit:
        """Make the effects true, once.

        Raises FencedError when the span does not follow the position or the lease was lost, StorageFullError or
        UnavailableError when the database cannot take it; in each case nothing of it was done.
        """
        ...

    def positions(self) -> Mapping[tuple[int, int, Lane], int]:
        """The last committed position by (epoch, partition, lane); absent when nothing was committed."""
        ...
