"""From the text of a metric to a `Metric`: strict, with positions and near misses."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping

from mainstem.errors import ConfigurationError
from mainstem.fields import Fields, read_yaml
from mainstem.hints import near_miss
from mainstem.metrics.conditions import event_columns, event_entities, read_condition
from mainstem.metrics.definition import Bucket, Measure, Metric
from mainstem.model import is_name

__all__ = ["builtin_metrics", "read_metric"]

_NUMERIC = (Measure.SUM, Measure.MIN, Measure.MAX)


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
    entity = fields.choice("entity", event_entities())
    columns = event_columns(entity)
    measure = Measure(fields.choice("measure", Measure))
    condition = fields.text("where") if conditional else None
    return Metric(
        name=name,
        entity=entity,
        measure=measure,
        bucket=Bucket(fields.choice("bucket", Bucket)),
        value=_value(fields, measure, columns),
        where=condition,
        condition=None if condition is None else read_condition(condition, columns, fields.at("where")),
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
