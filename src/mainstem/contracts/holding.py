"""Which checked records are held: they fail a check that holds, and nothing worse."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.contracts.plan import Check, CheckPlan
from mainstem.contracts.reasons import Reason

__all__ = ["Held", "held_rows"]

Mask = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """`rows` is the mask of those that are held."""

    rows: Mask
    failed: Sequence[tuple[Check, Mask]]

    def by(self, row: int) -> list[Check]:
        """The checks that hold a row, in the order of the contract."""
        return [check for check, failed in self.failed if failed[row]]


def held_rows(
    plan: CheckPlan,
    checked: pa.Table,
    released: Collection[str] = (),
    orphans: Sequence[tuple[Check, Mask]] = (),
) -> Held:
    """Of a result of `CheckPlan.run`: what is held, but for the checks named in `released`.

    `orphans` are rows whose parents are not known, by the check that says so: they wait.

    A record with a defect is not held: it has to be mended first. One that a policy would discard is, so that nobody's
    word is asked for in vain.
    """
    rows = np.zeros(checked.num_rows, np.bool_)
    failed = [one for one in (*plan.holds(checked), *orphans) if one[0].rule not in released]
    for _, mask in failed:
        rows |= mask
    torn = np.flatnonzero(rows & np.asarray(checked["reason"].is_valid()))
    for row in torn.tolist():
        reason, field = checked["reason"][row].as_py(), checked["field"][row].as_py()
        rows[row] = plan.discards(Reason(reason), field)
    return Held(rows, failed)
