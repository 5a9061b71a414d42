"""What a batch of events changes in cells and tracks: added up for each, not yet applied."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.metrics.definition import Series

__all__ = ["CELL_DELTAS", "ROLLUP_DELTAS", "TRACK_DELTAS", "CellDeltas"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_CHANGE = (
    # What is added for a count or a sum; the value measured for min, max, first and last of a number; 0 otherwise.
    pa.field("value", pa.decimal128(38, 9), nullable=False),
    # Null for a count or a sum.
    pa.field("state", pa.binary()),
    pa.field("first_at", _TIMESTAMP, nullable=False),
    pa.field("last_at", _TIMESTAMP, nullable=False),
    # The change takes back what the measure cannot: the cell has to be computed anew from its records.
    pa.field("dirty", pa.bool_(), nullable=False),
)

CELL_DELTAS = pa.schema(
    [
        pa.field("ref", pa.binary(16), nullable=False),
        pa.field("series", pa.int64(), nullable=False),
        pa.field("bucket", _TIMESTAMP, nullable=False),
        *_CHANGE,
        # Where the last record that changes the cell lies in the span (of a correction: its decision).
        pa.field("position", pa.int64(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
    ]
)
"""Changes of cells, each once in a layer."""

ROLLUP_DELTAS = pa.schema(
    [
        pa.field("series", pa.int64(), nullable=False),
        pa.field("grain", pa.string(), nullable=False),
        pa.field("bucket", _TIMESTAMP, nullable=False),
        pa.field("shard", pa.int16(), nullable=False),
        *_CHANGE,
    ]
)
"""Changes of sums over all customers; `grain` is hour or day, `shard` the slot modulo 16."""

TRACK_DELTAS = pa.schema(
    [
        pa.field("series", pa.int64(), nullable=False),
        pa.field("bucket", _TIMESTAMP, nullable=False),
        pa.field("ref", pa.binary(16), nullable=False),
        # How many moments there are; not known before the merge.
        pa.field("value", pa.decimal128(38, 9), nullable=False),
        pa.field("state", pa.binary(), nullable=False),
        pa.field("dirty", pa.bool_(), nullable=False),
    ]
)
"""Changes of tracks, each once in a layer; `ref` is a subject's."""


@dataclasses.dataclass(frozen=True, slots=True)
class CellDeltas:
    """Changes of cells, rollups and tracks, each key once, and the series they belong to."""

    series: tuple[Series, ...]
    cells: pa.Table
    rollups: pa.Table
    taken_back: bool = False
    """The changes take back what was in effect."""
    more: tuple[CellDeltas, ...] = ()
    """Changes of the same series again (two versions of a contract in one batch), to be merged after these."""
    tracks: pa.Table = dataclasses.field(default_factory=TRACK_DELTAS.empty_table)

    @classmethod
    def none(cls) -> CellDeltas:
        """No change."""
        return cls((), CELL_DELTAS.empty_table(), ROLLUP_DELTAS.empty_table())

    @classmethod
    def joined(cls, parts: Iterable[CellDeltas]) -> CellDeltas:
        """All changes of several deltas, to be merged in one call."""
        first: list[CellDeltas] = []
        later: list[CellDeltas] = []
        seen: set[int] = set()
        for part in (layer for several in parts for layer in several.layers()):
            ids = {one.id for one in part.series}
            fits = not seen & ids and (not first or first[0].taken_back == part.taken_back)
            (first if fits else later).append(part)
            seen |= ids
        if not first:
            return cls.none()
        return cls(
            tuple(one for part in first for one in part.series),
            pa.concat_tables([part.cells for part in first]),
            pa.concat_tables([part.rollups for part in first]),
            first[0].taken_back,
            (cls.joined(later),) if later else (),
            pa.concat_tables([part.tracks for part in first]),
        )

    def layers(self) -> Iterator[CellDeltas]:
        """The deltas one after another, each without `more`."""
        yield dataclasses.replace(self, more=())
        for part in self.more:
            yield from part.layers()

    def days(self) -> set[dt.date]:
        """The days that cells lie in: what partitions have to be there for."""
        found = [pc.unique(pc.floor_temporal(part.cells["bucket"], unit="day")) for part in self.layers()]
        return {instant.date() for days in found for instant in days.to_pylist()}
