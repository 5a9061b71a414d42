"""Whether what was received by a moment is in effect."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from mainstem.model import Lane

if TYPE_CHECKING:
    from mainstem.runtime.wiring import Runtime

__all__ = ["all_in_effect"]

# What was stamped before may wait for its commit.
_COMMITTED = dt.timedelta(seconds=10)


def all_in_effect(runtime: Runtime, until: dt.datetime) -> bool:
    """Whether whatever was received before is in effect. Raises UnavailableError."""
    if runtime.clock.wall() < until + _COMMITTED:
        return False
    reached = runtime.sink_positions()
    for epoch in runtime.log.epochs():
        for partition in range(epoch.partitions):
            for lane in Lane:
                after = reached.get((epoch.number, partition, lane), 0)
                oldest = runtime.log.oldest(epoch.number, partition, lane, after)
                if oldest is not None and oldest < until:
                    return False
    return True
