"""The canonical entities: what every source's streams are mapped to.

An *event* entity happened at an instant and is never changed; a *state* entity is the sum of its versions.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ENTITIES", "Attribute", "Entity", "EntityKind", "FieldType", "PiiClass"]


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
    """One canonical attribute. `reference` names the kind of reference it holds (`customer`, `person`), if any."""

    name: str
    type: FieldType
    required: bool = False
    reference: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Entity:
    """A canonical entity and its attributes by name. Attributes not listed may be mapped too and are kept as they are."""

    name: str
    kind: EntityKind
    attributes: Mapping[str, Attribute]


def _entity(name: str, kind: EntityKind, *attributes: Attribute) -> Entity:
    return Entity(name, kind, MappingProxyType({a.name: a for a in attributes}))


_S, _N, _T, _O = FieldType.STRING, FieldType.NUMBER, FieldType.TIMESTAMP, FieldType.OBJECT
_CUSTOMER = Attribute("customer_id", _S, required=True, reference="customer")
_PERSON = Attribute("person_id", _S, reference="person")

ENTITIES: Mapping[str, Entity] = MappingProxyType(
    {
        entity.name: entity
        for entity in (
            _entity(
                "customer",
                EntityKind.STATE,
                _CUSTOMER,
                Attribute("name", _S),
                Attribute("segment", _S),
                Attribute("plan", _S),
                Attribute("region", _S),
                Attribute("started_at", _T),
                Attribute("churned_at", _T),
            ),
            _entity(
                "person",
                EntityKind.STATE,
                Attribute("person_id", _S, required=True, reference="person"),
                Attribute("customer_id", _S, reference="customer"),
                Attribute("name", _S),
                Attribute("email", _S),
                Attribute("role", _S),
            ),
            _entity(
                "usage_event",
                EntityKind.EVENT,
                _CUSTOMER,
                _PERSON,
                Attribute("event", _S, required=True),
                Attribute("occurred_at", _T, required=True),
                Attribute("object", _S),
                Attribute("quantity", _N),
                Attribute("properties", _O),
            ),
            _entity(
                "milestone",
                EntityKind.EVENT,
                _CUSTOMER,
                _PERSON,
                Attribute("event", _S, required=True),
                Attribute("occurred_at", _T, required=True),
                Attribute("object", _S),
                Attribute("quantity", _N),
                Attribute("properties", _O),
            ),
        )
    }
)
"""By name. Later entities (ticket, opportunity, subscription …) join here; the event shape is shared on purpose."""
