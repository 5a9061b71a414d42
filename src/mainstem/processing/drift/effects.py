"""What the engine tells the sink of drift: counts of records, which fields were there, and findings.

Counts and presence are sums over records, the same however a log is cut into spans. A finding is what was noticed first, with
its evidence: it is an observation, and kept as it was told.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mainstem.contracts import DriftKind

__all__ = ["DISCARDED", "DRIFT_COUNTS", "EXPECTED", "MOST_PATHS", "NO_NAME", "PRESENCE", "DriftEffects", "Finding"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")

NO_NAME = "*"
"""The path of keys that are counted together: they do not look like names, or there are too many of them."""

MOST_PATHS = 200
"""Undeclared keys of one contract version that are counted by name, in a partition."""

EXPECTED = 20
"""A field that is met now and then is missing when so many were expected and none came: chance is e to the minus that."""

_STREAM = (
    pa.field("source", pa.string(), nullable=False),
    pa.field("stream", pa.string(), nullable=False),
    pa.field("contract_version", pa.int32(), nullable=False),
)

DRIFT_COUNTS = pa.schema(
    [
        *_STREAM,
        pa.field("kind", pa.string(), nullable=False),
        # A field's name; of a new one the key.
        pa.field("path", pa.string(), nullable=False),
        # The received day, and the copies received on it that were so, repeats included. Of `NO_NAME` each key counts, so
        # that the sum is the same whichever keys have a name by then.
        pa.field("day", pa.date32(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        # Those of them that were discarded for it.
        pa.field("discarded", pa.int64(), nullable=False),
        pa.field("first_at", _TIMESTAMP, nullable=False),
        pa.field("last_at", _TIMESTAMP, nullable=False),
    ]
)

PRESENCE = pa.schema(
    [
        *_STREAM,
        # '' stands for the stream, and `records` for those that go on and could have every field. Of a field `records` are
        # those looked at: they have to go on, or be without it.
        pa.field("field", pa.string(), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
        # Of a field: copies without it; those of them that go no further for it; and how many of the latest in a row.
        pa.field("absent", pa.int64(), nullable=False),
        pa.field("refused", pa.int64(), nullable=False),
        pa.field("run", pa.int64(), nullable=False),
        # Whether the contract is for any source: which of its optional fields one has nobody can tell.
        pa.field("shared", pa.bool_(), nullable=False),
        pa.field("last_at", _TIMESTAMP, nullable=False),
    ]
)

DISCARDED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("received_at", _TIMESTAMP, nullable=False),
    ]
)
"""A row for each record that a contract's policy discards."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed first: one of these for (source, stream, contract version, kind, path, observed)."""

    source: str
    stream: str
    contract_version: int
    kind: DriftKind
    path: str
    """A field's name; of a new field and a rename the key, with dots before those of objects inside."""
    observed: str
    """Of a change of type the JSON type, of a grown enumeration the value where it is no personal data, of a rename the
    field that went; else ''."""
    at: dt.datetime
    """When the first record that showed it was received."""
    types: tuple[str, ...] = ()
    """JSON types that were seen."""
    evidence: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """JSON values; never a value of a record."""


@dataclasses.dataclass(frozen=True, slots=True)
class DriftEffects:
    """Of one span: in `DRIFT_COUNTS` and `PRESENCE` columns, and findings, perhaps known ones among them."""

    counts: pa.Table = dataclasses.field(default_factory=DRIFT_COUNTS.empty_table)
    presence: pa.Table = dataclasses.field(default_factory=PRESENCE.empty_table)
    findings: tuple[Finding, ...] = ()
