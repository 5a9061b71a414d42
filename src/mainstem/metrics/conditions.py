"""Which records a declaration means: the names that may be spoken of, and SQL over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import duckdb

from mainstem.contracts import Column, Expression, Kind, compile_condition
from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.model import ENTITIES, Attribute, EntityKind, FieldType

__all__ = ["Measuring", "Spoken", "attributes_used", "entities_of", "read_condition", "spoken_of"]

_KINDS = {
    FieldType.STRING: Kind.TEXT,
    FieldType.INTEGER: Kind.NUMBER,
    FieldType.NUMBER: Kind.NUMBER,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.TIMESTAMP: Kind.TIMESTAMP,
    FieldType.DATE: Kind.DATE,
    FieldType.OBJECT: Kind.OBJECT,
}
_EVENT_ROW = (
    "SELECT NULL::BLOB AS customer, NULL::BLOB AS person, 'text' AS event, 'text' AS object, "
    "1::DECIMAL(38, 9) AS quantity, '2026-01-01 00:00:00+00'::TIMESTAMPTZ AS occurred_at, '{}' AS properties"
)
_STATE_ROW = "SELECT NULL::BLOB AS customer, '{}' AS attributes"
# A state's attribute is of its type unless a contract of old said otherwise; what is not is no value.
_IN_STATE = {
    Kind.TEXT: ("json_extract_string({0}, '$.{1}')", "({0} ->> '{1}')"),
    Kind.NUMBER: (
        "TRY_CAST(json_extract_string({0}, '$.{1}') AS DECIMAL(38, 9))",
        "(CASE WHEN jsonb_typeof({0} -> '{1}') = 'number' THEN ({0} ->> '{1}')::numeric END)",
    ),
    Kind.BOOLEAN: (
        "TRY_CAST(json_extract_string({0}, '$.{1}') AS BOOLEAN)",
        "(CASE WHEN jsonb_typeof({0} -> '{1}') = 'boolean' THEN ({0} ->> '{1}')::boolean END)",
    ),
    Kind.TIMESTAMP: (
        "TRY_CAST(replace(json_extract_string({0}, '$.{1}'), 'Z', '') AS TIMESTAMP)",
        "(CASE WHEN {0} ->> '{1}' ~ '^[0-9-]+T[0-9:.]+Z$' THEN (rtrim({0} ->> '{1}', 'Z'))::timestamp END)",
    ),
}


class Measuring(Protocol):
    """What is known alike of a metric, a gauge and a journey's track."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def entity(self) -> str:
        """Whose records."""
        ...

    @property
    def where(self) -> str | None:
        """The condition as declared."""
        ...

    @property
    def value(self) -> str | None:
        """What is measured: a column of events, an attribute of a state."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Spoken:
    """A name that a declaration may use for an attribute. `column` is the events' column that holds it, if one does."""

    attribute: Attribute
    column: str | None
    sql: Column

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.sql.kind


def entities_of(kind: EntityKind) -> Sequence[str]:
    """The entities that are events, or those that are states and may belong to a customer."""
    return [one.name for one in ENTITIES.values() if one.kind is kind and one.of_customers]


def spoken_of(entity: str) -> Mapping[str, Spoken]:
    """The names that may be used of an entity's records.

    Of an event's parts that all events have, the name they have in common and the entity's own: `quantity`, and `score`.
    Of a state nothing that lies in sealed parts: of personal attributes there is no value.
    """
    one = ENTITIES[entity]
    if one.kind is EntityKind.STATE:
        return {
            "customer" if attribute.reference == "customer" else name: Spoken(attribute, None, _of_state(attribute))
            for name, attribute in one.attributes.items()
            if attribute.reference in {None, "customer", entity}
        }
    spoken = {}
    for name, attribute in one.attributes.items():
        column = attribute.column
        said = Spoken(attribute, column, _of_event(attribute))
        if column is not None:
            spoken[column] = said
        if attribute.reference is None:
            spoken[name] = said
    return spoken


def read_condition(text: str, entity: str, where: str) -> Expression:
    """The condition rendered, and tried on one row: what DuckDB does not take is said now and not by the engine.

    `where` names the text in messages. Raises ConfigurationError.
    """
    rendered = compile_condition(text, _columns(entity), where=where)
    row = _EVENT_ROW if ENTITIES[entity].kind is EntityKind.EVENT else _STATE_ROW
    with connect() as connection:
        try:
            connection.execute(f"SELECT ({rendered.duckdb}) FROM ({row})").fetchall()
        except duckdb.Error as error:
            reason = str(error).split("\n", 1)[0]
            raise ConfigurationError(f"The condition does not fit the columns. {reason}", where=where) from None
    return rendered


def attributes_used(metric: Measuring) -> Mapping[str, str]:
    """The attributes of its entity that a metric, gauge or track rests on, each with what for."""
    entity, spoken = ENTITIES[metric.entity], spoken_of(metric.entity)
    used = {"customer_id": "cells"}
    if entity.kind is EntityKind.EVENT:
        used["occurred_at"] = "buckets"
    if metric.where is not None:
        condition = compile_condition(metric.where, _columns(metric.entity), where=metric.name)
        used |= {spoken[name].attribute.name: "where" for name in sorted(condition.columns) if name in spoken}
    if metric.value is not None:
        used[spoken[metric.value].attribute.name] = "value"
    return used


def _columns(entity: str) -> Mapping[str, Column]:
    named = {name: one.sql for name, one in spoken_of(entity).items()}
    if ENTITIES[entity].kind is EntityKind.STATE:
        named["attributes"] = Column(Kind.OBJECT, "attributes", "attributes")
    return named


def _of_event(attribute: Attribute) -> Column:
    """Times of events carry a zone, and an expression's do not."""
    kind = Kind.REFERENCE if attribute.reference else _KINDS[attribute.type]
    column = attribute.column
    if column is None:
        return _inside("properties", attribute)
    if kind is Kind.TIMESTAMP:
        return Column(kind, f"timezone('UTC', {column})", f"({column} AT TIME ZONE 'UTC')")
    return Column(kind, column, column)


def _of_state(attribute: Attribute) -> Column:
    if attribute.reference == "customer":
        return Column(Kind.REFERENCE, "customer", "customer")
    return _inside("attributes", attribute)


def _inside(whole: str, attribute: Attribute) -> Column:
    kind = _KINDS[attribute.type]
    duck, postgres = _IN_STATE[kind]
    return Column(kind, duck.format(whole, attribute.name), postgres.format(whole, attribute.name))
