"""From the text of a declaration to a `Metric` or a `Journey`: strict, with positions and near misses."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from types import MappingProxyType

from mainstem.contracts import SPAN_HINT, read_span
from mainstem.errors import ConfigurationError
from mainstem.fields import Fields, read_yaml
from mainstem.hints import near_miss
from mainstem.metrics.conditions import entities_of, read_condition
from mainstem.metrics.definition import Granularity, Metric
from mainstem.metrics.gauge import Gauge, read_gauge
from mainstem.metrics.journey import (
    Breakdown,
    Every,
    Journey,
    JourneyKind,
    Resolution,
    Subject,
    Track,
    series_name,
)
from mainstem.metrics.reader import read_metric
from mainstem.model import EntityKind, is_name

__all__ = ["EVENT_KEYS", "JOURNEY_KEYS", "MOST_STEPS", "check_journey", "read_declared"]

MOST_STEPS = 12
_MOST_VALUES = 12
# Values are part of the names of series.
_LONGEST_VALUE = 100
_MOST_BRACKETS = 60
_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,5}")

EVENT_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "name": "Of a step: what it is asked for by, and part of its series' ids. Of the others it is the key it stands under.",
        "label": "What people read. Default: the name in words.",
        "entity": "Of which entity: `usage_event` (default), or another that is an event, such as `milestone`.",
        "event": "Only events of this name.",
        "where": "Only events for which this is true: a condition as in a metric. Together with `event` both have to hold.",
    }
)
"""What may be said of one kind of event, and its meaning."""

_COMMON = {
    "kind": "`funnel`, `retention`, `cohort` or `adoption`.",
    "name": "What it is asked for by; no metric and no other journey has it.",
    "label": "What people read. Default: the name in words.",
    "description": "What it is for.",
    "subject": "Who goes on the journey: `customer` (default) or `person`.",
}

JOURNEY_KEYS: Mapping[JourneyKind, Mapping[str, str]] = MappingProxyType(
    {
        JourneyKind.FUNNEL: MappingProxyType(
            {
                **_COMMON,
                "steps": f"Required. A list of 2 to {MOST_STEPS} kinds of event, in order.",
                "window": "Required. From the first step to the last, at most: a span such as `14d`.",
                "resolution": "How finely moments are told apart: `second` (default), `minute`, `hour` or `day`.",
                "order": "`strict` (default): a step comes in a later moment than the one before. `loose`: or in the same one.",
                "breakdown": f"`property` and a list of up to {_MOST_VALUES} `values`: subjects are also counted by the value of the "
                "event that began; the first is what the others are compared with. The property is one in `properties`, or "
                "`event` or `object`.",
            }
        ),
        JourneyKind.RETENTION: MappingProxyType(
            {
                **_COMMON,
                "start": "Required. The kind of event that a subject begins with.",
                "return": "Required. The kind of event that says it came back.",
                "every": "The length of a bracket: `day` or `week` (default), counted from each subject's own first day.",
                "brackets": f"How many brackets are looked at after the first, 1 to {_MOST_BRACKETS}. Default: 8.",
                "counts": "`within` (default): who came back in the bracket. `from`: who came back in it or in any later one.",
            }
        ),
        JourneyKind.COHORT: MappingProxyType(
            {
                **_COMMON,
                "start": "Required. The kind of event that a customer begins with.",
                "metric": "Required. The metric, a count or sum, that is added up.",
                "period": "What customers are put together by, by their first day: `day`, `week` or `month` (default).",
                "every": "The length of a bracket: `day` or `week` (default), counted from each customer's own first day.",
                "brackets": f"How many brackets are looked at after the first, 1 to {_MOST_BRACKETS}. Default: 8.",
            }
        ),
        JourneyKind.ADOPTION: MappingProxyType(
            {
                **_COMMON,
                "active": "Required. The kind of event that says a subject is active.",
                "feature": "Required. The kind of event that says it uses the feature.",
                "period": "What days are put together by: `day`, `week` (default) or `month`.",
            }
        ),
    }
)
"""What may be said of a journey, and its meaning."""


def read_declared(text: str, *, where: str = "metric", conditional: bool = True) -> Metric | Gauge | Journey:
    """What a YAML text declares: a journey has a `kind`, a gauge is over a state entity. Raises ConfigurationError.

    `where` names the text in messages. `conditional`: whether conditions are read too; without them every event counts.
    """
    fields = read_yaml(text, where)
    if "kind" not in fields.keys():  # noqa: SIM118 - Fields is no mapping
        if fields.choice("entity", [*entities_of(EntityKind.EVENT), *entities_of(EntityKind.STATE)]) in entities_of(
            EntityKind.STATE
        ):
            return read_gauge(fields, text, conditional=conditional)
        return read_metric(text, where=where, conditional=conditional)
    return _Reader(fields, text, conditional=conditional).journey()


def check_journey(journey: Journey, metrics: Mapping[str, Metric], *, where: str = "metric") -> None:
    """Raise ConfigurationError where the journey's metric is not one of these, or cannot be added up."""
    if journey.metric is None:
        return
    metric = metrics.get(journey.metric)
    if metric is None:
        raise ConfigurationError(
            f"There is no metric {journey.metric!r}.", where=f"{where}: metric", hint=near_miss(journey.metric, metrics)
        )
    if not metric.measure.additive:
        raise ConfigurationError(
            f"The metric {metric.name!r} is a {metric.measure.value}, which cannot be added up.",
            where=f"{where}: metric",
            hint="Name a count or a sum.",
        )


