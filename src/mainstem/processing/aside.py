"""What becomes of checked rows that do not take effect: told of each, whether it is quarantined, held or discarded."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.contracts import CheckPlan, Reason, held_rows
from mainstem.processing.drift.discarding import discarded_rows
from mainstem.processing.drift.watching import Seen

__all__ = ["SetAside", "Told", "set_aside", "told"]

Mask = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What is wrong with a record. One that is held names the checks that hold it, and its reason is the first one's."""

    reason: Reason
    field: str | None
    message: str
    rule: str | None = None
    held_by: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class SetAside:
    """Rows by what becomes of them: `kept` are set aside, each as its `told` says; `good` go on."""

    kept: Sequence[int]
    told: Sequence[Told]
    discarded: Mask
    good: Mask


def told(reason: Reason, field: str | None) -> Told:
    """A defect in the words of its reason."""
    return Told(reason, field, reason.message(field))


def set_aside(plan: CheckPlan, checked: pa.Table, seen: Seen, released: Collection[str], *, discards: bool) -> SetAside:
    """Sort rows of `CheckPlan.run`; the checks named in `released` hold none.

    Without `discards` nothing is discarded: what a policy lets go of is kept, with its defect.
    """
    bad = np.asarray(checked["reason"].is_valid())
    held = held_rows(plan, checked, released)
    lost = np.zeros(len(bad), np.bool_)
    if discards and bad.any():
        lost = discarded_rows(plan, checked) & ~held.rows
    wrong = np.flatnonzero(bad & ~lost & ~held.rows)
    rows, said = wrong.tolist(), _all_told(plan, checked, wrong, seen)
    for row in np.flatnonzero(held.rows).tolist():
        checks = held.by(row)
        first = checks[0]
        names = tuple(check.rule for check in checks)
        rows.append(row)
        said.append(Told(first.reason, first.field, plan.told_held(checks), first.rule, names))
    return SetAside(rows, said, lost, ~bad & ~held.rows)


def _all_told(plan: CheckPlan, checked: pa.Table, bad: npt.NDArray[np.intp], seen: Seen) -> list[Told]:
    """What is wrong with each of the rows."""
    reasons, fields, rules = (checked[name].take(bad).to_pylist() for name in ("reason", "field", "rule"))
    said = []
    for row, code, field, rule in zip(bad.tolist(), reasons, fields, rules, strict=True):
        reason = Reason(code)
        if reason is Reason.UNDECLARED:
            said.append(told(reason, seen.undeclared.get(row)))
        else:
            said.append(Told(reason, field, plan.told(reason, field, rule), rule))
    return said
