"""The lake reader: what the writer put in, given back.

`read` restores the log's batches of a chain in their order, which is what a rebuild folds; `find` looks single records up,
opening only the blocks they lie in. Both take memory for a block of each file of one commit.

Compaction may replace what is being read. Replaced objects stay for a day; a reader that is slower still begins anew
behind what it has given.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import IntegrityError, NotFoundError
from mainstem.lake.commit import Chain, LakeCommit, LakeFile
from mainstem.lake.files import FileReader, RangedObject
from mainstem.lake.lake import Lake
from mainstem.lake.rows import ROWS
from mainstem.model import ENVELOPE, Lane, LogBatch, Place, Span

__all__ = ["Found", "LakeQuery", "LakeReader"]

# Commits looked up at once.
_COMMITS = 64


@dataclasses.dataclass(frozen=True, slots=True)
class LakeQuery:
    """Which records of a stream are wanted: those that fit everything given.

    `days` are received days, both included. Values are compared by their keyed hashes. `places` are of any chain.
    """

    source: str
    stream: str
    days: tuple[dt.date, dt.date] | None = None
    record_ids: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    partition_keys: Sequence[str] | None = None
    places: Sequence[Place] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Records of one block that fit, in `rows.ROWS` columns, in order of place."""

    chain: Chain
    rows: pa.Table


class LakeReader:
    """Safe to share between threads. Reading raises IntegrityError on damage, and UnavailableError."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def spans(self) -> Sequence[Span]:
        """What each chain holds, from its first position to its last, in order of chains."""
        positions = self._lake.manifest.positions()
        return [Chain(*chain).span(1, positions[chain]) for chain in sorted(positions) if positions[chain]]

    def read(self, epoch: int, partition: int, lane: Lane, after: int = 0) -> Iterator[LogBatch]:
        """The batches of a chain behind `after`, in rising positions, up to what is in the lake when it is reached."""
        chain = Chain(epoch, partition, lane)
        retried = -1
        while commits := self._lake.manifest.commits(chain, after, _COMMITS):
            try:
                for commit in commits:
                    if commit.span.first > after + 1:
                        raise IntegrityError(
                            f"The lake's chain {chain} has a gap between {after} and {commit.span.first}.",
                            hint="Run: mainstem lake verify",
                        )
                    for batch in self._commit(chain, commit, after):
                        yield batch
                        after = batch.position
                    after = commit.span.last
            except NotFoundError as error:
                if retried == after:
                    raise IntegrityError(
                        f"{error.message} A commit names it.", hint="Run: mainstem lake verify"
                    ) from error
                retried = after

    def find(self, query: LakeQuery) -> Iterator[Found]:
        """The records that fit, a block at a time, in order of place within a chain."""
        for commit in self._lake.manifest.files(query.source, query.stream, query.days):
            chain = Chain.of(commit.span)
            if query.places is not None and not any(_within(place, commit.span) for place in query.places):
                continue
            for file in commit.files:
                try:
                    yield from self._find_in(chain, file, query)
                except NotFoundError as error:
                    raise _missing(error) from error

    def open_file(self, chain: Chain, file: LakeFile, *, whole: bool) -> FileReader:
        """A file, fetched whole or by the ranges that are asked for."""
        source = self._lake.objects.get(file.path) if whole else RangedObject(self._lake.objects, file)
        return FileReader(self._lake.codec, chain, file, source)

    def _commit(self, chain: Chain, commit: LakeCommit, after: int) -> Iterator[LogBatch]:
        """The batches of a commit: its files, each in order of place, merged."""
        cursors = [_Cursor(self.open_file(chain, file, whole=True), after) for file in commit.files]
        while cursors := [cursor for cursor in cursors if cursor.load()]:
            # What may still grow by the next block of its file is not whole; all before it is.
            whole = min(cursor.whole_through(commit.span.last) for cursor in cursors)
            ready = [cursor.take(whole) for cursor in cursors]
            if not any(map(len, ready)):
                # One batch of the log fills blocks of its own.
                for cursor in cursors:
                    if cursor.whole_through(commit.span.last) == whole:
                        cursor.extend()
                continue
            yield from _batches(chain, pa.concat_tables(ready))

    def _find_in(self, chain: Chain, file: LakeFile, query: LakeQuery) -> Iterator[Found]:
        codec = self._lake.codec
        wanted: dict[str, pa.Array] = {}
        for column, values in (
            ("record_id", query.record_ids),
            ("key", query.keys),
            ("partition_key", query.partition_keys),
        ):
            if values is not None:
                hashes = [codec.value_hash(column, file.key, value) for value in values]
                wanted[f"{column}_hash"] = pa.array(hashes, pa.binary(16))
        reader = self.open_file(chain, file, whole=False)
        for block in range(reader.blocks):
            clear = reader.clear(block, ["position", "index", *wanted])
            fits = np.ones(len(clear), dtype=bool)
            for name, hashes in wanted.items():
                fits &= pc.is_in(clear.column(name), value_set=hashes).to_numpy()
            if query.places is not None:
                fits &= _placed(chain, clear, query.places)
            if fits.any():
                yield Found(chain, reader.read(block).take(pa.array(np.flatnonzero(fits))))


class _Cursor:
    """One file of a commit on the way through it."""

    def __init__(self, reader: FileReader, after: int) -> None:
        self._reader = reader
        self._rows = ROWS.empty_table()
        self._block = 0
        self._after = after
        while self._block < reader.blocks and reader.last_position(self._block) <= after:
            self._block += 1

    def load(self) -> bool:
        """Have rows, from the next block if need be; False at the file's end."""
        while not len(self._rows) and self._block < self._reader.blocks:
            self.extend()
            self.take(self._after)
        return len(self._rows) > 0

    def extend(self) -> None:
        """Have the next block's rows too."""
        self._rows = pa.concat_tables([self._rows, self._reader.read(self._block)])
        self._block += 1

    def whole_through(self, end: int) -> int:
        """The last position of which this file's rows are all here."""
        if self._block == self._reader.blocks:
            return end
        return int(self._rows.column("position")[-1].as_py()) - 1

    def take(self, through: int) -> pa.Table:
        """The rows up to a position, which are then no longer here."""
        count = int(np.searchsorted(self._rows.column("position").to_numpy(), through, side="right"))
        taken, self._rows = self._rows.slice(0, count), self._rows.slice(count)
        return taken


