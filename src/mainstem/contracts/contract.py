"""The contract of a stream, as the rest of Mainstem sees it: read, checked and frozen.

The text of a contract is an Open Data Contract Standard 3.x file; `contracts.reader` turns it into a `Contract`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from decimal import Decimal

from mainstem.contracts.policy import Policies
from mainstem.contracts.remedy import Remedy
from mainstem.model import EntityKind, FieldType, PiiClass

__all__ = [
    "ACTIVE",
    "ANY_SOURCE",
    "MOST_FORMER_PATHS",
    "ROW_COUNT",
    "Constant",
    "Contract",
    "ContractField",
    "EntityMapping",
    "Limit",
    "Parent",
    "Repeat",
    "Rule",
    "Severity",
    "SourceForm",
    "Volume",
]

ACTIVE = "active"
"""The status, in the standard's words, of a contract that is meant to be in force."""

ANY_SOURCE = "*"
"""The source of a built-in contract that holds for every source without one of its own."""

MOST_FORMER_PATHS = 8
"""Of one field."""


ROW_COUNT = "rowCount"
"""The standard's metric for the number of records, and the check by which a load is held as a whole."""


class Repeat(enum.StrEnum):
    """What makes two received records of an event stream the same event (DESIGN: Repeats)."""

    ID = "id"
    BODY = "body"
    OCCURRENCE = "occurrence"
    NONE = "none"


class Severity(enum.StrEnum):
    """What becomes of a record that fails a limit or a rule."""

    QUARANTINE = "quarantine"
    HOLD = "hold"
    """It is held: it may be right, and a person says so before it takes effect."""
    WARN = "warn"
    """It takes effect all the same, and is counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a field's value: a word of the standard's `logicalTypeOptions`, and its value as text."""

    word: str
    value: str
    severity: Severity = Severity.QUARANTINE


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A condition that a record must not make false, by a name that no other rule of the stream has.

    `field` is the one it stands at, None where it stands at the stream. `uses` are the fields that it names.
    """

    name: str
    expression: str
    severity: Severity
    field: str | None
    uses: frozenset[str]
    description: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """How many records a load is to have: so many, and such a share of the median of the latest `loads` of them."""

    least: int | None
    most: int | None
    share_least: Decimal | None = None
    share_most: Decimal | None = None
    loads: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class SourceForm:
    """How the source writes a field's values; applied in this order."""

    missing: tuple[str, ...] = ()
    """Texts that stand for no value."""
    codes: tuple[tuple[str, str], ...] = ()
    """What texts mean: each with the value it stands for, as text."""
    default: str | None = None
    """The value, as text, of a record that has none."""
    time_format: str | None = None
    """The only form of time that is read, as a pattern of the JDK's DateTimeFormatter."""
    zone: str | None = None
    """The time zone of times without an offset; UTC when None."""
    factor: Decimal | None = None
    """What a number is multiplied by."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parent:
    """What a field's value is to be the key of: an entity of the same source's `stream`, whose primary key is `field`.

    A record whose parent is not known is held for `wait` after it was received, and then quarantined.
    """

    stream: str
    field: str
    wait: dt.timedelta


@dataclasses.dataclass(frozen=True, slots=True)
class ContractField:
    """One declared field. `path` leads to it in the payload, a step an object key; where nothing lies there, `former` do."""

    name: str
    type: FieldType
    path: tuple[str, ...]
    required: bool = False
    allowed: tuple[str, ...] = ()
    pii: PiiClass = PiiClass.NONE
    description: str = ""
    array: bool = False
    """Of an OBJECT: the value is a JSON array, not an object."""
    limits: tuple[Limit, ...] = ()
    unique: bool = False
    """Of a stream of states: no two entities are to have the same value. It is watched over what is held, and only warns."""
    completeness: Decimal | None = None
    """The share of a day's records that are to have a value; None: nothing of its own."""
    policies: Policies = dataclasses.field(default_factory=Policies)
    """What is done where records are not so: the field's own word, else the stream's."""
    form: SourceForm = SourceForm()
    former: tuple[tuple[str, ...], ...] = ()
    """Paths on which the source used to say it, the latest first."""
    parent: Parent | None = None
    """What it refers to, where a record has to wait for that."""
    remedies: tuple[Remedy, ...] = ()
    """What is done to the value before it is checked, in this order."""

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """All paths, in the order in which they are tried: the first that leads to a value gives it."""
        return (self.path, *self.former)

    @property
    def foreign_key(self) -> str:
        """The check that a record's parent is known, by the name under which it holds the record."""
        return f"{self.name}.foreignKey"


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """A mapped attribute that has the same value in every record."""

    value: str


@dataclasses.dataclass(frozen=True, slots=True)
class EntityMapping:
    """Which canonical entity a record becomes: attribute name to field name or constant."""

    entity: str
    attributes: Mapping[str, str | Constant]


@dataclasses.dataclass(frozen=True, slots=True)
class Contract:
    """A stream's contract. Field names below refer to `fields`.

    `version` is Mainstem's own number: it rises with every text activated for (source, stream) and passes those of
    `ANY_SOURCE` for the stream, so that it names one text whichever was in force; 0 for a text not yet activated.
    `fingerprint` is the SHA-256 of `text` in hexadecimal.
    """

    source: str
    stream: str
    version: int
    kind: EntityKind
    fields: Mapping[str, ContractField]
    partition_key: str
    mapping: EntityMapping
    text: str
    fingerprint: str
    key: tuple[str, ...] = ()
    record_id: str | None = None
    occurred_at: str | None = None
    entity_version: str | None = None
    """The field whose rising value orders versions of an entity at its source (a vendor's updated-at or counter)."""
    deleted: str | None = None
    """A boolean field that marks a record of a state stream as a tombstone."""
    repeat: Repeat = Repeat.ID
    occurred_at_immutable: bool = True
    grace: dt.timedelta = dt.timedelta(hours=1)
    freshness: dt.timedelta | None = None
    oldest: dt.timedelta = dt.timedelta(days=365 * 20)
    """An event further back from data time than this is quarantined as a clock gone wrong."""
    ahead: dt.timedelta = dt.timedelta(minutes=10)
    """An event further ahead of data time than this is quarantined as a clock gone wrong."""
    rules: tuple[Rule, ...] = ()
    volume: Volume | None = None
    """What a load that is out of it is held for, as a whole; None: loads are not judged."""
    policies: Policies = dataclasses.field(default_factory=Policies)
    """The stream's words; those of a declared field are in `ContractField.policies`."""
    status: str = ACTIVE
    """The standard's word for how far the text is. Without effect: what is activated is in force."""
    owners: tuple[str, ...] = ()
    """Who is to be asked about records that do not fit."""