class _Reader:
    """Reads one journey."""

    def __init__(self, fields: Fields, text: str, *, conditional: bool) -> None:
        self._kind = JourneyKind(fields.choice("kind", JourneyKind))
        self._fields = fields.only(*JOURNEY_KEYS[self._kind])
        self._text = text
        self._conditional = conditional
        self._name = _named(fields)
        self._subject = Subject(fields.choice("subject", Subject, Subject.CUSTOMER))

    def journey(self) -> Journey:
        """The journey."""
        match self._kind:
            case JourneyKind.FUNNEL:
                return self._funnel()
            case JourneyKind.RETENTION:
                counts = self._fields.choice("counts", ("within", "from"), "within")
                return self._plain(
                    "start", "return", every=self._every(), unbounded=counts == "from", **self._brackets()
                )
            case JourneyKind.COHORT:
                if self._subject is not Subject.CUSTOMER:
                    raise ConfigurationError(
                        "A metric is kept by customer, so persons cannot be measured by it.",
                        where=self._fields.at("subject"),
                    )
                metric = self._fields.take("metric", str)
                period = self._period(Granularity.MONTH)
                return self._plain("start", metric=metric, period=period, every=self._every(), **self._brackets())
            case JourneyKind.ADOPTION:
                return self._plain("active", "feature", period=self._period(Granularity.WEEK))

    def _funnel(self) -> Journey:
        resolution = Resolution(self._fields.choice("resolution", Resolution, Resolution.SECOND))
        window = _window(self._fields, resolution)
        given = self._fields.each("steps")
        where = self._fields.at("steps")
        if not 2 <= len(given) <= MOST_STEPS:
            raise ConfigurationError(f"A funnel has 2 to {MOST_STEPS} steps.", where=where)
        steps = [self._track(one.only(*EVENT_KEYS), _named(one), resolution) for one in given]
        names = [step.name for step in steps]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"There are two steps {name!r}.", where=where, hint="Give one another name.")
        breakdown = self._breakdown()
        variants = [
            self._track(given[0], f"{names[0]}={value}", resolution, _having(breakdown.property, value), value)
            for value in (breakdown.values if breakdown else ())
            if breakdown
        ]
        return self._made(
            resolution,
            (*steps, *variants),
            window=window,
            strict=self._fields.choice("order", ("strict", "loose"), "strict") == "strict",
            breakdown=breakdown,
        )

    def _plain(self, *events: str, **more: object) -> Journey:
        """A journey of whole days over the kinds of event under these keys."""
        known = [key for key in EVENT_KEYS if key != "name"]
        tracks = []
        for key in events:
            inner = self._fields.inner(key)
            if inner is None:
                raise ConfigurationError(f"{key!r} is missing.", where=self._fields.where)
            tracks.append(self._track(inner.only(*known), key, Resolution.DAY))
        return self._made(Resolution.DAY, tuple(tracks), **more)

    def _made(self, resolution: Resolution, tracks: tuple[Track, ...], **more: object) -> Journey:
        return Journey(
            name=self._name,
            kind=self._kind,
            subject=self._subject,
            resolution=resolution,
            tracks=tracks,
            label=self._fields.take("label", str, _worded(self._name)),
            description=self._fields.take("description", str, "").strip(),
            text=self._text,
            **more,  # type: ignore[arg-type]
        )

    def _track(
        self, fields: Fields, name: str, resolution: Resolution, also: str | None = None, label: str | None = None
    ) -> Track:
        """One kind of event; `also` is a further condition."""
        entity = fields.choice("entity", entities_of(EntityKind.EVENT), "usage_event")
        for key in ("event", "where"):
            if key in fields.keys() and not fields.text(key):  # noqa: SIM118 - Fields is no mapping
                raise ConfigurationError(
                    "A text is expected here.",
                    where=fields.at(key),
                    hint=f"Where every event counts, leave {key!r} out.",
                )
        event, condition = fields.text("event"), fields.text("where")
        conditions = [f"event = {_quoted(event)}" if event else None, condition, also]
        parts = [part for part in conditions if part is not None]
        where = parts[0] if len(parts) == 1 else " AND ".join(f"({part})" for part in parts) or None
        if where is not None and self._conditional:
            if condition is not None:
                # Alone first: places in messages are those of what was written.
                read_condition(condition, entity, fields.at("where"))
            compiled = read_condition(where, entity, fields.where).duckdb
        else:
            where = compiled = None
        return Track(
            name=name,
            series=series_name(self._name, name),
            entity=entity,
            subject=self._subject,
            resolution=resolution,
            where=where,
            condition=compiled,
            label=label or fields.take("label", str, _worded(name)),
        )

    def _breakdown(self) -> Breakdown | None:
        fields = self._fields.inner("breakdown")
        if fields is None:
            return None
        fields.only("property", "values")
        name = fields.take("property", str)
        if not _PROPERTY.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} cannot be a property's name.",
                where=fields.at("property"),
                hint="Write letters, digits and underscores; a dot leads into an object.",
            )
        values = fields.take("values", list)
        at = fields.at("values")
        if not values or any(not isinstance(value, str) or not value for value in values):
            raise ConfigurationError(
                "A list of texts is expected here.", where=at, hint='Put numbers in quotes: ["1"].'
            )
        if any(len(value) > _LONGEST_VALUE or not value.isprintable() for value in values):
            raise ConfigurationError(f"A value has {_LONGEST_VALUE} characters at most, all of them visible.", where=at)
        if len(set(values)) < len(values) or len(values) > _MOST_VALUES:
            raise ConfigurationError(f"At most {_MOST_VALUES} different values are expected here.", where=at)
        return Breakdown(name, tuple(values))

    def _every(self) -> Every:
        return Every(self._fields.choice("every", Every, Every.WEEK))

    def _period(self, default: Granularity) -> Granularity:
        return Granularity(self._fields.choice("period", list(Granularity)[1:], default))

    def _brackets(self) -> dict[str, object]:
        brackets = self._fields.take("brackets", int, 8)
        if not 1 <= brackets <= _MOST_BRACKETS:
            raise ConfigurationError(f"There are 1 to {_MOST_BRACKETS} brackets.", where=self._fields.at("brackets"))
        return {"brackets": brackets}


def _named(fields: Fields) -> str:
    name = fields.take("name", str)
    if not is_name(name):
        raise ConfigurationError(
            f"{name!r} cannot be a name here.", where=fields.at("name"), hint="Names match [a-z][a-z0-9_]{0,62}."
        )
    return name


def _window(fields: Fields, resolution: Resolution) -> dt.timedelta:
    given = fields.take("window", str)
    window = read_span(given)
    if window is None:
        raise ConfigurationError(f"{given!r} is no span of time.", where=fields.at("window"), hint=SPAN_HINT)
    if window < resolution.length or window % resolution.length:
        raise ConfigurationError(
            f"A window is a number of whole {resolution.value}s, as the journey's moments are.",
            where=fields.at("window"),
        )
    return window


def _having(name: str, value: str) -> str:
    """A condition: the event's property has the value."""
    column = name if name in {"event", "object"} else f"json_extract_string(properties, '$.{name}')"
    return f"{column} = {_quoted(value)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _worded(name: str) -> str:
    return name.replace("_", " ").capitalize()
