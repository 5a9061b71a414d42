"""The record: an immutable envelope around the bytes a source sent.

Records travel in columns. `ENVELOPE` is the one schema between door, log, engine and lake; a `LogBatch` is what the log
gives back: the same columns, and the place that the append decided.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum

import pyarrow as pa

__all__ = ["ENVELOPE", "Lane", "LogBatch", "Op", "Place", "Span"]


class Lane(enum.IntEnum):
    """Live overtakes bulk; bulk always gets its share."""

    LIVE = 0
    BULK = 1

    @property
    def label(self) -> str:
        """The lower-case name, as files, labels and answers use it."""
        return self.name.lower()


class Op(enum.StrEnum):
    """What a record says: something happened, or an entity is (all of it, a part of it, gone)."""

    EVENT = "event"
    UPSERT = "upsert"
    PATCH = "patch"
    DELETE = "delete"


_TIMESTAMP = pa.timestamp("us", tz="UTC")

ENVELOPE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        # The version active when the door stamped the record; 0: no contract was.
        pa.field("contract_version", pa.int32(), nullable=False),
        # The source's event id, or what stands for it; null: none, and the contract says what a repeat is.
        pa.field("record_id", pa.string()),
        # The entity's primary key at the source; null for events.
        pa.field("key", pa.string()),
        # Null: not found; the record goes to quarantine and its slot follows from its delivery.
        pa.field("partition_key", pa.string()),
        pa.field("slot", pa.uint16(), nullable=False),
        pa.field("op", pa.string(), nullable=False),
        pa.field("occurred_at", _TIMESTAMP),
        pa.field("observed_at", _TIMESTAMP, nullable=False),
        # Which way it came: api, load, webhook, connector, decision, demo.
        pa.field("origin", pa.string(), nullable=False),
        pa.field("delivery", pa.string(), nullable=False),
        pa.field("delivery_index", pa.uint32(), nullable=False),
        # application/json, or application/json;canonical when Mainstem serialised a source without bytes.
        pa.field("content_type", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)
"""What the door hands to the log, a row a record. `received_at` and the place belong to the log's row, not to it."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Span:
    """Positions `first` to `last` of one lane of one partition, both included."""

    epoch: int
    partition: int
    lane: Lane
    first: int
    last: int

    def place(self, position: int, index: int) -> Place:
        """Where one of its records lies."""
        return Place(self.epoch, self.partition, self.lane, position, index)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a record lies: unique for ever. A position holds one batch; `index` is the record's row in it."""

    epoch: int
    partition: int
    lane: Lane
    position: int
    index: int

    def __str__(self) -> str:
        return f"{self.epoch}-p{self.partition}-{self.lane.label}-{self.position}-{self.index}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The inverse of `str`. Raises ValueError."""
        try:
            epoch, partition, lane, position, index = text.split("-")
            return cls(int(epoch), int(partition[1:]), Lane[lane.upper()], int(position), int(index))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{text!r} is no place; one looks like 1-p0-live-17-3") from error


@dataclasses.dataclass(frozen=True, slots=True)
class LogBatch:
    """One position of the log: records appended together, in `ENVELOPE` columns, and when they were received."""

    epoch: int
    partition: int
    lane: Lane
    position: int
    received_at: dt.datetime
    records: pa.RecordBatch

    def place(self, index: int) -> Place:
        """The place of the record in row `index`."""
        return Place(self.epoch, self.partition, self.lane, self.position, index)
