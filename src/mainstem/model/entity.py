"""What a canonical entity is: its kind, and its attributes with their types.

An *event* entity happened at an instant and is never changed; a *state* entity is the sum of its versions.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

__all__ = ["Attribute", "Entity", "EntityKind", "FieldType", "PiiClass"]


class FieldType(enum.StrEnum):
    """The types of contract fields and canonical attributes."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    OBJECT = "object"


class PiiClass(enum.StrEnum):
    """What a field says about a person; anything but NONE lies only in sealed parts."""

    NONE = "none"
    IDENTIFIER = "identifier"
    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    ADDRESS = "address"
    BIRTH_DATE = "birth_date"
    FREE_TEXT = "free_text"
    SENSITIVE = "sensitive"


class EntityKind(enum.StrEnum):
    """Whether records of an entity add up or replace each other."""

    EVENT = "event"
    STATE = "state"


@dataclasses.dataclass(frozen=True, slots=True)
class Attribute:
    """One canonical attribute. `reference` names the kind of reference it holds, if any: `customer`, `person`, the entity."""

    name: str
    type: FieldType
    description: str = ""
    required: bool = False
    reference: str | None = None
    column: str | None = None
    """Of an event: the part of the shape shared by all events that it is; the others lie in the event's properties."""
    allowed: tuple[str, ...] = ()
    """The canonical values, of a string; empty where every value may be."""
    money: bool = False
    """An amount of money, which is worth nothing without the entity's `currency`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entity:
    """A canonical entity and its attributes by name.

    Attributes not listed may be mapped to a state too, and are kept as they are; an event has those that are listed.
    """

    name: str
    kind: EntityKind
    attributes: Mapping[str, Attribute]
    description: str = ""

    @property
    def own(self) -> Attribute | None:
        """The attribute that says which of these a record speaks of; None where no source has an id for it."""
        return next((one for one in self.attributes.values() if one.reference == self.name), None)

    @property
    def of_customers(self) -> bool:
        """Whether one of these may belong to a customer."""
        return any(one.reference == "customer" for one in self.attributes.values())

    def in_column(self, column: str) -> Attribute | None:
        """The attribute that is a part of the events' shared shape; None where this entity has no such part."""
        return next((one for one in self.attributes.values() if one.column == column), None)
