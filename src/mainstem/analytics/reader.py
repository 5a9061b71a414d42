"""From the text of a health model to a `HealthModel`: strict, with near misses."""

from __future__ import annotations

import dataclasses
import decimal
import importlib.resources
import itertools
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mainstem.analytics.model import (
    CHURNED,
    CURVE_UNITS,
    INPUT_UNITS,
    Band,
    Component,
    Curve,
    HealthModel,
    Kind,
    Missing,
)
from mainstem.errors import ConfigurationError
from mainstem.fields import Fields, read_yaml
from mainstem.hints import near_miss
from mainstem.metrics import Gauge, Measure, MetricSet
from mainstem.model import is_name

__all__ = ["builtin_health_model", "check_health_model", "read_health_model"]

_WINDOW = re.compile(r"([1-9][0-9]{0,3})([dw])")
_LONGEST_WINDOW = 400
_MOST_COMPONENTS = 20
_HIGHEST = decimal.Decimal(100)
_WEIGHT_PLACES = 3
_INPUT_PLACES = 6
_GAUGE_KINDS = [kind.value for kind in Kind if kind.of_gauges]
_EVENT_KINDS = [kind.value for kind in Kind if not kind.of_gauges]
_POINT_PLACES = 4


def builtin_health_model() -> HealthModel:
    """The model that holds until another is activated."""
    text = (importlib.resources.files("mainstem.analytics") / "builtin" / "default.yaml").read_text(encoding="utf-8")
    return read_health_model(text, where="built-in health model")


def read_health_model(text: str, *, where: str = "health model") -> HealthModel:
    """The health model a YAML text declares. `where` names the text in messages. Raises ConfigurationError."""
    fields = read_yaml(text, where).only("name", "label", "description", "components", "bands", "segments")
    name = _name(fields, "name")
    components = tuple(_component(one) for one in fields.each("components"))
    if not 1 <= len(components) <= _MOST_COMPONENTS:
        raise ConfigurationError(f"A model has 1 to {_MOST_COMPONENTS} components.", where=fields.at("components"))
    _unique([one.name for one in components], fields.at("components"))
    fields.take("description", str, "")
    return HealthModel(
        name=name,
        label=fields.take("label", str, name.replace("_", " ").capitalize()),
        components=components,
        bands=_bands(fields),
        segments=_segments(fields, components),
        text=text,
    )


def check_health_model(model: HealthModel, metrics: MetricSet, *, where: str = "health model") -> None:
    """Raise ConfigurationError when a component's metric is not in force or measures what the component cannot use."""
    for component in model.components:
        at = f"{where}: {component.name}"
        metric = metrics.measured.get(component.metric)
        if metric is None:
            usable = metrics.gauges if component.kind.of_gauges else metrics.metrics
            raise ConfigurationError(
                f"There is no metric {component.metric!r}.", where=at, hint=near_miss(component.metric, usable)
            )
        if isinstance(metric, Gauge) is not component.kind.of_gauges:
            over, kinds = ("states", _GAUGE_KINDS) if isinstance(metric, Gauge) else ("events", _EVENT_KINDS)
            raise ConfigurationError(
                f"{metric.name!r} is a metric over {over}, and {component.kind.value} does not look at one.",
                where=at,
                hint=f"Of {metric.name!r}: {', '.join(kinds)}.",
            )
        if component.ignores_imputed and (isinstance(metric, Gauge) or metric.leaves_out is None):
            counted = "states" if isinstance(metric, Gauge) else "events"
            raise ConfigurationError(
                f"{metric.name!r} counts {counted} whatever was imputed of them: the component cannot leave these out.",
                where=f"{at}.imputed",
                hint="Look at a metric over events that is declared with `imputed: ignore`, and that rests on what can be"
                " imputed: one with a `value` or a `where`.",
            )
        if isinstance(metric, Gauge):
            continue
        distinct = metric.measure is Measure.DISTINCT
        if component.kind is Kind.BREADTH and not distinct:
            raise ConfigurationError(f"{metric.name!r} does not count different values.", where=at)
        if component.kind is not Kind.BREADTH and not metric.measure.additive:
            raise ConfigurationError(f"{metric.name!r} is no count and no sum.", where=at)


def _name(fields: Fields, key: str) -> str:
    name = fields.take(key, str)
    if not is_name(name):
        raise ConfigurationError(
            f"{name!r} cannot be a name.", where=fields.at(key), hint="Names match [a-z][a-z0-9_]{0,62}."
        )
    return name


