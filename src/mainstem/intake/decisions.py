"""Decisions: what people and Mainstem decided about data, kept as records like any other.

A decision is a record of `mainstem.decisions`: it goes through the log into the lake, its order among the records of
its partition is its place, and a rebuild meets it again where it was. One about a record goes to the slot of the record
as corrected, and carries everything needed to apply it there, because what it corrects may have come another way.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TypeAlias

import msgspec
import pyarrow as pa

from mainstem.clock import Clock
from mainstem.eventlog import Head
from mainstem.intake._columns import Segment
from mainstem.intake._reading import TIMESTAMP
from mainstem.intake.delivery import CANONICAL_JSON
from mainstem.intake.door import Door
from mainstem.model import DECISIONS_STREAM, MAINSTEM_SOURCE, Lane, Place
from mainstem.privacy import References, normalise

__all__ = [
    "ContractActivated",
    "CorrectedRecord",
    "Decision",
    "Decisions",
    "DeclarationActivated",
    "QuarantineDismissed",
    "QuarantineFixed",
    "WaitEnded",
    "decode_decision",
    "encode_decision",
]


_MOST_LIVE = 100


class CorrectedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it should have been: its envelope and payload (a JSON object); `received_at` is the original's.

    It is checked by `contract_version`, so that a rebuild checks it alike; 0: by the one in force when it is applied.
    """

    source: str
    stream: str
    op: str
    payload: msgspec.Raw
    received_at: dt.datetime
    observed_at: dt.datetime
    contract_version: int = 0
    record_id: str | None = None
    key: str | None = None
    partition_key: str | None = None
    occurred_at: dt.datetime | None = None


class ContractActivated(msgspec.Struct, frozen=True, kw_only=True, tag_field="decision", tag="contract_activated"):
    """A contract came into force, with its full text."""

    source: str
    stream: str
    version: int
    fingerprint: str
    text: str
    by: str = ""


class DeclarationActivated(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="decision", tag="declaration_activated"
):
    """A metric, a health model or an agreement (`kind`) came into force, with its full text."""

    kind: str
    name: str
    version: int
    text: str
    since: dt.datetime | None = None
    """Of a metric: records received from then on count; None: all."""
    by: str = ""


class QuarantineFixed(msgspec.Struct, frozen=True, kw_only=True, tag_field="decision", tag="quarantine_fixed"):
    """The quarantined record at `place` takes effect as corrected, under its own received day."""

    place: str
    record: CorrectedRecord
    by: str = ""
    reason: str = ""
    unchanged: bool = False
    """The payload is the original's: it is the contract that has changed, or somebody released the record."""
    held: bool = False
    """It was held: that is the state it leaves."""
    released: tuple[str, ...] = ()
    """The checks, by rule or limit, that do not hold the record any more, because somebody says that it is right."""


class QuarantineDismissed(msgspec.Struct, frozen=True, kw_only=True, tag_field="decision", tag="quarantine_dismissed"):
    """The quarantined record at `place` is discarded. `slot`, `source`, `stream` and `received_at` are the record's."""

    place: str
    slot: int
    source: str
    stream: str
    received_at: dt.datetime
    reason: str
    by: str = ""
    held: bool | None = None
    """It was held: that is the state it leaves. None: decided before this was said."""


class WaitEnded(msgspec.Struct, frozen=True, kw_only=True, tag_field="decision", tag="wait_ended"):
    """The held record at `place` waited long enough for what it refers to: it is quarantined. The rest is the record's."""

    place: str
    slot: int
    source: str
    stream: str
    received_at: dt.datetime
    reason: str
    by: str = ""


Decision: TypeAlias = ContractActivated | DeclarationActivated | QuarantineFixed | QuarantineDismissed | WaitEnded
"""Every kind of decision; later ones (links, erasures, inferred deletes) join here."""

_decoder: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)
# Sorted keys and no white space: equal decisions are equal bytes.
_encoder = msgspec.json.Encoder(order="sorted")


def encode_decision(decision: Decision) -> bytes:
    """The payload of a decision: canonical JSON."""
    return _encoder.encode(decision)


def decode_decision(payload: bytes) -> Decision:
    """The inverse of `encode_decision`. Raises msgspec.DecodeError for what is no decision this release knows."""
    return _decoder.decode(payload)


class Decisions:
    """Writes decisions into the log, through the door."""

    def __init__(self, door: Door, references: References, clock: Clock) -> None:
        self._door = door
        self._references = references
        self._clock = clock

    def decide(self, *decisions: Decision) -> tuple[Head, ...]:
        """Make decisions durable together; their slots' owners apply them. The positions of the commit that holds them.

        Many go through the bulk lane, so that live records do not wait behind them.

        The same decision made twice has one `record_id`. Raises ValueError for a place that is none and for a
        correction without a partition key, StorageFullError or UnavailableError when none was made.
        """
        payloads = [encode_decision(decision) for decision in decisions]
        identities = [hashlib.sha256(payload).hexdigest()[:32] for payload in payloads]
        together = hashlib.sha256("".join(identities).encode()).hexdigest()[:32]
        now = self._clock.wall()
        at = pa.array([now] * len(decisions), TIMESTAMP)
        segment = Segment(
            source=MAINSTEM_SOURCE,
            stream=DECISIONS_STREAM,
            contract_version=0,
            origin="decision",
            delivery=f"decision-{identities[0] if len(identities) == 1 else together}",
            content_type=CANONICAL_JSON,
            received_at=now,
            index=range(len(decisions)),
            payload=payloads,
            op="event",
            record_id=identities,
            occurred_at=at,
            observed_at=at,
            slot=[self._slot(decision) for decision in decisions],
        )
        return self._door.append(segment, Lane.LIVE if len(decisions) <= _MOST_LIVE else Lane.BULK)

    def _slot(self, decision: Decision) -> int:
        """One about a record lies where the record, as corrected, belongs; others order among themselves in slot 0."""
        match decision:
            case QuarantineFixed(place=place, record=record):
                Place.parse(place)
                key = None if record.partition_key is None else normalise("customer", record.partition_key)
                if not key:
                    raise ValueError("A corrected record needs a partition key.")
                return self._references.slot(record.source, record.stream, key)
            case QuarantineDismissed(place=place, slot=slot) | WaitEnded(place=place, slot=slot):
                Place.parse(place)
                return slot
            case _:
                return 0
