"""Which records a contract's policy discards: never in silence, they are a state of their own in the ledger."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import CheckPlan, Reason
from mainstem.processing.columns import whole
from mainstem.processing.drift.effects import DISCARDED

__all__ = ["discarded_rows", "discards_of"]


def discarded_rows(plan: CheckPlan, checked: pa.Table) -> npt.NDArray[np.bool_]:
    """A mask over rows of `CheckPlan.run`."""
    found = np.zeros(checked.num_rows, np.bool_)
    if not plan.may_discard:
        return found
    for pair in checked.select(["reason", "field"]).group_by(["reason", "field"]).aggregate([]).to_pylist():
        reason, field = pair["reason"], pair["field"]
        if reason is not None and plan.discards(Reason(reason), field):
            of_field = checked["field"].is_null() if field is None else pc.equal(checked["field"], field)
            mask = pc.and_(pc.equal(checked["reason"], reason), of_field).fill_null(False)
            found |= np.asarray(whole(mask))
    return found


def discards_of(source: str, stream: str, records: pa.Table) -> pa.Table:
    """Records as `Effects.discarded` has them."""
    columns = [pa.repeat(source, records.num_rows), pa.repeat(stream, records.num_rows), records["received_at"]]
    return pa.Table.from_arrays(columns, schema=DISCARDED)
