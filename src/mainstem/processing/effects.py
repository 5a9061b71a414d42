"""Effects: what the engine makes of records, and the sink makes true.

An engine, whichever it is, turns the records of one span of one lane into effects, row by row; it keeps nothing. The sink
alone decides which of them are repeats, merges the others and writes the position, in one transaction.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import Contract
from mainstem.intake import Decision
from mainstem.model import Span
from mainstem.processing.drift.effects import DISCARDED, DriftEffects
from mainstem.processing.orphans import ORPHANS
from mainstem.quality import StreamCounts

__all__ = [
    "EVENT_EFFECTS",
    "QUARANTINE_EFFECTS",
    "REFERENCES",
    "REMEDY_EFFECTS",
    "SEALED",
    "STATE_EFFECTS",
    "WARNING_EFFECTS",
    "DecisionEffect",
    "Effects",
    "EventEffects",
    "StateEffects",
]

_HASH = pa.binary(16)
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_PLACE = (
    pa.field("position", pa.int64(), nullable=False),
    pa.field("index", pa.uint32(), nullable=False),
    pa.field("received_at", _TIMESTAMP, nullable=False),
    pa.field("slot", pa.uint16(), nullable=False),
)

EVENT_EFFECTS = pa.schema(
    [
        *_PLACE,
        # Keyed hash of the record's identity within (source, stream, slot); null where every receipt counts.
        pa.field("record_hash", _HASH),
        pa.field("occurred_at", _TIMESTAMP, nullable=False),
        pa.field("customer", _HASH, nullable=False),
        pa.field("person", _HASH),
        pa.field("event", pa.string(), nullable=False),
        # Where its field has a PII class: a pseudonym (hexadecimal reference), so that different ones still differ.
        pa.field("object", pa.string()),
        pa.field("quantity", pa.decimal128(38, 9)),
        # The mapped `properties` object as JSON text; null where nothing without a PII class is mapped to it.
        pa.field("properties", pa.string()),
        # The attributes that an `impute` remedy made up; null where there is none.
        pa.field("imputed", pa.list_(pa.string())),
    ]
)

STATE_EFFECTS = pa.schema(
    [
        *_PLACE,
        pa.field("ref", _HASH, nullable=False),
        pa.field("customer", _HASH),
        pa.field("op", pa.string(), nullable=False),
        # The vendor's version made comparable as text; '' when it has none.
        pa.field("version", pa.string(), nullable=False),
        pa.field("observed_at", _TIMESTAMP, nullable=False),
        # Over the canonical mapped content, what it was remedied from, and the op, not over times.
        pa.field("content_hash", _HASH, nullable=False),
        # Mapped attributes as JSON objects: without personal data, and the personal ones (null when none), still clear:
        # the sink seals them. Without null values, but in a patch, where null takes an attribute away. A delete has
        # neither attributes nor a customer.
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("personal", pa.string()),
        # Of the attributes that a remedy changed or marked, as JSON objects in the same two parts: the value as it was
        # (`from`), the remedies (`by`), and when it was observed (`at`); null where there is none.
        pa.field("remedied", pa.string()),
        pa.field("remedied_personal", pa.string()),
    ]
)

QUARANTINE_EFFECTS = pa.schema(
    [
        *_PLACE,
        pa.field("source", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("contract_version", pa.int32(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("field", pa.string()),
        # What is wrong and what to do; never a value of the record.
        pa.field("message", pa.string(), nullable=False),
        # The rule that is broken, or the limit (`<field>.<word>`); of several that hold a record the first.
        pa.field("rule", pa.string()),
        # The checks that hold the record; empty where it is quarantined.
        pa.field("held_by", pa.list_(pa.string()), nullable=False),
        # The load, where it is held as a whole.
        pa.field("load", _HASH),
        # Whose record it is, where its partition key is the customer's.
        pa.field("customer", _HASH),
    ]
)

WARNING_EFFECTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        # A rule, or a limit (`<field>.<word>`), that lets records through, and the field it stands at.
        pa.field("rule", pa.string(), nullable=False),
        pa.field("field", pa.string()),
        # The received day, and how many copies that were received on it failed.
        pa.field("day", pa.date32(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
    ]
)

REMEDY_EFFECTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("remedy", pa.string(), nullable=False),
        # The received day, and of how many copies that were received on it and take effect it changed or marked a value.
        pa.field("day", pa.date32(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
    ]
)

REFERENCES = pa.schema(
    [
        pa.field("ref", _HASH, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        # As the source wrote it, clear: the sink seals it.
        pa.field("value", pa.string(), nullable=False),
    ]
)

SEALED = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("index", pa.uint32(), nullable=False),
        pa.field("sealed", pa.binary(), nullable=False),
    ]
)


@dataclasses.dataclass(frozen=True, slots=True)
class EventEffects:
    """Good events of one contract, in `EVENT_EFFECTS` columns, in place order."""

    contract: Contract
    source: str
    """The real source; the contract's may be `ANY_SOURCE`."""
    rows: pa.Table


