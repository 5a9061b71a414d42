"""From the text of a metric to a `Metric`: strict, with positions and near misses."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping

import duckdb

from mainstem.contracts import Column, Kind, compile_condition
from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.metrics.definition import Bucket, Measure, Metric
from mainstem.metrics.fields import Fields, read_yaml
from mainstem.model import ENTITIES, EntityKind, FieldType, is_name

__all__ = ["attributes_used", "builtin_metrics", "read_metric"]

_NUMERIC = (Measure.SUM, Measure.MIN, Measure.MAX)
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


def read_metric(text: str, *, where: str = "metric", conditional: bool = True) -> Metric:
    """The metric a YAML text declares. `where` names the text in messages. Raises ConfigurationError.

    `conditional`: whether the condition is read too; without it the metric is one of every event.
    """
    fields = read_yaml(text, where).only(
        "name", "entity", "measure", "value", "where", "bucket", "rollup", "label", "unit", "description"
    )
    name = fields.take("name", str)
    if not is_name(name):
        raise ConfigurationError(
            f"{name!r} cannot be a metric's name.", where=fields.at("name"), hint="Names match [a-z][a-z0-9_]{0,62}."
        )
    entity = fields.choice("entity", [e.name for e in ENTITIES.values() if e.kind is EntityKind.EVENT])
    columns = _columns(entity)
    measure = Measure(fields.choice("measure", Measure))
    condition = fields.text("where") if conditional else None
    return Metric(
        name=name,
        entity=entity,
        measure=measure,
        bucket=Bucket(fields.choice("bucket", Bucket)),
        value=_value(fields, measure, columns),
        where=condition,
        condition=None if condition is None else _condition(condition, columns, fields.at("where")),
        rollup=fields.take("rollup", bool, default=True),
        label=fields.take("label", str, name.replace("_", " ").capitalize()),
        unit=fields.take("unit", str, ""),
        description=fields.take("description", str, "").strip(),
        text=text,
    )


def builtin_metrics() -> tuple[Metric, ...]:
    """The metrics that are always there, by name; read through the same door as everybody's."""
    folder = importlib.resources.files("mainstem.metrics") / "builtin"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name.endswith(".yaml")}
    return tuple(read_metric(text, where=f"built-in metric {name}") for name, text in sorted(texts.items()))


def attributes_used(metric: Metric) -> Mapping[str, str]:
    """The attributes of its entity that a metric rests on, each with what for."""
    used = {"customer_id": "cells", "occurred_at": "buckets"}
    names = {column: attribute for attribute, column in _COLUMN_NAMES.items()}
    if metric.where is not None:
        columns = {name: _as_column(name, kind) for name, kind in _columns(metric.entity).items()}
        condition = compile_condition(metric.where, columns, where=metric.name)
        used |= {names.get(column, column): "where" for column in sorted(condition.columns)}
    if metric.value is not None:
        used[names.get(metric.value, metric.value)] = "value"
    return used


def _columns(entity: str) -> Mapping[str, str]:
    """The columns of an entity's rows that may be spoken of, and their classes."""
    columns = {}
    for attribute in ENTITIES[entity].attributes.values():
        name = _COLUMN_NAMES.get(attribute.name, attribute.name)
        columns[name] = "reference" if attribute.reference else _CLASSES[attribute.type]
    return columns


def _value(fields: Fields, measure: Measure, columns: Mapping[str, str]) -> str | None:
    value = fields.text("value")
    if measure is Measure.COUNT:
        if value is not None:
            raise ConfigurationError(
                "A count counts events and takes no value.",
                where=fields.at("value"),
                hint="Use the condition `where: ... IS NOT NULL`, or the measure distinct.",
            )
        return None
    if value is None:
        raise ConfigurationError(f"The measure {measure.value} needs a `value`.", where=fields.where)
    # The customer is what cells are kept by, so there is nothing to measure about it.
    usable = [name for name, kind in columns.items() if kind != "object" and name not in {"customer", "occurred_at"}]
    if value not in usable:
        raise ConfigurationError(
            f"{value!r} cannot be measured.", where=fields.at("value"), hint=near_miss(value, usable)
        )
    if measure in _NUMERIC and columns[value] != "number":
        raise ConfigurationError(f"{value!r} is no number, so it has no {measure.value}.", where=fields.at("value"))
    return value


def _condition(text: str, columns: Mapping[str, str], where: str) -> str:
    """The condition rendered, and tried on one row: what DuckDB does not take is said now and not by the engine."""
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


def _as_column(name: str, kind: str) -> Column:
    """The column for an expression: times of events carry a zone, and an expression's do not."""
    if kind == "timestamp":
        return Column(Kind.TIMESTAMP, f"timezone('UTC', {name})", f"({name} AT TIME ZONE 'UTC')")
    return Column(Kind(kind), name, name)
