"""Making the analytics database anew from the lake: the fold, its comparison, what is restored unchanged."""

from mainstem.processing.rebuild.compare import Content, Difference, differences, fold_content
from mainstem.processing.rebuild.declared import restore_declared
from mainstem.processing.rebuild.fold import REBUILD, Fold, FoldClock
from mainstem.processing.rebuild.observations import (
    ensure_same_partitions,
    freeze_observations,
    restore_observations,
)

__all__ = [
    "REBUILD",
    "Content",
    "Difference",
    "Fold",
    "FoldClock",
    "differences",
    "ensure_same_partitions",
    "fold_content",
    "freeze_observations",
    "restore_declared",
    "restore_observations",
]
