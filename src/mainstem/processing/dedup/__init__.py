"""Deduplication of events: exact over the whole retention, with flat memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.processing.dedup.catalogue import (
        Days,
        Run,
        SegmentRow,
        Slots,
        Unit,
        insert_runs,
        read_runs,
        read_segments,
    )
    from mainstem.processing.dedup.keys import Keys, Mask, Space, keys_of
    from mainstem.processing.dedup.segment import Segment
    from mainstem.processing.dedup.settings import DedupSettings
    from mainstem.processing.dedup.state import DedupState, Verdict
    from mainstem.processing.dedup.store import LocalSegments, SegmentStore, sweep
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "catalogue": "Days Run SegmentRow Slots Unit insert_runs read_runs read_segments",
            "keys": "Keys Mask Space keys_of",
            "segment": "Segment",
            "settings": "DedupSettings",
            "state": "DedupState Verdict",
            "store": "LocalSegments SegmentStore sweep",
        },
    )

__all__ = [
    "Days",
    "DedupSettings",
    "DedupState",
    "Keys",
    "LocalSegments",
    "Mask",
    "Run",
    "Segment",
    "SegmentRow",
    "SegmentStore",
    "Slots",
    "Space",
    "Unit",
    "Verdict",
    "insert_runs",
    "keys_of",
    "read_runs",
    "read_segments",
    "sweep",
]
