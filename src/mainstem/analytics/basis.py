"""What a score rests on, as it is stored: of each component the input, how new and how good that was, and what it gave.

A customer has a score for every midnight, so a row holds numbers only; the words are made when somebody reads them
(`wording`). Layout, big-endian: a version byte, then for each component in the order the model declares them

- a byte: the grade's place in `GRADES` (bits 0-2), what a missing input counts as, by its place in `Missing` (bits 3-4),
  whether the input is missing (bit 5), whether nothing measures it (bit 6);
- the contribution and its weight, in hundredths (2 bytes each);
- the latest instant that the oldest of the component's streams spoke of, in microseconds since 1970 (8; `NEVER` for none);
- the input in millionths: 8 bytes in versions 1 and 3, 16 in versions 2 and 4, which are for sums beyond 64 bits;
- in versions 3 and 4, which are for models with components that leave imputed inputs out: how many events of the
  component were left out (4).
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mainstem.analytics.evaluation import GRADES, Evaluation
from mainstem.analytics.inputs import Ints
from mainstem.analytics.model import HealthModel, Missing
from mainstem.errors import IntegrityError
from mainstem.metrics import Grade

__all__ = ["Bases", "Part", "encode_bases", "read_basis"]

Bases = npt.NDArray[np.uint8]
"""A basis a row, all of one length."""

_RULES = tuple(Missing)
_MISSING, _UNMEASURED = 0x20, 0x40
# By version: bytes of the input, and of the count of what was left out.
_WIDTHS = {1: (8, 0), 2: (16, 0), 3: (8, 4), 4: (16, 4)}
_HEAD = struct.Struct(">Bhhq")
_LARGEST = 2**127 - 1
_MOST_LEFT_OUT = 2**32 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One component's share. Points and weight are in hundredths, `newest` in microseconds since 1970 (or `NEVER`)."""

    value: int | None
    """The input in millionths; None where it is missing or nothing measures it."""
    measured: bool
    missing: Missing
    """What a missing input counts as for this customer."""
    grade: Grade
    newest: int
    points: int
    weight: int
    left_out: int = 0
    """Events that did not count because of what was imputed."""


def encode_bases(model: HealthModel, evaluation: Evaluation, segments: Sequence[str | None]) -> Bases:
    """The bases of all rows. `segments` are the customers', by their position in the batch."""
    inputs = evaluation.inputs
    absent = inputs.missing | inputs.unmeasured
    values = [np.where(absent[:, column], 0, own) for column, own in enumerate(inputs.values)]
    wide = any(own.dtype == object for own in values)
    leaves_out = any(one.ignores_imputed for one in model.components)
    version = (2 if wide else 1) + (2 if leaves_out else 0)
    marks = (
        evaluation.input_grades
        | (_rules(model, evaluation, segments) << 3)
        | np.where(inputs.missing, _MISSING, 0)
        | np.where(inputs.unmeasured, _UNMEASURED, 0)
    )
    columns = [np.full((len(absent), 1), version, np.uint8)]
    for column, own in enumerate(values):
        columns += [
            _bytes(marks[:, column], ">u1"),
            _bytes(evaluation.parts[:, column], ">i2"),
            _bytes(evaluation.most[:, column], ">i2"),
            _bytes(evaluation.newest[:, column], ">i8"),
            _wide(own) if wide else _bytes(own, ">i8"),
        ]
        if leaves_out:
            columns.append(_bytes(np.minimum(inputs.left_out[:, column], _MOST_LEFT_OUT), ">u4"))
    return np.concatenate(columns, axis=1)


def read_basis(basis: bytes) -> list[Part]:
    """A stored basis, component by component. Raises IntegrityError for a layout that is not known."""
    widths = _WIDTHS.get(basis[0]) if basis else None
    size = _HEAD.size + sum(widths or ())
    if widths is None or (len(basis) - 1) % size:
        raise IntegrityError("A score's basis cannot be read.", hint="It was written by a newer release.")
    return [_part(basis[at : at + size], widths[0]) for at in range(1, len(basis), size)]


def _part(piece: bytes, width: int) -> Part:
    marks, points, weight, newest = _HEAD.unpack_from(piece)
    measured = not marks & _UNMEASURED
    value, left_out = piece[_HEAD.size : _HEAD.size + width], piece[_HEAD.size + width :]
    return Part(
        value=int.from_bytes(value, signed=True) if measured and not marks & _MISSING else None,
        measured=measured,
        missing=_RULES[marks >> 3 & 0b11],
        grade=GRADES[marks & 0b111],
        newest=newest,
        points=points,
        weight=weight,
        left_out=int.from_bytes(left_out),
    )


def _rules(model: HealthModel, evaluation: Evaluation, segments: Sequence[str | None]) -> Ints:
    """The places in `Missing` of the rules that hold for the rows' customers, n x k."""
    by_segment = {
        segment: [_RULES.index(one.missing) for one in model.for_segment(segment)] for segment in set(segments)
    }
    own = np.array([by_segment[segment] for segment in segments], np.int64).reshape(len(segments), -1)
    rules: Ints = own[evaluation.rows.customers]
    return rules


def _bytes(values: npt.NDArray[Any], kind: str) -> Bases:
    return values.astype(kind).view(np.uint8).reshape(len(values), -1)


def _wide(values: npt.NDArray[Any]) -> Bases:
    clipped = (max(-_LARGEST, min(_LARGEST, int(value))) for value in values)
    joined = b"".join([value.to_bytes(16, signed=True) for value in clipped])
    return np.frombuffer(joined, np.uint8).reshape(len(values), 16)
