"""Sentences: why a component gives what it gives."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping

from mainstem.analytics.model import INPUT_UNITS, Component, Kind, Missing
from mainstem.metrics import Gauge, Grade, Measure, Metric

__all__ = ["Explainer", "stale_note"]

_MISSING = {
    Missing.EXCLUDE: "left out",
    Missing.NEUTRAL: "counted as neutral",
    Missing.WORST: "counted as the worst",
}
_SUMMED = {Kind.FREQUENCY, Kind.MILESTONES}
_HOUR_UNITS = INPUT_UNITS // 24


class Explainer:
    """Says in a sentence what the input of a component was."""

    def __init__(self, metrics: Mapping[str, Metric | Gauge]) -> None:
        self._metrics = metrics

    def unit(self, component: Component) -> str:
        """What the component's input is counted in."""
        if component.kind is Kind.RECENCY:
            return "days"
        if component.kind is Kind.TREND:
            return "ratio"
        return self._words(component)

    def reason(self, component: Component, value: int | None, *, measured: bool, missing: Missing) -> str:
        """The sentence for an input in millionths; None: there is none. `missing` is the rule in force for that."""
        if not measured:
            waits = ", or what was there is still being added up" if component.kind.of_gauges else ""
            return f"Not measured here: nothing feeds {component.metric}{waits}."
        if value is None:
            return f"{_absent(component)}; {_MISSING[missing]}."
        match component.kind:
            case Kind.RECENCY:
                return _recency(value)
            case Kind.TREND:
                return self._trend(component, value)
            case Kind.LEVEL | Kind.CHANGE:
                return f"{self._label(component)}: {self._gauged(component, value)}."
            case _:
                return f"{self._counted(component, value)} in {_days(component.window)}."

    def _label(self, component: Component) -> str:
        metric = self._metrics.get(component.metric)
        return component.metric.replace("_", " ").capitalize() if metric is None else metric.label

    def _counted(self, component: Component, value: int) -> str:
        words = self._words(component)
        # Units are declared in the plural; "people" and the like stay.
        return f"{_number(value)} {words.removesuffix('s') if value == INPUT_UNITS else words}"

    def _gauged(self, component: Component, value: int) -> str:
        if component.kind is Kind.LEVEL:
            return self._counted(component, value)
        before = f"{_days(component.window)} before"
        if value == 0:
            return f"as {before}"
        return f"{self._counted(component, abs(value))} {'more' if value > 0 else 'less'} than {before}"

    def left_out(self, component: Component, value: int | None, left_out: int) -> str:
        """What is added to a reason where events were left out for what was imputed of them; empty where none was."""
        if not left_out:
            return ""
        metric = self._metrics.get(component.metric)
        counted = metric is not None and metric.measure is Measure.COUNT and component.kind in _SUMMED
        if counted:
            return f" {left_out:,} of {left_out + (value or 0) // INPUT_UNITS:,} inputs imputed, left out."
        return f" {left_out:,} {'input' if left_out == 1 else 'inputs'} imputed, left out."

    def _words(self, component: Component) -> str:
        metric = self._metrics.get(component.metric)
        return metric.unit if metric is not None and metric.unit else component.metric.replace("_", " ")

    def _trend(self, component: Component, value: int) -> str:
        change = (value - INPUT_UNITS) * 100 // INPUT_UNITS
        before = f"the {_days(component.window)} before"
        if change == 0:
            return f"As many {self._words(component)} as in {before}."
        more = "more" if change > 0 else "fewer"
        return f"{abs(change)} % {more} {self._words(component)} than in {before}."


def stale_note(grade: Grade, newest: dt.datetime | None) -> str:
    """What is added to a reason whose input has come to a stop; empty when it has not."""
    if grade not in {Grade.STALE, Grade.HISTORICAL} or newest is None:
        return ""
    what = "Input stale" if grade is Grade.STALE else "Input historical"
    return f" {what}: nothing newer than {newest:%Y-%m-%d %H:%M} UTC."


def _absent(component: Component) -> str:
    match component.kind:
        case Kind.RECENCY:
            return "No activity ever"
        case Kind.TREND:
            return "Nothing to compare with yet"
        case _:
            return f"Nothing that counts in {_days(component.window)}"


def _recency(value: int) -> str:
    if value >= 2 * INPUT_UNITS:
        return f"No activity for {value // INPUT_UNITS} days."
    if value >= INPUT_UNITS:
        return "No activity for a day."
    # Measured to where the streams stand, which of a dead one is long ago.
    hours = value // _HOUR_UNITS
    told = {0: "within the hour", 1: "an hour"}.get(hours, f"{hours} hours")
    return f"Active {told} before the newest data."


def _days(days: int) -> str:
    return "a day" if days == 1 else f"{days} days"


def _number(value: int) -> str:
    number = (decimal.Decimal(value) / INPUT_UNITS).quantize(decimal.Decimal("0.01"))
    return f"{number.normalize():,f}" if number == number.to_integral_value() else f"{number:,}"
