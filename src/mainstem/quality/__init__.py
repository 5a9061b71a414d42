"""The quality of what was received: counted where records are checked, scored when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.quality.counts import StreamCounts, joined
    from mainstem.quality.tally import BatchCounts, Tally
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "counts": "StreamCounts joined",
            "tally": "BatchCounts Tally",
        },
    )

__all__ = ["BatchCounts", "StreamCounts", "Tally", "joined"]
