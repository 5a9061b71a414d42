"""What the checks found, counted by source, stream, contract version and received day."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mainstem.model import sketch

__all__ = ["StreamCounts", "joined"]

Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class StreamCounts:
    """Counts of the copies of one stream that were received on one day and checked by one contract version.

    `record` (6): checked, incomplete, invalid, inconsistent, with a time that lateness can be judged by, late.
    `counts` (4 times as many as `fields`): checked, missing, invalid, inconsistent. `distinct` (fields x FIELD_REGISTERS): the
    sketches of their values. See docs/guides/quality.md.
    """

    source: str
    stream: str
    contract_version: int
    day: dt.date
    fields: tuple[str, ...]
    record: Counts
    counts: Counts
    distinct: sketch.Registers

    @property
    def key(self) -> tuple[str, str, int, dt.date]:
        """What tells it from others; of equal keys the fields are equal too."""
        return self.source, self.stream, self.contract_version, self.day


def joined(counts: Iterable[StreamCounts]) -> list[StreamCounts]:
    """Each key once, added up, in the order of the keys."""
    found: dict[tuple[str, str, int, dt.date], StreamCounts] = {}
    for one in counts:
        known = found.get(one.key)
        if known is not None:
            one = dataclasses.replace(  # noqa: PLW2901 - the sum takes its place
                one,
                record=known.record + one.record,
                counts=known.counts + one.counts,
                distinct=sketch.merged(known.distinct, one.distinct),
            )
        found[one.key] = one
    return [found[key] for key in sorted(found)]
