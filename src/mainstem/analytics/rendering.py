"""Scores as they are stored and told: inputs and contributions in words and decimals.

The JSON is put together from parts that were encoded before: thousands of rows say the same few things, and a score of
every midnight is written for every customer.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from mainstem.analytics.context import Context
from mainstem.analytics.evaluation import GRADES, Evaluation
from mainstem.analytics.explain import stale_note
from mainstem.analytics.inputs import NEVER, instant
from mainstem.analytics.model import INPUT_UNITS, SCORE_UNITS

__all__ = ["Renderer"]

_encode = msgspec.json.Encoder().encode
_REMEMBERED = 10_000


def _text(value: Any) -> str:
    return _encode(value).decode()


class Renderer:
    """The rows of an evaluation as JSON, components in the order they are declared in."""

    def __init__(self, context: Context, evaluation: Evaluation, segments: Sequence[str | None]) -> None:
        self._context = context
        self._segments = segments
        self._customers = evaluation.rows.customers.tolist()
        inputs = evaluation.inputs
        self._values = [values.tolist() for values in inputs.values]
        self._missing, self._unmeasured = inputs.missing.tolist(), inputs.unmeasured.tolist()
        self._parts, self._most = evaluation.parts.tolist(), evaluation.most.tolist()
        self._grades, self._newest = evaluation.input_grades.tolist(), evaluation.newest.tolist()
        self._heads = [
            f'{{"component":{_text(one.name)},"label":{_text(one.label)},"points":' for one in context.model.components
        ]
        self._units = [_text(context.explainer.unit(one)) for one in context.model.components]
        # Caches of this renderer: what is asked for lasts as long as the batch does.
        self._reason = functools.lru_cache(_REMEMBERED)(self._reason_of)
        self._at = functools.lru_cache(_REMEMBERED)(_at_of)

    def inputs(self, row: int) -> bytes:
        """By component: `value` (null when missing), `unit`, `at` (how new the slowest stream is), `grade`."""
        told = []
        for column, component in enumerate(self._context.model.components):
            value = self._value(row, column)
            number = "null" if value is None else _number(value)
            grade = GRADES[self._grades[row][column]].value
            told.append(
                f'"{component.name}":{{"value":{number},"unit":{self._units[column]},'
                f'"at":{self._at(self._newest[row][column])},"grade":"{grade}"}}'
            )
        return f"{{{','.join(told)}}}".encode()

    def contributions(self, row: int) -> bytes:
        """In order: `component`, `label`, `points`, `weight` (the most it could give), `reason`."""
        segment = self._segments[self._customers[row]]
        own = segment if segment in self._context.model.segments else None
        told = []
        for column in range(len(self._heads)):
            measured = not self._unmeasured[row][column]
            reason = self._reason(
                own, column, self._value(row, column), measured, self._grades[row][column], self._newest[row][column]
            )
            told.append(
                f"{self._heads[column]}{_hundredths(self._parts[row][column])},"
                f'"weight":{_hundredths(self._most[row][column])},"reason":{reason}}}'
            )
        return f"[{','.join(told)}]".encode()

    def _value(self, row: int, column: int) -> int | None:
        if self._missing[row][column] or self._unmeasured[row][column]:
            return None
        return int(self._values[column][row])

    def _reason_of(self, *asked: Any) -> str:
        segment, column, value, measured, grade, newest = asked
        component = self._context.model.for_segment(segment)[column]
        reason = self._context.explainer.reason(component, value, measured=measured, missing=component.missing)
        return _text(reason + stale_note(GRADES[grade], None if newest == NEVER else instant(newest)))


def _at_of(newest: int) -> str:
    return "null" if newest == NEVER else _text(instant(newest))


def _hundredths(value: int) -> str:
    return f"{value // SCORE_UNITS}.{value % SCORE_UNITS:02d}"


def _number(millionths: int) -> str:
    """A decimal as JSON, without zeros at its end."""
    sign = "-" if millionths < 0 else ""
    whole, rest = divmod(abs(millionths), INPUT_UNITS)
    return f"{sign}{whole}.{rest:06d}".rstrip("0") if rest else f"{sign}{whole}"