@dataclasses.dataclass(frozen=True, slots=True)
class StateEffects:
    """Good versions of one contract's entity, in `STATE_EFFECTS` columns, in place order."""

    contract: Contract
    source: str
    rows: pa.Table


@dataclasses.dataclass(frozen=True, slots=True)
class DecisionEffect:
    """One record of `mainstem.decisions` at (position, index)."""

    position: int
    index: int
    received_at: dt.datetime
    record_hash: bytes | None
    decision: Decision
    good: bool = False
    """Of a correction: it passes its contract, and a row of `Effects.corrected` at this place is what it comes to."""


@dataclasses.dataclass(frozen=True, slots=True)
class Effects:
    """All effects of one span: every record of it is in exactly one of events, states, decisions, quarantined, discarded.

    `quarantined` has the held ones too: `set_aside` tells them apart.
    """

    span: Span
    events: tuple[EventEffects, ...]
    states: tuple[StateEffects, ...]
    decisions: tuple[DecisionEffect, ...]
    corrected: tuple[EventEffects | StateEffects, ...]
    """What good corrections come to, at the places of their decisions but under the originals' `received_at`."""
    quarantined: pa.Table
    """In `QUARANTINE_EFFECTS` columns."""
    sealed: pa.Table
    """In `SEALED` columns: envelope and payload of the quarantined records, a row for each, in the same order."""
    references: pa.Table
    """In `REFERENCES` columns: every customer and person met in the span, once."""
    received_at: dt.datetime
    """When the last batch of the span was received."""
    records: int
    """Records of the span, counted from the log's batches and not from the parts."""
    warnings: pa.Table = dataclasses.field(default_factory=WARNING_EFFECTS.empty_table)
    """In `WARNING_EFFECTS` columns."""
    remedies: pa.Table = dataclasses.field(default_factory=REMEDY_EFFECTS.empty_table)
    """In `REMEDY_EFFECTS` columns."""
    quality: tuple[StreamCounts, ...] = ()
    """What the checks say of the span's copies; a key may come more than once."""
    discarded: pa.Table = dataclasses.field(default_factory=DISCARDED.empty_table)
    """In `drift.effects.DISCARDED` columns: records that a contract's policy discards."""
    drift: DriftEffects = dataclasses.field(default_factory=DriftEffects)
    orphans: pa.Table = dataclasses.field(default_factory=ORPHANS.empty_table)
    """In `orphans.ORPHANS` columns: what held records of the span wait for."""

    def set_aside(self, term: Literal["quarantined", "held"]) -> pa.Table:
        """The rows of `quarantined` that are in this state."""
        holding = pc.greater(pc.list_value_length(self.quarantined["held_by"]), 0)
        return self.quarantined.filter(holding if term == "held" else pc.invert(holding))
