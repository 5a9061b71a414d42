"""What a gauge is: a declared measure over the states of one entity, whose value moves as their versions do."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from mainstem.contracts import Kind
from mainstem.errors import ConfigurationError
from mainstem.fields import Fields
from mainstem.hints import near_miss
from mainstem.metrics.conditions import entities_of, read_condition, spoken_of
from mainstem.metrics.definition import Measure
from mainstem.metrics.reader import check_currency, metric_name
from mainstem.model import EntityKind

__all__ = ["GAUGE_MEASURES", "Gauge", "read_gauge"]

GAUGE_MEASURES = (Measure.COUNT, Measure.SUM)


@dataclasses.dataclass(frozen=True, slots=True)
class Gauge:
    """A declared gauge. `condition` and `amount` are SQL for PostgreSQL over a state's `attributes` and `customer`."""

    name: str
    entity: str
    measure: Measure
    value: str | None = None
    """The attribute that is added up; None for a count."""
    where: str | None = None
    """The condition as declared."""
    condition: str | None = None
    amount: str | None = None
    """What one state adds; None for a count, in which it adds one."""
    label: str = ""
    unit: str = ""
    description: str = ""
    text: str = ""
    """The declaration this was read from."""

    def meaning(self) -> tuple[str, ...]:
        """What decides the numbers."""
        return (self.name, self.entity, self.measure, self.value or "", self.condition or "")

    def fingerprint(self) -> str:
        """SHA-256 of what decides the numbers, as it is computed: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps([*self.meaning(), self.amount or ""]).encode()).hexdigest()


def read_gauge(fields: Fields, text: str, *, conditional: bool) -> Gauge:
    """The gauge that a declaration over a state entity is. Raises ConfigurationError; see `read_declared`."""
    if "imputed" in fields.keys():  # noqa: SIM118 - not a mapping
        raise ConfigurationError(
            "A gauge is over what entities are, imputed or not: nothing can be left out of it.",
            where=fields.at("imputed"),
            hint="Take `imputed` away. What was imputed is shown beside an entity's attributes.",
        )
    fields.only("name", "entity", "measure", "value", "where", "bucket", "label", "unit", "description")
    name = metric_name(fields)
    entity = fields.choice("entity", entities_of(EntityKind.STATE))
    measure = Measure(fields.choice("measure", GAUGE_MEASURES))
    fields.choice("bucket", ["day"], "day")
    spoken = spoken_of(entity)
    value = fields.text("value")
    numbers = [attribute for attribute, one in spoken.items() if one.kind is Kind.NUMBER]
    if measure is Measure.COUNT and value is not None:
        raise ConfigurationError(
            f"A count counts each {entity} and takes no value.",
            where=fields.at("value"),
            hint="Use the condition `where: ... IS NOT NULL`, or the measure sum.",
        )
    if measure is Measure.SUM and value is None:
        raise ConfigurationError("The measure sum needs a `value`.", where=fields.where)
    if value is not None and value not in numbers:
        raise ConfigurationError(
            f"{value!r} is no number of the entity {entity}.",
            where=fields.at("value"),
            hint=near_miss(value, numbers),
        )
    condition = fields.text("where") if conditional else None
    rendered = None if condition is None else read_condition(condition, entity, fields.at("where"))
    if conditional and value is not None and spoken[value].attribute.money:
        check_currency(spoken[value], rendered, fields)
    return Gauge(
        name=name,
        entity=entity,
        measure=measure,
        value=value,
        where=condition,
        condition=None if rendered is None else rendered.postgres,
        amount=None if value is None else spoken[value].sql.postgres,
        label=fields.take("label", str, name.replace("_", " ").capitalize()),
        unit=fields.take("unit", str, ""),
        description=fields.take("description", str, "").strip(),
        text=text,
    )
