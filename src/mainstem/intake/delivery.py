"""What is brought to the door, and what the door answers."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pyarrow as pa

from mainstem.eventlog import Head
from mainstem.model import Lane

__all__ = ["CANONICAL_JSON", "JSON", "Delivery", "Receipt", "Refusal", "Rows"]

JSON = "application/json"
CANONICAL_JSON = "application/json;canonical"
"""The content type of a payload that Mainstem serialised itself, from a source without bytes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """One body, as it came in. With `stream` every record in it is a bare payload of that stream; without, an envelope."""

    source: str
    body: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    idempotency_key: str | None = None
    stream: str | None = None
    lane: Lane = Lane.LIVE
    origin: str = "api"


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Payloads of one stream that are rows already (a file's lines, a table's rows): one chunk of a larger unit.

    `idempotency_key` names the unit, `first` the number in it of the chunk's first row: together they are what an
    Idempotency-Key and an index are over HTTP. `record_ids` (strings), when given, are the identities of the rows.
    `canonical` says that Mainstem serialised them, `readable` that they are JSON objects without white space around
    them for sure and need no look.
    """

    source: str
    stream: str
    payloads: pa.Array
    first: int
    idempotency_key: str
    record_ids: pa.Array | None = None
    canonical: bool = False
    readable: bool = False
    lane: Lane = Lane.BULK
    origin: str = "load"


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was not received. `index` is its number in the delivery; `reason` a bounded code."""

    index: int
    field: str | None
    reason: str
    hint: str


@dataclasses.dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a delivery: every record of it is accepted (durable) or refused, or it was a heartbeat (neither).

    `positions` are those of the group commit that holds the accepted records: a reader past all of them has seen them.
    """

    accepted: int
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    positions: tuple[Head, ...]
    delivery: str
    received_at: dt.datetime
