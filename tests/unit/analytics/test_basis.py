"""What a score rests on, written as numbers and read again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mainstem.analytics import HealthModel, Missing, read_health_model
from mainstem.analytics.basis import Part, encode_bases, read_basis
from mainstem.analytics.evaluation import GRADES, Evaluation
from mainstem.analytics.inputs import NEVER, Inputs, Rows
from mainstem.errors import IntegrityError
from mainstem.metrics import Grade

MODEL = """
name: two
components:
  - {name: recency, kind: recency, metric: events, weight: 1, missing: worst, curve: [[0, 100], [30, 0]]}
  - {name: volume, kind: frequency, metric: events, window: 30d, weight: 1, curve: [[0, 0], [9, 100]]}
bands: [{name: all, from: 0}]
segments: {big: {volume: {missing: neutral}}}
"""
AT = 1_768_000_000_123_456


def _evaluation(values: list[Any]) -> Evaluation:
    """Two customers: one known in every way, of the other nothing is."""
    shape = (2, 2)
    inputs = Inputs(
        values=values,
        missing=np.array([[False, False], [True, False]]),
        unmeasured=np.array([[False, False], [False, True]]),
        uses=[],
        horizons=np.zeros(shape, np.int64),
        ages={},
        last_seen=np.zeros(2, np.int64),
        left_out=np.array([[0, 3], [0, 2**40]]),
    )
    grades = [[Grade.FRESH, Grade.STALE], [Grade.PARTIAL, Grade.NONE]]
    return Evaluation(
        rows=Rows(np.arange(2), np.zeros(2, np.int64)),
        inputs=inputs,
        points=np.zeros(shape, np.int64),
        counts=np.ones(shape, np.bool_),
        total=np.zeros(2, np.int64),
        parts=np.array([[5000, 1], [0, 0]]),
        most=np.array([[5000, 5000], [10_000, 0]]),
        known=np.ones(2, np.bool_),
        grades=np.zeros(2, np.int64),
        input_grades=np.array([[GRADES.index(one) for one in row] for row in grades]),
        newest=np.array([[AT, AT - 1], [NEVER, NEVER]]),
    )


@pytest.fixture
def model() -> HealthModel:
    return read_health_model(MODEL)


@pytest.mark.parametrize(
    ("second", "size"),
    [(np.array([-7, 9], np.int64), 1 + 2 * 21), (np.array([-(10**25), 10**60], object), 1 + 2 * 29)],
    ids=["ordinary", "beyond 64 bits"],
)
def test_what_is_written_is_read_again(model: HealthModel, second: Any, size: int) -> None:
    evaluation = _evaluation([np.array([1_500_000, 99], np.int64), second])
    one, other = (row.tobytes() for row in encode_bases(model, evaluation, [None, "big"]))
    assert len(one) == len(other) == size
    assert read_basis(one) == [
        Part(1_500_000, True, Missing.WORST, Grade.FRESH, AT, 5000, 5000),
        Part(int(second[0]), True, Missing.EXCLUDE, Grade.STALE, AT - 1, 1, 5000),
    ]
    # What is missing has no value, whatever stood in its place; a segment's rules are its own.
    assert read_basis(other) == [
        Part(None, True, Missing.WORST, Grade.PARTIAL, NEVER, 0, 10_000),
        Part(None, False, Missing.NEUTRAL, Grade.NONE, NEVER, 0, 0),
    ]


@pytest.mark.parametrize(
    ("second", "size"),
    [(np.array([-7, 9], np.int64), 1 + 2 * 25), (np.array([-(10**25), 10**60], object), 1 + 2 * 33)],
    ids=["ordinary", "beyond 64 bits"],
)
def test_what_was_left_out_is_written_where_a_component_leaves_out(second: Any, size: int) -> None:
    model = read_health_model(MODEL.replace("{name: volume,", "{name: volume, imputed: ignore,"))
    evaluation = _evaluation([np.array([1_500_000, 99], np.int64), second])
    bases = [row.tobytes() for row in encode_bases(model, evaluation, [None, "big"])]
    assert {len(basis) for basis in bases} == {size}
    parts = [read_basis(basis) for basis in bases]
    assert [(one.value, one.left_out) for one in parts[0]] == [(1_500_000, 0), (int(second[0]), 3)]
    assert [(one.value, one.left_out) for one in parts[1]] == [(None, 0), (None, 2**32 - 1)]


@pytest.mark.parametrize("basis", [b"", b"\x09" + bytes(21), b"\x01" + bytes(20)])
def test_another_layout_is_no_numbers(basis: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_basis(basis)
