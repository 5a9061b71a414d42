"""Whatever the envelope allows comes back from a file byte for byte, and nothing of it can be read without the keys."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mainstem.lake.block import decode_block, encode_block
from mainstem.lake.commit import Chain, FileKey
from mainstem.lake.files import FILE, HASHED, FileBuilder, FileCodec, FileReader
from mainstem.lake.rows import ROWS, join_batches, row_hashes, split_rows
from mainstem.lake.settings import LakeSettings
from mainstem.model import ENVELOPE, Lane, LogBatch
from mainstem.privacy import Hasher, Sealer
from mainstem.privacy.sealing import new_keyset
from mainstem.testing.envelopes import envelope_rows

SEALER, HASHER = Sealer(new_keyset()), Hasher(os.urandom(32))
CHAIN = Chain(3, 1, Lane.BULK)
NOON = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)

batches_of_rows = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 40), st.lists(envelope_rows(), min_size=1, max_size=12)),
    min_size=1,
    max_size=6,
)


def _batches(drawn: list[tuple[int, int, list[dict[str, Any]]]]) -> list[LogBatch]:
    """Batches at rising positions, some left out, received at rising times over some days."""
    batches = []
    position, received_at = 0, NOON
    for step, hours, rows in drawn:
        position += step
        received_at += dt.timedelta(hours=hours, microseconds=1)
        records = pa.RecordBatch.from_pylist(rows, schema=ENVELOPE)
        batches.append(LogBatch(CHAIN.epoch, CHAIN.partition, CHAIN.lane, position, received_at, records))
    return batches


def _files(codec: FileCodec, batches: list[LogBatch]) -> list[tuple[FileKey, FileReader, int, bytes]]:
    builders: dict[FileKey, FileBuilder] = {}
    for batch in batches:
        for key, rows in split_rows(join_batches([batch])):
            if key not in builders:
                builders[key] = FileBuilder(codec, CHAIN, key)
            builders[key].add(rows)
    files = []
    for key, builder in builders.items():
        file, data = builder.finish(CHAIN.span(1, batches[-1].position))
        assert file.key == key
        files.append((key, FileReader(codec, CHAIN, file, data), file.row_sum, data))
    return files


@settings(max_examples=25, deadline=None)
@given(drawn=batches_of_rows, block_records=st.integers(1, 9), block_bytes=st.integers(1, 3000))
def test_rows_come_back_from_files_as_they_were(
    drawn: list[tuple[int, int, list[dict[str, Any]]]], block_records: int, block_bytes: int
) -> None:
    batches = _batches(drawn)
    codec = FileCodec(SEALER, HASHER, LakeSettings(block_records=block_records, block_bytes=block_bytes))
    given_rows = join_batches(batches)
    back = []
    for key, reader, row_sum, data in _files(codec, batches):
        blocks = [reader.read(block) for block in range(reader.blocks)]
        rows = pa.concat_tables(blocks)
        assert rows.schema.equals(ROWS)
        assert all(len(block) <= block_records for block in blocks)
        assert HASHER.row_sum(row_hashes(HASHER, CHAIN, rows)) == row_sum
        assert {found for found, _ in split_rows(rows)} == {key}
        assert sorted(rows.column("position").to_pylist()) == rows.column("position").to_pylist()
        _check_clear(codec, key, rows, pq.read_table(pa.BufferReader(data)))
        back.append(rows)
    order = [("position", "ascending"), ("index", "ascending")]
    assert pa.concat_tables(back).sort_by(order).combine_chunks().equals(given_rows.combine_chunks())


def _check_clear(codec: FileCodec, key: FileKey, rows: pa.Table, clear: pa.Table) -> None:
    """The clear columns say what the record says; values stand there as keyed hashes only."""
    assert clear.schema.equals(FILE)
    for name in set(FILE.names) & set(ROWS.names):
        assert clear.column(name).to_pylist() == rows.column(name).to_pylist()
    for name in HASHED:
        values = rows.column(name).to_pylist()
        hashes = [None if value is None else codec.value_hash(name, key, value) for value in values]
        assert clear.column(f"{name}_hash").to_pylist() == hashes


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(envelope_rows(), min_size=1, max_size=20), first=st.integers(0, 10))
def test_a_row_is_a_slice_of_its_block(rows: list[dict[str, Any]], first: int) -> None:
    table = pa.Table.from_pylist(rows, schema=ENVELOPE).slice(min(first, len(rows) - 1))
    data, offsets, lengths = encode_block(table)
    for payload, offset, length in zip(table.column("payload").to_pylist(), offsets, lengths, strict=True):
        assert data[offset : offset + length] == payload
    for name, column in decode_block(data, lengths).items():
        assert column.equals(table.column(name).combine_chunks()), name


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(envelope_rows(), min_size=1, max_size=3), data=st.data())
@example(rows=[], data=None)
def test_a_rows_hash_changes_with_every_part_of_it(rows: list[dict[str, Any]], data: Any) -> None:
    if not rows:
        # Values that join to the same text are told apart by their lengths.
        left = _row(record_id="ab", key="c")
        right = _row(record_id="a", key="bc")
        assert _hash(left) != _hash(right)
        assert _hash(_row(key=None)) != _hash(_row(key=""))
        return
    before = pa.table([*_batches([(1, 0, rows)])[0].records.columns], schema=ENVELOPE)
    name = data.draw(st.sampled_from(ENVELOPE.names))
    other = data.draw(envelope_rows())
    changed = [{**rows[0], name: other[name]}, *rows[1:]]
    after = pa.Table.from_pylist(changed, schema=ENVELOPE)
    same = before.slice(0, 1).equals(after.slice(0, 1))
    assert (_hash(before) == _hash(after)) == same


def _row(**values: Any) -> pa.Table:
    row = {
        "source": "shop", "stream": "orders", "contract_version": 1, "record_id": "r", "key": "k", "partition_key": "p",
        "slot": 1, "op": "event", "occurred_at": NOON, "observed_at": NOON, "origin": "api", "delivery": "d",
        "delivery_index": 0, "content_type": "application/json", "payload": b"{}", **values,
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=ENVELOPE)


def _hash(rows: pa.Table) -> bytes:
    batch = LogBatch(1, 0, Lane.LIVE, 1, NOON, rows.combine_chunks().to_batches()[0])
    hashed: bytes = row_hashes(HASHER, Chain(1, 0, Lane.LIVE), join_batches([batch]))[0].as_py()
    return hashed
