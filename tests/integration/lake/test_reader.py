"""Single records are found by hash, by place and by day, and only what lies in their blocks is opened."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from mainstem.errors import IntegrityError
from mainstem.lake import LakeQuery, LakeReader, compact
from mainstem.model import Lane, Place
from mainstem.testing.lake_harness import LakeHarness


@pytest.fixture
def filled(harness: LakeHarness) -> LakeHarness:
    for step in range(4):
        harness.append(30, start=30 * step)
        harness.append(10, partition=1, key=f"k{step}", op="upsert", start=1000 + step)
        harness.append(10, stream="users", start=30 * step)
        harness.clock.advance(dt.timedelta(hours=8))
    writer = harness.writer("a", block_records=20)
    writer.drain()
    writer.stop()
    return harness


def _find(harness: LakeHarness, **query: Any) -> list[tuple[Place, str | None, bytes]]:
    found = []
    for part in LakeReader(harness.lake()).find(LakeQuery("shop", **query)):
        for row in part.rows.to_pylist():
            place = Place(part.chain.epoch, part.chain.partition, part.chain.lane, row["position"], row["index"])
            found.append((place, row["record_id"], row["payload"]))
    return found


def test_by_record_id(filled: LakeHarness) -> None:
    found = _find(filled, stream="orders", record_ids=["record-31", "record-5", "never"])
    assert found == [
        (Place(1, 0, Lane.LIVE, 1, 5), "record-5", b'{"n": 5}'),
        (Place(1, 0, Lane.LIVE, 3, 1), "record-31", b'{"n": 31}'),
    ]


def test_by_key_and_partition_key_together(filled: LakeHarness) -> None:
    found = _find(filled, stream="orders", keys=["k1", "k2"], partition_keys=["customer-0"])
    assert {row for _, row, _ in found} == {"record-1001", "record-1008", "record-1002", "record-1009"} & {
        f"record-{n}" for n in range(1001, 1012) if n % 7 == 0
    }


def test_by_place(filled: LakeHarness) -> None:
    places = [Place(1, 0, Lane.LIVE, 3, 29), Place(1, 1, Lane.LIVE, 1, 0), Place(1, 0, Lane.BULK, 1, 0)]
    found = _find(filled, stream="orders", places=places)
    assert [place for place, _, _ in found] == [places[0], places[1]]
    assert _find(filled, stream="orders", places=[Place(1, 0, Lane.LIVE, 1, 999)]) == []


def test_by_received_day(filled: LakeHarness) -> None:
    day = dt.date(2026, 1, 15)
    assert len(_find(filled, stream="users")) == 40
    assert len(_find(filled, stream="users", days=(day, day))) == 20
    assert _find(filled, stream="users", days=(dt.date(2020, 1, 1), dt.date(2025, 12, 31))) == []


def test_only_ranges_are_fetched(filled: LakeHarness) -> None:
    fetched: list[str] = []
    filled.objects.fault = lambda call, path: fetched.append(path) if call == "before get" else None
    _find(filled, stream="orders", record_ids=["record-5"])
    assert fetched
    # Never a whole object.
    filled.objects.inner.get = None  # type: ignore[method-assign, assignment]
    assert len(_find(filled, stream="orders", record_ids=["record-5"])) == 1


def test_after_compaction_too(filled: LakeHarness) -> None:
    before = _find(filled, stream="orders", record_ids=["record-31", "record-5"])
    compact(filled.lake(compact_commits=2))
    assert _find(filled, stream="orders", record_ids=["record-31", "record-5"]) == before


def test_a_missing_object_is_damage(filled: LakeHarness) -> None:
    for path in filled.files("raw"):
        (filled.root / path).unlink()
    with pytest.raises(IntegrityError, match="lake verify"):
        _find(filled, stream="orders")
    with pytest.raises(IntegrityError, match="lake verify"):
        filled.laked()


def test_a_gap_is_damage_and_not_an_end(filled: LakeHarness) -> None:
    filled.append(3)
    writer = filled.writer("b")
    writer.drain()
    filled.execute("UPDATE lake_commit SET first = 2 WHERE partition = 0 AND first = 1")
    with pytest.raises(IntegrityError, match="gap"):
        filled.laked()
