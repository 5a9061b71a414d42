"""A batch of events added up by customer and bucket.

Everything is numbers: customers and values become small ones by a dictionary, buckets by division, and rows come together
by sorting these (`Groups`). Metrics that measure the same rows in buckets of one length share the sorting. DuckDB is asked
for conditions only, all of them in one pass.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Hashable, Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.metrics.definition import Measure, Metric
from mainstem.metrics.grouping import Groups, Ints
from mainstem.metrics.journey import Subject, Track
from mainstem.metrics.numbers import ONE, Billionths, billionths
from mainstem.metrics.state import encode_distinct, encode_edges, encode_extremes
from mainstem.metrics.transfer import fixed_bytes
from mainstem.model import SHARDS
from mainstem.model.sketch import Hashes

__all__ = ["Batch", "Changes", "Entries", "Moments", "best_rows"]

_NO_HASH = pa.scalar(bytes(16), pa.binary(16))
_HASH_BYTES = 8
_GREATER = {Measure.MAX, Measure.LAST}


@dataclasses.dataclass(frozen=True, slots=True)
class Entries:
    """Values of sets, flat, ordered by set and hash: how often each is in which set."""

    sets: Ints
    values: Ints
    """The value's number among `hashes`."""
    counts: Ints
    hashes: Hashes
    """Of all values, rising."""

    @classmethod
    def of(cls, sets: Ints, values: Ints, counts: Ints | None, hashes: Hashes) -> Entries:
        """Add up values in sets; each counts once where there are no counts."""
        many = max(len(hashes), 1)
        pairs = Groups.by(sets * many + values)
        summed = pairs.sizes() if counts is None else pairs.total(counts)
        return cls(pairs.keys // many, pairs.keys % many, summed, hashes)

    def joined(self, sets: Ints) -> Entries:
        """The entries of sets that several of these come together in: `sets` has for each of these its set's number."""
        return Entries.of(sets[self.sets], self.values, self.counts, self.hashes)

    def states(self, total: int) -> pa.Array:
        """The states of `total` sets."""
        return encode_distinct(self.sets, self.hashes[self.values], self.counts, total)


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What a batch changes in one metric's cells; all of one length. Times in microseconds."""

    owners: Ints
    """The customer's number in the batch."""
    buckets: Ints
    shards: Ints
    """Where each goes in sums over customers."""
    first_at: Ints
    last_at: Ints
    last_rows: Ints
    """The last of the batch's rows that is counted in each."""
    numbers: Billionths
    states: pa.Array
    """Null for a count or a sum."""
    entries: Entries | None
    """Of a distinct count."""

    def __len__(self) -> int:
        return len(self.owners)


@dataclasses.dataclass(frozen=True, slots=True)
class Moments:
    """What a batch changes in one track; all of one length."""

    refs: pa.Array
    """The subjects'."""
    buckets: Ints
    """Times in microseconds."""
    states: pa.Array


class Batch:
    """The events of one batch, in `processing.EVENT_EFFECTS` columns, at least one."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: pa.Table,
        metrics: Sequence[Metric | Track],
        *,
        taken_back: bool,
    ) -> None:
        self._rows = rows
        self._sign = -1 if taken_back else 1
        self._us = rows["occurred_at"].cast(pa.int64()).to_numpy()
        self._shards = (rows["slot"].to_numpy() % SHARDS).astype(np.int64)
        self.refs, self._owners = _numbered(rows["customer"])
        self._conditions = _judged(connection, rows, {m.condition for m in metrics if m.condition is not None})
        self._selections: dict[Hashable, Ints | None] = {}
        self._groups: dict[Hashable, Groups] = {}
        self._subjects = {Subject.CUSTOMER: (self.refs, self._owners)}

    def changes(self, metric: Metric) -> Changes:
        """The changes of a metric's cells, by customer and bucket.

        A customer whose events lie in several slots (the stream's partition key is another) goes to one of their shards:
        all slots of a batch belong to one partition, and so all their shards to one writer.
        """
        selection = self._selection(metric, metric.value)
        chosen = self._selections[selection]
        rows: Any = slice(None) if chosen is None else chosen
        buckets = self._us[rows] // _microseconds(metric.bucket.length)
        first = int(buckets.min()) if len(buckets) else 0
        span = int(buckets.max()) - first + 1 if len(buckets) else 1
        key = (selection, metric.bucket)
        if key not in self._groups:
            self._groups[key] = Groups.by(self._owners[rows] * span + (buckets - first))
        groups = self._groups[key]
        numbers: Billionths = np.zeros(len(groups), np.int64)
        states, entries = pa.nulls(len(groups), pa.binary()), None
        if metric.measure is Measure.COUNT:
            numbers = groups.sizes() * (ONE * self._sign)
        elif metric.measure is Measure.SUM:
            numbers = groups.total(billionths(self._column(metric, chosen))) * self._sign
        elif metric.measure is Measure.DISTINCT:
            hashes, values = _hashed(self._column(metric, chosen))
            entries = Entries.of(groups.of_rows(), values, None, hashes)
            if self._sign < 0:
                entries = dataclasses.replace(entries, counts=-entries.counts)
            states = entries.states(len(groups))
        elif len(groups):
            every = self._ordered(metric, chosen, self._us[rows])
            best = best_rows(metric.measure, every, groups.of_rows(), len(groups))
            states = every.take(pa.array(best))
            values = self._column(metric, chosen)
            if pa.types.is_decimal(values.type):
                numbers = billionths(values.take(pa.array(best)))
        return Changes(
            owners=groups.keys // span,
            buckets=(groups.keys % span + first) * _microseconds(metric.bucket.length),
            shards=groups.least(self._shards[rows]),
            first_at=groups.least(self._us[rows]),
            last_at=groups.greatest(self._us[rows]),
            last_rows=groups.greatest(np.arange(len(self._us)) if chosen is None else chosen),
            numbers=numbers,
            states=states,
            entries=entries,
        )

    def moments(self, track: Track) -> Moments:
        """The changes of a track, by subject and bucket; of a subject that an event does not name there are none."""
        selection = self._selection(track, track.subject if track.subject is Subject.PERSON else None)
        chosen = self._selections[selection]
        rows: Any = slice(None) if chosen is None else chosen
        refs, owners = self._subject(track.subject)
        at, length = self._us[rows], _microseconds(track.resolution.bucket)
        buckets = at // length
        first = int(buckets.min()) if len(buckets) else 0
        span = int(buckets.max()) - first + 1 if len(buckets) else 1
        key = (selection, track.subject, length)
        if key not in self._groups:
            self._groups[key] = Groups.by(owners[rows] * span + (buckets - first))
        groups = self._groups[key]
        different, numbers = np.unique(at // _microseconds(track.resolution.length), return_inverse=True)
        entries = Entries.of(groups.of_rows(), numbers, None, different.astype(np.uint64))
        if self._sign < 0:
            entries = dataclasses.replace(entries, counts=-entries.counts)
        return Moments(
            refs=refs.take(pa.array(groups.keys // span)),
            buckets=(groups.keys % span + first) * length,
            states=entries.states(len(groups)),
        )

    def _subject(self, subject: Subject) -> tuple[pa.Array, Ints]:
        """The different references of subjects, and the number of each row's among them."""
        if subject not in self._subjects:
            self._subjects[subject] = _numbered(pc.fill_null(self._rows[subject], _NO_HASH))
        return self._subjects[subject]

    def _selection(self, metric: Metric | Track, needed: str | None) -> Hashable:
        """The name of the set of rows that are measured; which rows those are is kept under it, None for all.

        `needed` is a column that must have a value.
        """
        present = None if needed is None or not self._rows[needed].null_count else needed
        name = (present, metric.condition, metric.since)
        if name not in self._selections:
            masks = []
            if present is not None:
                masks.append(self._rows[present].is_valid().to_numpy())
            if metric.condition is not None:
                masks.append(self._conditions[metric.condition])
            if metric.since is not None:
                masks.append(pc.greater_equal(self._rows["received_at"], pa.scalar(metric.since)).to_numpy())
            self._selections[name] = np.flatnonzero(np.logical_and.reduce(masks)) if masks else None
        return name

    def _column(self, metric: Metric, chosen: Ints | None) -> pa.Array:
        """The values measured."""
        column = self._rows[metric.value].combine_chunks()
        return column if chosen is None else column.take(pa.array(chosen))

    def _ordered(self, metric: Metric, chosen: Ints | None, at: Ints) -> pa.Array:
        """The state of a min, max, first or last that each row alone would make."""
        ties = pc.fill_null(self._rows["record_hash"].combine_chunks(), _NO_HASH)
        if chosen is not None:
            ties = ties.take(pa.array(chosen))
        encode = encode_extremes if metric.measure in {Measure.MIN, Measure.MAX} else encode_edges
        return encode(metric.measure, self._column(metric, chosen), at, ties)


def best_rows(measure: Measure, states: pa.Array, groups: Ints, total: int) -> Ints:
    """The row of each of `total` groups whose state is the least or the greatest."""
    keyed = pa.table({"group": groups, "state": states})
    order = pc.sort_indices(keyed, sort_keys=[("group", "ascending"), ("state", "ascending")]).to_numpy()
    ordered = groups[order]
    if measure in _GREATER:
        places = np.searchsorted(ordered, np.arange(total), side="right") - 1
    else:
        places = np.searchsorted(ordered, np.arange(total), side="left")
    best: Ints = order[places].astype(np.int64)
    return best


def _numbered(column: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """The different references of a column in rising order, and the number of each row's among them."""
    encoded = column.combine_chunks().dictionary_encode()
    halves = fixed_bytes(encoded.dictionary).view(">u8")
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), numbers[encoded.indices.to_numpy()]


def _judged(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, conditions: set[str]
) -> dict[str, npt.NDArray[np.bool_]]:
    """For which rows each condition is true."""
    if not conditions:
        return {}
    texts = sorted(conditions)
    columns = ", ".join(f"coalesce(({text}), false) AS c{number}" for number, text in enumerate(texts))
    connection.register("events", rows)
    try:
        judged = connection.execute(f"SELECT {columns} FROM events").to_arrow_table()
    finally:
        connection.unregister("events")
    return {text: judged[f"c{number}"].to_numpy() for number, text in enumerate(texts)}


def _hashed(column: pa.Array) -> tuple[Hashes, Ints]:
    """The hashes of the different values of a column, rising, and the number of each row's among them."""
    encoded = column.dictionary_encode()
    values = encoded.dictionary
    if pa.types.is_fixed_size_binary(values.type):
        # Persons are keyed hashes already.
        hashes = fixed_bytes(values)[:, :_HASH_BYTES]
    else:
        if pa.types.is_decimal(values.type):
            texts = [f"{value:.9f}".encode() for value in values.to_pylist()]
        else:
            texts = values.cast(pa.binary()).to_pylist()
        joined = b"".join([hashlib.sha256(text).digest()[:_HASH_BYTES] for text in texts])
        hashes = np.frombuffer(joined, np.uint8).reshape(-1, _HASH_BYTES)
    found = np.ascontiguousarray(hashes).view(">u8").reshape(-1).astype(np.uint64)
    ordered = np.sort(found)
    return ordered, np.searchsorted(ordered, found)[encoded.indices.to_numpy()]


def _microseconds(length: dt.timedelta) -> int:
    return length // dt.timedelta(microseconds=1)
