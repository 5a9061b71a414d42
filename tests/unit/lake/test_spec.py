"""`docs/specs/lake.md` is enough to read the lake: a reader written from it alone, in plain Python."""

from __future__ import annotations

import datetime as dt
import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from mainstem.lake import Chain, FileKey
from mainstem.lake.files import FILE, FileBuilder, FileCodec
from mainstem.lake.rows import join_batches
from mainstem.lake.settings import LakeSettings
from mainstem.model import Lane, LogBatch
from mainstem.privacy import Keyring
from mainstem.testing.envelopes import make_records

SPEC = Path(__file__).parents[3] / "docs" / "specs" / "lake.md"
NOON = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _file(keyring: Keyring, **values: Any) -> tuple[bytes, int, pa.RecordBatch]:
    codec = FileCodec(keyring.sealer, keyring.hasher, LakeSettings())
    builder = FileBuilder(codec, Chain(7, 3, Lane.BULK), FileKey("shop", "orders", NOON.date(), 1))
    records = make_records(5, partition=3, start=100, **values)
    builder.add(join_batches([LogBatch(7, 3, Lane.BULK, 41, NOON, records)]))
    file, data = builder.finish(Chain(7, 3, Lane.BULK).span(40, 41))
    return data, file.row_sum, records


def _block(data: bytes, rows: int) -> dict[str, list[Any]]:
    """The sealed columns but the payload, after the page's section on blocks."""
    magic, count = struct.unpack_from("<4sI", data)
    assert (magic, count) == (b"MSB1", rows)
    at = 8
    names = ("record_id", "key", "partition_key", "delivery")
    lengths = {}
    for name in names:
        lengths[name] = struct.unpack_from(f"<{rows}i", data, at)
        at += 4 * rows
    differences = struct.unpack_from(f"<{rows}I", data, at)
    at += 4 * rows
    indices, last = [], 0
    for difference in differences:
        last = (last + difference) % 2**32
        indices.append(last)
    columns: dict[str, list[Any]] = {"delivery_index": indices}
    for name in names:
        columns[name] = []
        for length in lengths[name]:
            columns[name].append(None if length < 0 else data[at : at + length].decode())
            at += max(length, 0)
    return columns


def _micros(at: dt.datetime | None) -> int:
    return 0 if at is None else (at - EPOCH) // dt.timedelta(microseconds=1)


def _row_value(row: dict[str, Any]) -> bytes:
    """What a row's hash is of, after the page's section on row sums."""
    names = (
        *("source", "stream", "op", "origin", "content_type"),
        *("record_id", "key", "partition_key", "delivery", "payload"),
    )
    values = [row[name].encode() if isinstance(row[name], str) else row[name] for name in names]
    return struct.pack(
        ">ihbqIqiHbqqI10i",
        *(7, 3, 1, row["position"], row["index"], _micros(row["received_at"]), row["contract_version"], row["slot"]),
        *(row["occurred_at"] is not None, _micros(row["occurred_at"]), _micros(row["observed_at"])),
        row["delivery_index"],
        *(-1 if value is None else len(value) for value in values),
    ) + b"".join(value or b"" for value in values)


def test_a_file_is_read_by_the_page_alone(keyring: Keyring) -> None:
    for values in ({}, {"occurred_at": None, "record_id": None, "key": "ключ\0", "payload": b""}):
        data, row_sum, records = _file(keyring, **values)
        parquet = pq.ParquetFile(pa.BufferReader(data))
        assert parquet.metadata.metadata[b"mainstem.lake.format"] == b"1"
        clear = parquet.read().to_pylist()
        assert [row["sealed"] is None for row in clear] == [False, True, True, True, True]
        context = b"lake.block\0shop\0orders\x001\x007-p3-bulk\x0041-0\x0041-4\x005"
        block = zstandard.decompress(keyring.sealer.open(clear[0]["sealed"], context))
        sealed = _block(block, 5)
        total = 0
        for number, (row, expected) in enumerate(zip(clear, records.to_pylist(), strict=True)):
            row |= {name: column[number] for name, column in sealed.items()}
            row["payload"] = block[row["offset"] : row["offset"] + row["length"]]
            assert {name: row[name] for name in expected} == expected
            assert (row["epoch"], row["partition"], row["lane"], row["block"]) == (7, 3, "bulk", 0)
            assert (row["position"], row["index"], row["received_at"]) == (41, number, NOON)
            for name in ("record_id", "key", "partition_key", "delivery"):
                purpose = f"lake.{name}\0shop\0orders".encode()
                value = row[name]
                hashed = None if value is None else keyring.hasher.digest(purpose, [value])
                assert row[f"{name}_hash"] == hashed
            total += int.from_bytes(keyring.hasher.digest(b"lake.row.1", [_row_value(row)]), "big")
        assert total % 2**128 == row_sum


def test_the_page_names_every_column_in_order() -> None:
    table = SPEC.read_text().split("| column | type | meaning |")[1].split("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]
    assert named == FILE.names
