"""The nouns every room shares. Pure data: nothing here reads, writes or takes the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.model.entities import CURRENCY, ENTITIES
    from mainstem.model.entity import Attribute, Entity, EntityKind, FieldType, PiiClass
    from mainstem.model.held_load import HeldLoad
    from mainstem.model.ids import (
        CORRECTIONS_STREAM,
        DECISIONS_STREAM,
        MAINSTEM_SOURCE,
        NAME_PATTERN,
        OBSERVED_STREAMS,
        SCORES_STREAM,
        SHARDS,
        SLOTS,
        TURNS_STREAM,
        check_partitions,
        is_name,
    )
    from mainstem.model.record import ENVELOPE, Lane, LogBatch, Op, Place, Span
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "entities": "CURRENCY ENTITIES",
            "entity": "Attribute Entity EntityKind FieldType PiiClass",
            "held_load": "HeldLoad",
            "ids": "CORRECTIONS_STREAM DECISIONS_STREAM MAINSTEM_SOURCE NAME_PATTERN OBSERVED_STREAMS SCORES_STREAM SHARDS "
            "SLOTS TURNS_STREAM check_partitions is_name",
            "record": "ENVELOPE Lane LogBatch Op Place Span",
        },
    )

__all__ = [
    "CORRECTIONS_STREAM",
    "CURRENCY",
    "DECISIONS_STREAM",
    "ENTITIES",
    "ENVELOPE",
    "MAINSTEM_SOURCE",
    "NAME_PATTERN",
    "OBSERVED_STREAMS",
    "SCORES_STREAM",
    "SHARDS",
    "SLOTS",
    "TURNS_STREAM",
    "Attribute",
    "Entity",
    "EntityKind",
    "FieldType",
    "HeldLoad",
    "Lane",
    "LogBatch",
    "Op",
    "PiiClass",
    "Place",
    "Span",
    "check_partitions",
    "is_name",
]
