"""Stored scores in words: what each component gave and why, by the version of the model that was in force."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from mainstem.analytics.basis import Part, read_basis
from mainstem.analytics.explain import Explainer, stale_note
from mainstem.analytics.inputs import NEVER, instant
from mainstem.analytics.model import Component, HealthModel
from mainstem.metrics import Grade, MetricSet

__all__ = ["Contribution", "Input", "Models", "Wording"]


class Models(Protocol):
    """What is asked of `HealthModels`."""

    def at(self, name: str, version: int) -> HealthModel:
        """A version of a model, whether in force or not. Raises NotFoundError or UnavailableError."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """What a component looked at. `value` None: missing. `at`: how new the slowest of its streams was.

    `left_out`: how many events did not count because of what was imputed of them.
    """

    value: Decimal | None
    unit: str
    at: dt.datetime | None
    grade: Grade
    left_out: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Contribution:
    """What a component gave of at most `weight` points, and why."""

    component: str
    label: str
    points: Decimal
    weight: Decimal
    reason: str
    input: Input


class Wording:
    """Reads what scores rest on. Safe to share between threads."""

    def __init__(self, models: Models, metrics: Callable[[], MetricSet]) -> None:
        self._models = models
        self._metrics = metrics

    def contributions(self, model: str, version: int, basis: bytes) -> list[Contribution]:
        """What a score rests on, in the order in which the model declares its components.

        Raises IntegrityError for a basis of an unknown layout, NotFoundError for a model that was never activated.
        """
        explainer = Explainer(self._metrics().measured)
        components = self._models.at(model, version).components
        return [_told(explainer, *one) for one in zip(components, read_basis(basis), strict=False)]

    def worst(self, model: str, version: int, basis: bytes) -> str | None:
        """The reason of the component that cost most points."""
        told: Sequence[Contribution] = self.contributions(model, version, basis)
        worst = min(told, key=lambda one: one.points - one.weight, default=None)
        return None if worst is None else worst.reason


def _told(explainer: Explainer, component: Component, part: Part) -> Contribution:
    at = None if part.newest == NEVER else instant(part.newest)
    reason = explainer.reason(component, part.value, measured=part.measured, missing=part.missing)
    return Contribution(
        component=component.name,
        label=component.label,
        points=Decimal(part.points).scaleb(-2),
        weight=Decimal(part.weight).scaleb(-2),
        reason=reason + explainer.left_out(component, part.value, part.left_out) + stale_note(part.grade, at),
        input=Input(
            value=None if part.value is None else _number(part.value),
            unit=explainer.unit(component),
            at=at,
            grade=part.grade,
            left_out=part.left_out,
        ),
    )


def _number(millionths: int) -> Decimal:
    """Without zeros at its end, and without an exponent."""
    number = Decimal(millionths).scaleb(-6)
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
