"""What the log may forget: only what every reader is past."""

from __future__ import annotations

from collections.abc import Mapping

from mainstem.eventlog import EventLog
from mainstem.model import Lane

__all__ = ["Positions", "trim_log"]

Positions = Mapping[tuple[int, int, Lane], int]
"""The last position that a reader is done with, by (epoch, partition, lane); absent: it has done nothing."""


def trim_log(log: EventLog, sink: Positions, lake: Positions) -> int:
    """Trim every lane of the log to the lower of the sink's and the lake's position; the batches forgotten.

    Positions are read before, so that they can only have risen since. Raises UnavailableError.
    """
    trimmed = 0
    for epoch in log.epochs():
        for head in log.heads(epoch.number):
            chain = (head.epoch, head.partition, head.lane)
            floor = min(sink.get(chain, 0), lake.get(chain, 0))
            if floor > 0:
                trimmed += log.trim(*chain, floor)
    return trimmed
