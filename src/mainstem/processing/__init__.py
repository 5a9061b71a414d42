"""Processing: records become effects, and one committer makes them true exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.processing.dedup import DedupSettings, LocalSegments, SegmentStore, sweep
    from mainstem.processing.drift.reader import (
        DriftEntry,
        DriftSelection,
        counted_renames,
        observed_drift,
        read_drift,
        told_drift,
    )
    from mainstem.processing.effects import (
        EVENT_EFFECTS,
        QUARANTINE_EFFECTS,
        REFERENCES,
        SEALED,
        STATE_EFFECTS,
        DecisionEffect,
        Effects,
        EventEffects,
        StateEffects,
    )
    from mainstem.processing.embedded import Contracts, EmbeddedEngine
    from mainstem.processing.engine import Engine
    from mainstem.processing.held_entities import EntityReader
    from mainstem.processing.ledger import Ledger, Line, Violation
    from mainstem.processing.orders import Order, Orders
    from mainstem.processing.originals import Original, read_originals
    from mainstem.processing.orphans import KnownParents, Parents
    from mainstem.processing.outcome import Failing, Outcome, Stretch
    from mainstem.processing.patching import merge_patch
    from mainstem.processing.quarantine import QuarantinedRecord, open_record, quarantine_id
    from mainstem.processing.quarantine_reader import (
        OPEN,
        Cause,
        QuarantineEntry,
        QuarantineSelection,
        Verb,
        count_entries,
        read_causes,
        read_entries,
        read_entry,
        read_history,
    )
    from mainstem.processing.refetched import FieldSample, Sample, compare_refetched, sample_keys
    from mainstem.processing.replay import Author, Quarantine, QuarantineParts
    from mainstem.processing.settings import ProcessingSettings
    from mainstem.processing.sink import Commit, DecisionApplier, Sink
    from mainstem.processing.sink_postgres import PostgresSink, SinkParts, lease_name
    from mainstem.processing.tables.drift import join_drift_days
    from mainstem.processing.tables.entities import Entities, entity_context
    from mainstem.processing.tables.gauges import start_gauges
    from mainstem.processing.tables.quality_counts import join_quality_days
    from mainstem.processing.tables.references import open_reference, reference_ids
    from mainstem.processing.tables.timeline_body import TimelineEvent, unpack_timeline
    from mainstem.processing.tables.timeline_reading import newest_events
    from mainstem.processing.tables.timeline_trimming import trim_timeline
    from mainstem.processing.worker import Worker, WorkerParts
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "dedup": "DedupSettings LocalSegments SegmentStore sweep",
            "effects": "EVENT_EFFECTS QUARANTINE_EFFECTS REFERENCES SEALED STATE_EFFECTS DecisionEffect Effects EventEffects StateEffects",
            "drift.reader": "DriftEntry DriftSelection counted_renames observed_drift read_drift told_drift",
            "embedded": "Contracts EmbeddedEngine",
            "engine": "Engine",
            "held_entities": "EntityReader",
            "ledger": "Ledger Line Violation",
            "patching": "merge_patch",
            "quarantine": "QuarantinedRecord open_record quarantine_id",
            "quarantine_reader": "OPEN Cause QuarantineEntry QuarantineSelection Verb count_entries read_causes read_entries read_entry read_history",
            "orphans": "KnownParents Parents",
            "orders": "Order Orders",
            "originals": "Original read_originals",
            "outcome": "Failing Outcome Stretch",
            "refetched": "FieldSample Sample compare_refetched sample_keys",
            "replay": "Author Quarantine QuarantineParts",
            "settings": "ProcessingSettings",
            "sink": "Commit DecisionApplier Sink",
            "sink_postgres": "PostgresSink SinkParts lease_name",
            "tables.drift": "join_drift_days",
            "tables.entities": "Entities entity_context",
            "tables.gauges": "start_gauges",
            "tables.quality_counts": "join_quality_days",
            "tables.references": "open_reference reference_ids",
            "tables.timeline_body": "TimelineEvent unpack_timeline",
            "tables.timeline_reading": "newest_events",
            "tables.timeline_trimming": "trim_timeline",
            "worker": "Worker WorkerParts",
        },
    )

__all__ = [
    "EVENT_EFFECTS",
    "OPEN",
    "QUARANTINE_EFFECTS",
    "REFERENCES",
    "SEALED",
    "STATE_EFFECTS",
    "Author",
    "Cause",
    "Commit",
    "Contracts",
    "DecisionApplier",
    "DecisionEffect",
    "DedupSettings",
    "DriftEntry",
    "DriftSelection",
    "Effects",
    "EmbeddedEngine",
    "Engine",
    "Entities",
    "EntityReader",
    "EventEffects",
    "Failing",
    "FieldSample",
    "KnownParents",
    "Ledger",
    "Line",
    "LocalSegments",
    "Order",
    "Orders",
    "Original",
    "Outcome",
    "Parents",
    "PostgresSink",
    "ProcessingSettings",
    "Quarantine",
    "QuarantineEntry",
    "QuarantineParts",
    "QuarantineSelection",
    "QuarantinedRecord",
    "Sample",
    "SegmentStore",
    "Sink",
    "SinkParts",
    "StateEffects",
    "Stretch",
    "TimelineEvent",
    "Verb",
    "Violation",
    "Worker",
    "WorkerParts",
    "compare_refetched",
    "count_entries",
    "counted_renames",
    "entity_context",
    "join_drift_days",
    "join_quality_days",
    "lease_name",
    "merge_patch",
    "newest_events",
    "observed_drift",
    "open_record",
    "open_reference",
    "quarantine_id",
    "read_causes",
    "read_drift",
    "read_entries",
    "read_entry",
    "read_history",
    "read_originals",
    "reference_ids",
    "sample_keys",
    "start_gauges",
    "sweep",
    "told_drift",
    "trim_timeline",
    "unpack_timeline",
]
