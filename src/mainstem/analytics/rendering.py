"""Scores as they are stored and told: inputs and contributions in words and decimals."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from typing import Any

import msgspec

from mainstem.analytics.context import Context
from mainstem.analytics.evaluation import GRADES, Evaluation
from mainstem.analytics.explain import stale_note
from mainstem.analytics.inputs import NEVER, instant

__all__ = ["Renderer"]

_encoder = msgspec.json.Encoder(decimal_format="number")


class Renderer:
    """The rows of an evaluation as JSON, each in the declared order of components."""

    def __init__(self, context: Context, evaluation: Evaluation, segments: Sequence[str | None]) -> None:
        self._context = context
        self._evaluation = evaluation
        self._segments = segments

    def inputs(self, row: int) -> bytes:
        """By component: `value` (null when missing), `unit`, `at` (how new the slowest stream is), `grade`."""
        told: dict[str, dict[str, Any]] = {}
        for column, component in enumerate(self._context.model.components):
            value = self._value(row, column)
            newest = int(self._evaluation.newest[row, column])
            told[component.name] = {
                "value": None if value is None else decimal.Decimal(value).scaleb(-6).normalize() + 0,
                "unit": self._context.explainer.unit(component),
                "at": None if newest == NEVER else instant(newest),
                "grade": GRADES[int(self._evaluation.input_grades[row, column])].value,
            }
        return _encoder.encode(told)

    def contributions(self, row: int) -> bytes:
        """In order: `component`, `label`, `points`, `weight` (the most it could give), `reason`."""
        segment = self._segments[int(self._evaluation.rows.customers[row])]
        told = []
        for column, component in enumerate(self._context.model.for_segment(segment)):
            newest = int(self._evaluation.newest[row, column])
            grade = GRADES[int(self._evaluation.input_grades[row, column])]
            reason = self._context.explainer.reason(
                component,
                self._value(row, column),
                measured=not self._evaluation.inputs.unmeasured[row, column],
                missing=component.missing,
            )
            told.append(
                {
                    "component": component.name,
                    "label": component.label,
                    "points": decimal.Decimal(int(self._evaluation.parts[row, column])).scaleb(-2),
                    "weight": decimal.Decimal(int(self._evaluation.most[row, column])).scaleb(-2),
                    "reason": reason + stale_note(grade, None if newest == NEVER else instant(newest)),
                }
            )
        return _encoder.encode(told)

    def _value(self, row: int, column: int) -> int | None:
        absent = self._evaluation.inputs.missing[row, column] or self._evaluation.inputs.unmeasured[row, column]
        return None if absent else int(self._evaluation.inputs.values[column][row])