def _batches(chain: Chain, rows: pa.Table) -> Iterator[LogBatch]:
    """Rows of whole positions as the batches they came in."""
    positions, indices = rows.column("position").to_numpy(), rows.column("index").to_numpy()
    order = np.lexsort((indices, positions))
    if (order[1:] < order[:-1]).any():
        rows, positions, indices = rows.take(pa.array(order)), positions[order], indices[order]
    starts = np.flatnonzero(np.concatenate([[True], positions[1:] != positions[:-1]]))
    ends = [*starts[1:], len(positions)]
    if (indices != np.arange(len(positions)) - np.repeat(starts, np.diff([*starts, len(positions)]))).any():
        raise IntegrityError(
            f"Records of the lake's chain {chain} between {positions[0]} and {positions[-1]} are missing or twice.",
            hint="Run: mainstem lake verify --deep",
        )
    records = rows.select(ENVELOPE.names).combine_chunks().to_batches()[0]
    received_at = rows.column("received_at")
    for start, end in zip(starts, ends, strict=True):
        yield LogBatch(
            chain.epoch,
            chain.partition,
            chain.lane,
            int(positions[start]),
            received_at[int(start)].as_py(),
            records.slice(int(start), int(end - start)),
        )


def _missing(error: NotFoundError) -> IntegrityError:
    return IntegrityError(f"{error.message} A commit names it.", hint="Run: mainstem lake verify")


def _within(place: Place, span: Span) -> bool:
    return (place.epoch, place.partition, place.lane) == (span.epoch, span.partition, span.lane) and (
        span.first <= place.position <= span.last
    )


def _placed(chain: Chain, clear: pa.Table, places: Sequence[Place]) -> npt.NDArray[np.bool_]:
    """Which rows have one of the places."""
    wanted = {
        (place.position, place.index) for place in places if Chain(place.epoch, place.partition, place.lane) == chain
    }
    positions, indices = clear.column("position").to_numpy(), clear.column("index").to_numpy()
    fits = np.isin(positions, [position for position, _ in wanted])
    for row in np.flatnonzero(fits):
        fits[row] = (int(positions[row]), int(indices[row])) in wanted
    return fits
