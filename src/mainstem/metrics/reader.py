"""From the text of a metric to a `Metric`: strict, with positions and near misses."""

from __future__ import annotations

import dataclasses
import importlib.resources
from collections.abc import Mapping

from mainstem.contracts import Expression, Kind
from mainstem.errors import ConfigurationError
from mainstem.fields import Fields, read_yaml
from mainstem.hints import near_miss
from mainstem.metrics.conditions import Spoken, attributes_used, entities_of, read_condition, spoken_of
from mainstem.metrics.definition import Bucket, Measure, Metric
from mainstem.model import CURRENCY, EntityKind, is_name

__all__ = ["builtin_metrics", "check_currency", "metric_name", "read_metric"]

_IMPUTED = ("count", "ignore")
_NUMERIC = (Measure.SUM, Measure.MIN, Measure.MAX)


def read_metric(text: str, *, where: str = "metric", conditional: bool = True) -> Metric:
    """The metric a YAML text declares. `where` names the text in messages. Raises ConfigurationError.

    `conditional`: whether the condition is read too; without it the metric is one of every event.
    """
    fields = read_yaml(text, where).only(
        "name", "entity", "measure", "value", "where", "bucket", "imputed", "rollup", "label", "unit", "description"
    )
    name = metric_name(fields)
    entity = fields.choice("entity", entities_of(EntityKind.EVENT))
    measure = Measure(fields.choice("measure", Measure))
    value = _value(fields, measure, spoken_of(entity))
    condition = fields.text("where") if conditional else None
    rendered = None if condition is None else read_condition(condition, entity, fields.at("where"))
    if conditional and value is not None and value.attribute.money and measure in _NUMERIC:
        check_currency(value, rendered, fields)
    metric = Metric(
        name=name,
        entity=entity,
        measure=measure,
        bucket=Bucket(fields.choice("bucket", Bucket)),
        value=None if value is None else value.column,
        where=condition,
        condition=None if rendered is None else rendered.duckdb,
        rollup=fields.take("rollup", bool, default=True),
        label=fields.take("label", str, name.replace("_", " ").capitalize()),
        unit=fields.take("unit", str, ""),
        description=fields.take("description", str, "").strip(),
        text=text,
    )
    return _without_imputed(metric) if fields.choice("imputed", _IMPUTED, "count") == "ignore" else metric


def _without_imputed(metric: Metric) -> Metric:
    """The metric without the events of which what it measures, or its condition asks for, was imputed."""
    needed = dict(attributes_used(metric))
    rests_on = ", ".join(f"'{name}'" for name, use in sorted(needed.items()) if use in {"value", "where"})
    if not rests_on:
        return metric
    imputed = f"coalesce(list_has_any(imputed, [{rests_on}]), false)"
    counts = [] if metric.condition is None else [metric.condition]
    left_out = [*counts, *([] if metric.value is None else [f"{metric.value} IS NOT NULL"]), imputed]
    return dataclasses.replace(
        metric,
        condition=" AND ".join(f"({one})" for one in [*counts, f"NOT {imputed}"]),
        leaves_out=" AND ".join(f"({one})" for one in left_out),
    )


def builtin_metrics() -> tuple[Metric, ...]:
    """The metrics that are always there, by name; read through the same door as everybody's."""
    folder = importlib.resources.files("mainstem.metrics") / "builtin"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name.endswith(".yaml")}
    return tuple(read_metric(text, where=f"built-in metric {name}") for name, text in sorted(texts.items()))


def metric_name(fields: Fields) -> str:
    """The name that a declaration gives. Raises ConfigurationError for one that is none."""
    name = fields.take("name", str)
    if not is_name(name):
        raise ConfigurationError(
            f"{name!r} cannot be a metric's name.", where=fields.at("name"), hint="Names match [a-z][a-z0-9_]{0,62}."
        )
    return name


def check_currency(value: Spoken, condition: Expression | None, fields: Fields) -> None:
    """Raise ConfigurationError where amounts of several currencies would be added up."""
    if condition is None or CURRENCY not in condition.columns:
        raise ConfigurationError(
            f"{value.attribute.name!r} is money, and amounts of several currencies make no sum.",
            where=fields.at("where"),
            hint=f"Say which: where: {CURRENCY} = 'EUR'.",
        )


def _value(fields: Fields, measure: Measure, spoken: Mapping[str, Spoken]) -> Spoken | None:
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
    usable = [
        name
        for name, one in spoken.items()
        if one.column not in {None, "customer", "occurred_at"} and one.kind is not Kind.OBJECT
    ]
    if value not in usable:
        raise ConfigurationError(
            f"{value!r} cannot be measured.", where=fields.at("value"), hint=near_miss(value, usable)
        )
    if measure in _NUMERIC and spoken[value].kind is not Kind.NUMBER:
        raise ConfigurationError(f"{value!r} is no number, so it has no {measure.value}.", where=fields.at("value"))
    return spoken[value]