def _unique(names: Sequence[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{name!r} is there twice.", where=where)


def _component(fields: Fields) -> Component:
    fields.only("name", "kind", "metric", "window", "curve", "weight", "missing", "imputed", "label")
    name = _name(fields, "name")
    kind = Kind(fields.choice("kind", Kind))
    return Component(
        name=name,
        kind=kind,
        metric=fields.take("metric", str),
        curve=_curve(fields),
        weight=_weight(fields),
        missing=Missing(fields.choice("missing", Missing, Missing.EXCLUDE)),
        window=_window(fields, kind),
        label=fields.take("label", str, name.replace("_", " ").capitalize()),
        ignores_imputed=fields.choice("imputed", ("count", "ignore"), "count") == "ignore",
    )


def _window(fields: Fields, kind: Kind) -> int:
    text = fields.text("window")
    if kind is Kind.RECENCY:
        if text is not None:
            raise ConfigurationError("Recency looks at the last event and has no window.", where=fields.at("window"))
        return 0
    if kind is Kind.LEVEL:
        if text is not None:
            raise ConfigurationError(
                "A level is what a gauge comes to and has no window.",
                where=fields.at("window"),
                hint="How much it moved in a window is the kind change.",
            )
        return 0
    found = _WINDOW.fullmatch(text or "")
    days = int(found[1]) * (7 if found[2] == "w" else 1) if found else 0
    if not 1 <= days <= _LONGEST_WINDOW:
        raise ConfigurationError(
            f"A window is a number of days or weeks, up to {_LONGEST_WINDOW} days.",
            where=fields.at("window"),
            hint="For example: window: 30d",
        )
    return days


def _weight(fields: Fields) -> decimal.Decimal:
    weight = fields.take("weight", decimal.Decimal)
    if not 0 < weight <= 1000 or _places(weight) > _WEIGHT_PLACES:
        raise ConfigurationError(
            f"A weight lies above 0 and up to 1000, with at most {_WEIGHT_PLACES} decimal places.",
            where=fields.at("weight"),
        )
    return weight


def _curve(fields: Fields) -> Curve:
    where = fields.at("curve")
    points = [_point(one, where) for one in fields.take("curve", list)]
    if len(points) < 2:
        raise ConfigurationError("A curve has at least two points.", where=where)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if any(left > right for left, right in itertools.pairwise(xs)):
        raise ConfigurationError("The inputs of a curve do not rise.", where=where)
    if any(xs.count(x) > 2 for x in xs) or xs[0] == xs[-1]:
        raise ConfigurationError("A step of a curve is two points with one input, and not all of it.", where=where)
    if any(not 0 <= y <= _HIGHEST for y in ys):
        raise ConfigurationError("Points of a curve lie from 0 to 100.", where=where)
    return Curve(tuple(int(x * INPUT_UNITS) for x in xs), tuple(int(y * CURVE_UNITS) for y in ys))


def _point(value: Any, where: str) -> tuple[decimal.Decimal, decimal.Decimal]:
    hint = "For example: curve: [[0, 100], [7, 80], [30, 0]]"
    if not isinstance(value, list) or len(value) != 2 or any(not _is_number(one) for one in value):
        raise ConfigurationError("A point of a curve is [input, points].", where=where, hint=hint)
    x, y = (decimal.Decimal(one) for one in value)
    if abs(x) > 10**15 or _places(x) > _INPUT_PLACES or _places(y) > _POINT_PLACES:
        raise ConfigurationError(
            f"A curve's inputs have at most {_INPUT_PLACES} decimal places, its points {_POINT_PLACES}.", where=where
        )
    return x, y


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, decimal.Decimal)) and not isinstance(value, bool)


def _places(number: decimal.Decimal) -> int:
    return -int(number.normalize().as_tuple().exponent)


def _bands(fields: Fields) -> tuple[Band, ...]:
    where = fields.at("bands")
    bands = []
    for one in fields.each("bands"):
        one.only("name", "label", "from")
        name = _name(one, "name")
        if name == CHURNED:
            raise ConfigurationError(f"{name!r} is the band of customers that have left.", where=one.at("name"))
        low = one.take("from", decimal.Decimal)
        if _places(low) > 2:
            raise ConfigurationError("A band begins at a score with two decimal places.", where=one.at("from"))
        bands.append(Band(name, one.take("label", str, name.replace("_", " ").capitalize()), low))
    bands.sort(key=lambda band: band.low)
    _unique([band.name for band in bands], where)
    if not bands or bands[0].low != 0:
        raise ConfigurationError("One band has to begin at 0.", where=where)
    if bands[-1].low >= _HIGHEST or any(a.low == b.low for a, b in itertools.pairwise(bands)):
        raise ConfigurationError("Bands begin at different scores below 100.", where=where)
    return tuple(bands)


def _segments(fields: Fields, components: Sequence[Component]) -> Mapping[str, tuple[Component, ...]]:
    """The components of each segment: the model's, with what the segment declares put in their place."""
    inner = fields.inner("segments")
    if inner is None:
        return MappingProxyType({})
    segments = {}
    for segment in inner.keys():  # noqa: SIM118 - not a mapping
        overrides = inner.inner(segment)
        if overrides is None:
            raise ConfigurationError("A mapping of components is expected here.", where=inner.at(segment))
        overrides.only(*(one.name for one in components))
        segments[segment] = tuple(_overridden(one, overrides.inner(one.name)) for one in components)
    return MappingProxyType(segments)


def _overridden(component: Component, fields: Fields | None) -> Component:
    if fields is None:
        return component
    fields.only("curve", "weight", "missing")
    present = fields.keys()
    return dataclasses.replace(
        component,
        curve=_curve(fields) if "curve" in present else component.curve,
        weight=_weight(fields) if "weight" in present else component.weight,
        missing=Missing(fields.choice("missing", Missing)) if "missing" in present else component.missing,
    )
