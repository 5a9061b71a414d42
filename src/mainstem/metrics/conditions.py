"""Which events a declaration means: the columns that may be spoken of, and SQL over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import duckdb

from mainstem.contracts import Column, Kind, compile_condition
from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.model import ENTITIES, EntityKind, FieldType

__all__ = ["Measuring", "attributes_used", "event_columns", "event_entities", "read_condition"]

_COLUMN_NAMES = {"customer_id": "customer", "person_id": "person"}
_CLASSES = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "number",
    FieldType.NUMBER: "number",
    FieldType.TIMESTAMP: "timestamp",
    FieldType.OBJECT: "object",
}
_SAMPLES = {
    "text": "'text' AS VARCHAR",
    "number": "1 AS DECIMAL(38, 9)",
    "timestamp": "'2026-01-01 00:00:00+00' AS TIMESTAMPTZ",
    "object": "'{}' AS VARCHAR",
    "reference": "NULL AS BLOB",
}


class Measuring(Protocol):
    """What is known alike of a metric and of a journey's track."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def entity(self) -> str:
        """Whose events."""
        ...

    @property
    def where(self) -> str | None:
        """The condition as declared."""
        ...

    @property
    def value(self) -> str | None:
        """The attribute measured."""
        ...


def event_entities() -> Sequence[str]:
    """The entities that are events."""
    return [one.name for one in ENTITIES.values() if one.kind is EntityKind.EVENT]


def event_columns(entity: str) -> Mapping[str, str]:
    """The columns of an entity's rows that may be spoken of, and their classes."""
    columns = {}
    for attribute in ENTITIES[entity].attributes.values():
        name = _COLUMN_NAMES.get(attribute.name, attribute.name)
        columns[name] = "reference" if attribute.reference else _CLASSES[attribute.type]
    return columns


def read_condition(text: str, columns: Mapping[str, str], where: str) -> str:
    """The condition rendered, and tried on one row: what DuckDB does not take is said now and not by the engine.

    `columns` are those of `event_columns`, `where` names the text in messages. Raises ConfigurationError.
    """
    named = {name: _as_column(name, kind) for name, kind in columns.items()}
    rendered = compile_condition(text, named, where=where).duckdb
    row = ", ".join(f"CAST({_SAMPLES[kind]}) AS {name}" for name, kind in columns.items())
    with connect() as connection:
        try:
            connection.execute(f"SELECT ({rendered}) FROM (SELECT {row})").fetchall()
        except duckdb.Error as error:
            reason = str(error).split("\n", 1)[0]
            raise ConfigurationError(f"The condition does not fit the columns. {reason}", where=where) from None
    return rendered


def attributes_used(metric: Measuring) -> Mapping[str, str]:
    """The attributes of its entity that a metric or track rests on, each with what for."""
    used = {"customer_id": "cells", "occurred_at": "buckets"}
    names = {column: attribute for attribute, column in _COLUMN_NAMES.items()}
    if metric.where is not None:
        columns = {name: _as_column(name, kind) for name, kind in event_columns(metric.entity).items()}
        condition = compile_condition(metric.where, columns, where=metric.name)
        used |= {names.get(column, column): "where" for column in sorted(condition.columns)}
    if metric.value is not None:
        used[names.get(metric.value, metric.value)] = "value"
    return used


def _as_column(name: str, kind: str) -> Column:
    """The column for an expression: times of events carry a zone, and an expression's do not."""
    if kind == "timestamp":
        return Column(Kind.TIMESTAMP, f"timezone('UTC', {name})", f"({name} AT TIME ZONE 'UTC')")
    return Column(Kind(kind), name, name)
