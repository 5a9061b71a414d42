"""What becomes of checked rows that do not take effect: told of each, whether it is quarantined, held or discarded."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import ROW_COUNT, Check, CheckPlan, Held, Reason, held_rows
from mainstem.model import HeldLoad
from mainstem.processing.columns import whole
from mainstem.processing.drift.discarding import discarded_rows
from mainstem.processing.orphans import ORPHANS, Orphans

__all__ = ["Sorted", "Told", "set_aside", "sort_rows", "told", "waiting"]

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
class Sorted:
    """Rows by what becomes of them, as masks: each is wrong, held, discarded or good."""

    wrong: Mask
    held: Mask
    discarded: Mask
    good: Mask
    strange: Held
    """What checks hold."""
    loads: Sequence[tuple[HeldLoad, Mask]]
    """What is held with its load."""


def told(reason: Reason, field: str | None) -> Told:
    """A defect in the words of its reason."""
    return Told(reason, field, reason.message(field))


def sort_rows(
    plan: CheckPlan,
    checked: pa.Table,
    origins: pa.ChunkedArray,
    released: Collection[str] = (),
    orphans: Sequence[Orphans] = (),
    *,
    discards: bool,
) -> Sorted:
    """Sort rows of `CheckPlan.run`, whose records have these origins; the checks named in `released` hold none.

    Without `discards` nothing is discarded: what a policy lets go of is kept, with its defect.
    """
    bad = np.asarray(checked["reason"].is_valid())
    lost = discarded_rows(plan, checked) if bad.any() else np.zeros(len(bad), np.bool_)
    strange = held_rows(plan, checked, released, [(one.check, one.rows) for one in orphans])
    loads = [] if ROW_COUNT in released else _held_loads(origins)
    held = strange.rows.copy()
    for _, rows in loads:
        held |= rows & (~bad | lost)
    lost = lost & ~held if discards else np.zeros(len(bad), np.bool_)
    return Sorted(bad & ~lost & ~held, held, lost, ~bad & ~held, strange, loads)


def set_aside(
    plan: CheckPlan, checked: pa.Table, by_fate: Sorted, undeclared: Mapping[int, str]
) -> tuple[Sequence[int], Sequence[Told]]:
    """The rows that are wrong or held, and what is told of each; `undeclared` names the key of rows that have one."""
    wrong = np.flatnonzero(by_fate.wrong)
    rows, said = wrong.tolist(), _all_told(plan, checked, wrong, undeclared)
    for row in np.flatnonzero(by_fate.held).tolist():
        load = next((load for load, rows_of in by_fate.loads if rows_of[row]), None)
        rows.append(row)
        said.append(_told_held(plan, load, by_fate.strange.by(row) if by_fate.strange.rows[row] else ()))
    return rows, said


def waiting(orphans: Sequence[Orphans], by_fate: Sorted, records: pa.Table) -> list[pa.Table]:
    """What the held ones of these records wait for, in columns of `orphans.ORPHANS`."""
    if not orphans:
        return []
    ours = {one.check for one in orphans}
    others = [mask for check, mask in by_fate.strange.failed if check not in ours]
    # A load that holds a record besides is released or given up as a whole, which the record's load tells.
    shared = np.logical_or.reduce([np.zeros_like(by_fate.held), *others])
    tables = []
    for one in orphans:
        rows = np.flatnonzero(one.rows & by_fate.held)
        count = len(rows)
        columns = {
            **{name: whole(records[name]).take(rows) for name in ("position", "index")},
            "rule": pa.repeat(one.check.rule, count),
            "entity": pa.repeat(one.entity, count),
            "ref": one.refs.take(rows),
            "until": one.until.take(rows),
            "alone": pa.array(~shared[rows]),
        }
        tables.append(pa.table(columns).cast(ORPHANS))
    return tables


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


def _all_told(
    plan: CheckPlan, checked: pa.Table, bad: npt.NDArray[np.intp], undeclared: Mapping[int, str]
) -> list[Told]:
    """What is wrong with each of the rows."""
    reasons, fields, rules = (checked[name].take(bad).to_pylist() for name in ("reason", "field", "rule"))
    said = []
    for row, code, field, rule in zip(bad.tolist(), reasons, fields, rules, strict=True):
        reason = Reason(code)
        if reason is Reason.UNDECLARED:
            said.append(told(reason, undeclared.get(row)))
        else:
            said.append(Told(reason, field, plan.told(reason, field, rule), rule))
    return said
