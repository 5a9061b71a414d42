"""What becomes of checked rows that do not take effect: told of each, whether it is quarantined, held or discarded."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import ROW_COUNT, Check, CheckPlan, Reason, held_rows
from mainstem.model import HeldLoad
from mainstem.processing.columns import whole
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


def set_aside(
    plan: CheckPlan,
    checked: pa.Table,
    origins: pa.ChunkedArray,
    seen: Seen,
    released: Collection[str],
    *,
    discards: bool,
) -> SetAside:
    """Sort rows of `CheckPlan.run`, whose records have these origins; the checks named in `released` hold none.

    Without `discards` nothing is discarded: what a policy lets go of is kept, with its defect.
    """
    bad = np.asarray(checked["reason"].is_valid())
    lost = discarded_rows(plan, checked) if bad.any() else np.zeros(len(bad), np.bool_)
    strange = held_rows(plan, checked, released)
    loads = [] if ROW_COUNT in released else _held_loads(origins)
    held = strange.rows.copy()
    for _, rows_of in loads:
        held |= rows_of & (~bad | lost)
    lost = lost & ~held if discards else np.zeros(len(bad), np.bool_)
    wrong = np.flatnonzero(bad & ~lost & ~held)
    rows, said = wrong.tolist(), _all_told(plan, checked, wrong, seen)
    for row in np.flatnonzero(held).tolist():
        load = next((load for load, rows_of in loads if rows_of[row]), None)
        rows.append(row)
        said.append(_told_held(plan, load, strange.by(row) if strange.rows[row] else ()))
    return SetAside(rows, said, lost, ~bad & ~held)


def _held_loads(origins: pa.ChunkedArray) -> list[tuple[HeldLoad, Mask]]:
    """The loads that are held as a whole, with their rows."""
    found = ((HeldLoad.of(origin), origin) for origin in origins.unique().to_pylist())
    return [(load, np.asarray(whole(pc.equal(origins, origin)))) for load, origin in found if load is not None]


def _told_held(plan: CheckPlan, load: HeldLoad | None, checks: Sequence[Check]) -> Told:
    """What holds a record: its load, checks, or both."""
    names = tuple(check.rule for check in checks)
    if load is None:
        first = checks[0]
        return Told(first.reason, first.field, plan.told_held(checks), first.rule, names)
    message = f"{load.told()} {plan.told_held(checks)}" if checks else load.told()
    return Told(Reason.LOAD_VOLUME, None, message, ROW_COUNT, (ROW_COUNT, *names))


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
