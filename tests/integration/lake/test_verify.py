"""Whatever is done to the lake behind our back is found, and said by kind and place."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.errors import IntegrityError
from mainstem.lake import VerifyReport, compact, verify
from mainstem.lake.files import FILE
from mainstem.model import Lane
from mainstem.testing.lake_harness import LakeHarness


@pytest.fixture
def filled(harness: LakeHarness) -> LakeHarness:
    for step in range(3):
        harness.append(30, start=30 * step)
        harness.append(10, stream="users", lane=Lane.BULK, start=10 * step)
        harness.clock.advance(dt.timedelta(hours=1))
    writer = harness.writer("a", block_records=20)
    writer.drain()
    writer.stop()
    return harness


def _file(harness: LakeHarness, stream: str = "orders") -> Path:
    commits = harness.lake().manifest.files("shop", stream)
    return harness.root / commits[0].files[0].path


def _kinds(report: VerifyReport) -> set[str]:
    return {problem.kind for problem in report.problems}


def _rewrite(harness: LakeHarness, change: Callable[[pa.Table], pa.Table], *, groups: int = 20) -> None:
    """Change rows of a file, and the manifest so that it speaks of the new bytes: only row hashes can tell."""
    path = _file(harness)
    table = change(pq.read_table(path, partitioning=None))
    assert table.schema.equals(FILE)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, FILE) as writer:
        for start in range(0, len(table), groups):
            writer.write_table(table.slice(start, groups), row_group_size=groups)
    data = sink.getvalue().to_pybytes()
    path.write_bytes(data)
    harness.execute(
        "UPDATE lake_file SET bytes = %s, content_hash = %s WHERE path = %s",
        len(data),
        hashlib.sha256(data).hexdigest(),
        str(path.relative_to(harness.root)),
    )


def _swap(table: pa.Table, columns: list[str], left: int, right: int) -> pa.Table:
    order = list(range(len(table)))
    order[left], order[right] = order[right], order[left]
    for name in columns:
        number = FILE.get_field_index(name)
        table = table.set_column(number, FILE.field(number), table.column(name).take(pa.array(order)))
    return table


def test_a_whole_lake_is_whole(filled: LakeHarness) -> None:
    report = verify(filled.lake(), deep=True, log=filled.log)
    assert report.problems == []
    assert (report.commits, report.files, report.rows) == (2, 2, 120)


def test_the_harness_rewriting_nothing_changes_nothing(filled: LakeHarness) -> None:
    _rewrite(filled, lambda table: table)
    # Only the descriptor still speaks of the old bytes.
    assert _kinds(verify(filled.lake(), deep=True, log=filled.log)) == {"descriptor"}


def test_every_flipped_byte_is_found(filled: LakeHarness) -> None:
    path = _file(filled)
    data = path.read_bytes()
    for at in range(0, len(data), len(data) // 15):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert "bytes" in _kinds(verify(filled.lake()))
        assert "bytes" in _kinds(verify(filled.lake(), deep=True))
    path.write_bytes(data)
    assert verify(filled.lake(), deep=True).whole


def test_a_removed_file_and_a_removed_descriptor_are_found(filled: LakeHarness) -> None:
    path = _file(filled)
    path.rename(path.with_suffix(".gone"))
    report = verify(filled.lake())
    assert [(problem.kind, problem.where) for problem in report.problems] == [
        ("missing", str(path.relative_to(filled.root)))
    ]
    path.with_suffix(".gone").rename(path)
    for descriptor in filled.files("commits"):
        (filled.root / descriptor).unlink()
    assert _kinds(verify(filled.lake())) == {"missing"}


def _replaced(name: str, values: list[object]) -> Callable[[pa.Table], pa.Table]:
    number = FILE.get_field_index(name)
    array = pa.array(values, FILE.field(number).type.value_type if name == "lane" else FILE.field(number).type)
    array = array.dictionary_encode() if name == "lane" else array
    return lambda table: table.set_column(number, FILE.field(number), array)


def _swapped(*columns: str, left: int = 3, right: int = 12) -> Callable[[pa.Table], pa.Table]:
    return lambda table: _swap(table, list(columns), left, right)


def test_a_changed_row_is_found_though_the_manifest_speaks_of_the_new_bytes(filled: LakeHarness) -> None:
    changes: list[tuple[Callable[[pa.Table], pa.Table], str]] = [
        (_replaced("slot", [n % 2 for n in range(90)]), "row_sum"),
        (_swapped("occurred_at", "index"), "places"),
        (_swapped("length", "offset", left=8, right=12), "rows"),
        (_swapped("offset"), "rows"),
        (_swapped("record_id_hash"), "rows"),
        (_swapped("partition_key_hash", left=3, right=11), "rows"),
        (_replaced("epoch", [2] * 90), "rows"),
        (_replaced("lane", ["bulk"] * 90), "rows"),
        (_swapped("stream", "op", "origin", "content_type"), ""),
        # Whole sealed blocks exchanged: each opens only beside its own rows.
        (_swapped("sealed", left=0, right=20), "damaged"),
        (_swapped(*(name for name in FILE.names if name != "sealed")), "places"),
        (lambda table: table.slice(20), "row_sum"),
    ]
    path = _file(filled)
    data = path.read_bytes()
    for change, kind in changes:
        _rewrite(filled, change)
        # Only the descriptor, which nobody could change with it, tells without the keys.
        assert _kinds(verify(filled.lake())) == {"descriptor"}
        kinds = _kinds(verify(filled.lake(), deep=True)) - {"descriptor"}
        assert (kind in kinds) if kind else not kinds
        path.write_bytes(data)


def test_what_is_no_file_of_ours_is_damage(filled: LakeHarness) -> None:
    path = _file(filled)
    for data in (b"", b"PAR1", b"no parquet at all" * 100):
        path.write_bytes(data)
        assert {"bytes", "damaged"} <= _kinds(verify(filled.lake(), deep=True))


def test_a_gap_and_a_lost_end_are_found(filled: LakeHarness) -> None:
    filled.append(2)
    filled.writer("b").drain()
    filled.execute("DELETE FROM lake_file WHERE commit_id = (SELECT min(id) FROM lake_commit)")
    filled.execute("DELETE FROM lake_commit WHERE id = (SELECT min(id) FROM lake_commit)")
    assert "gap" in _kinds(verify(filled.lake()))
    filled.execute("TRUNCATE lake_file, lake_commit, lake_replaced")
    assert _kinds(verify(filled.lake())) == {"gap"}


def test_a_count_other_than_the_logs_is_found(filled: LakeHarness) -> None:
    filled.append(5)
    assert verify(filled.lake(), log=filled.log).whole
    for change in ("n + 1", "n - 2"):
        filled.execute(f"UPDATE log_received SET n = {change} WHERE stream = 'users'")
        report = verify(filled.lake(), log=filled.log)
        assert [(problem.kind, problem.where) for problem in report.problems] == [("count", "shop.users 2026-01-15")]


def test_damage_is_not_compacted_away(harness: LakeHarness) -> None:
    for _ in range(4):
        harness.append(9)
        writer = harness.writer("a")
        writer.drain()
        writer.stop()
    path = _file(harness)
    data = path.read_bytes()
    sealed = pq.read_metadata(path).row_group(0).column(FILE.get_field_index("sealed"))
    at = sealed.data_page_offset + sealed.total_compressed_size - 20
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    before = harness.files()
    with pytest.raises(IntegrityError, match="damaged"):
        compact(harness.lake(compact_commits=4))
    assert harness.files() == before
    path.write_bytes(data)
    assert compact(harness.lake(compact_commits=4)).commits_after == 1
