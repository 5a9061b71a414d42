"""The engine: the contract between the log's records and their effects.

The worker that owns a partition reads a run of batches of one lane and hands them to `process`; the effects go to the
sink. An engine is a pure function of the batches, the contracts in force at their versions and the keys: the same span
gives the same effects, however often it is repeated, which is what lets a crash, a zombie and a rebuild end alike.

A record never stops a stream. What an engine cannot parse, check or map becomes a quarantine effect with a reason; when a
whole batch fails for an unknown cause it is halved until the record at fault stands alone. Records that the sink could not
take (`isolation`) are named to the engine, which puts them in quarantine too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from mainstem.model import LogBatch
from mainstem.processing.effects import Effects

__all__ = ["Engine"]


class Engine(Protocol):
    """Records in, effects out."""

    def process(self, batches: Sequence[LogBatch], *, condemned: Collection[tuple[int, int]] = ()) -> Effects:
        """The effects of consecutive batches of one lane of one partition; never empty, in rising positions.

        Records whose (position, index) is in `condemned` go to quarantine as unprocessable, unseen.
        Raises RetryableError when a store it needs cannot be reached, and nothing because of a record.
        """
        ...
