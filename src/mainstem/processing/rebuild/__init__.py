"""Making the analytics database anew from the lake: the fold, its comparison, what is restored unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.processing.rebuild.compare import Content, Difference, differences, fold_content
    from mainstem.processing.rebuild.crossing import crossing_streams
    from mainstem.processing.rebuild.declared import restore_declared
    from mainstem.processing.rebuild.exported import export_observations, restore_exported
    from mainstem.processing.rebuild.fold import REBUILD, SPAN, Fold, FoldClock
    from mainstem.processing.rebuild.observations import (
        ensure_same_partitions,
        freeze_observations,
        restore_first_known,
        restore_observations,
    )
    from mainstem.processing.rebuild.turns import keep_exported_turns, restore_turns
    from mainstem.processing.rebuild.waits import RecordedWaits, RefoundWaits
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "compare": "Content Difference differences fold_content",
            "crossing": "crossing_streams",
            "declared": "restore_declared",
            "exported": "export_observations restore_exported",
            "fold": "REBUILD SPAN Fold FoldClock",
            "observations": "ensure_same_partitions freeze_observations restore_first_known restore_observations",
            "turns": "keep_exported_turns restore_turns",
            "waits": "RecordedWaits RefoundWaits",
        },
    )

__all__ = [
    "REBUILD",
    "SPAN",
    "Content",
    "Difference",
    "Fold",
    "FoldClock",
    "RecordedWaits",
    "RefoundWaits",
    "crossing_streams",
    "differences",
    "ensure_same_partitions",
    "export_observations",
    "fold_content",
    "freeze_observations",
    "keep_exported_turns",
    "restore_declared",
    "restore_exported",
    "restore_first_known",
    "restore_observations",
    "restore_turns",
]
