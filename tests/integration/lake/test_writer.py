"""The writer: everything received is in the lake exactly once, in order, in time."""

from __future__ import annotations

import datetime as dt

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.errors import FencedError, IntegrityError
from mainstem.eventlog import Append
from mainstem.lake import trim_log, verify
from mainstem.model import Lane
from mainstem.testing.envelopes import make_records
from mainstem.testing.lake_harness import LakeHarness, assert_same_chains


def _fill(harness: LakeHarness) -> None:
    """Two partitions, both lanes, several streams and versions in one batch, over midnight."""
    for step in range(6):
        harness.append(50, start=step * 50)
        harness.append(20, stream="users", contract_version=2, op="upsert", key="k", record_id=None)
        harness.append(30, lane=Lane.BULK, source="crm", payload=b"x" * 300)
        harness.append(7, partition=1)
        harness.clock.advance(dt.timedelta(hours=3))


def test_the_lake_gives_back_what_the_log_received(harness: LakeHarness) -> None:
    _fill(harness)
    harness.writer("a", block_records=64, read_records=100).drain()
    assert_same_chains(harness.logged(), harness.laked())
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []


def test_one_batch_larger_than_many_blocks_comes_back_whole(harness: LakeHarness) -> None:
    mixed = [make_records(90, stream=stream, start=n * 90) for n in range(4) for stream in ("orders", "users")]
    records = pa.Table.from_batches(mixed).combine_chunks().to_batches()[0]
    harness.log.append([Append(0, Lane.LIVE, records)] * 3)
    harness.writer("a", block_records=25).drain()
    assert_same_chains(harness.logged(), harness.laked())


def test_a_commit_is_made_when_there_is_much_or_something_has_waited(harness: LakeHarness) -> None:
    writer = harness.writer("a", flush_bytes=20_000, flush_seconds=30)
    positions = harness.lake().manifest.positions
    harness.append(5)
    writer.run_once()
    harness.clock.advance(dt.timedelta(seconds=29))
    writer.run_once()
    assert positions() == {}
    harness.clock.advance(dt.timedelta(seconds=1))
    writer.run_once()
    assert positions() == {(1, 0, Lane.LIVE): 1}
    harness.append(500)
    writer.run_once()
    assert positions() == {(1, 0, Lane.LIVE): 2}
    harness.append(5, partition=1)
    writer.run_once()
    writer.stop()
    assert positions() == {(1, 0, Lane.LIVE): 2, (1, 1, Lane.LIVE): 1}


def test_a_clock_set_back_delays_nothing(harness: LakeHarness) -> None:
    writer = harness.writer("a", flush_seconds=30)
    harness.append(5)
    writer.run_once()
    harness.clock.advance(dt.timedelta(hours=-1))
    writer.run_once()
    assert harness.lake().manifest.positions() == {(1, 0, Lane.LIVE): 1}


def test_memory_is_bounded_over_all_lanes(harness: LakeHarness) -> None:
    writer = harness.writer("a", buffer_bytes=30_000, read_bytes=10_000, flush_bytes=1 << 30, flush_seconds=1e6)
    for step in range(20):
        harness.append(40, partition=step % 2, lane=Lane(step // 2 % 2), payload=b"%d" % step * 50)
    while writer.run_once():
        held = sum(buffer.memory for _, buffer in writer._lanes())
        # One read more than the bound, and what Parquet's footers take.
        assert held < 30_000 + 10_000 + 20_000
    assert harness.lake().manifest.positions() != {}
    writer.stop()
    assert_same_chains(harness.logged(), harness.laked())


def test_two_writers_share_the_partitions_and_take_over(harness: LakeHarness) -> None:
    first, second = harness.writer("a"), harness.writer("b")
    harness.append(5)
    first.run_once()
    second.run_once()
    assert sorted(first._held) == [0, 1]
    assert sorted(second._held) == []
    first.stop()
    harness.append(5)
    second.drain()
    assert sorted(second._held) == [0, 1]
    assert_same_chains(harness.logged(), harness.laked())


def test_a_zombie_is_refused_and_drops_what_it_holds(harness: LakeHarness) -> None:
    zombie = harness.writer("zombie", flush_seconds=1000)
    harness.append(5)
    zombie.run_once()
    harness.expire_leases()
    heir = harness.writer("heir")
    heir.drain()
    harness.append(5)
    heir.drain()
    harness.clock.advance(dt.timedelta(seconds=1001))
    zombie.run_once()
    assert zombie._held == {}
    heir.stop()
    zombie.drain()
    assert_same_chains(harness.logged(), harness.laked())
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []


def test_a_zombie_is_refused_also_where_its_heir_has_done_nothing_yet(harness: LakeHarness) -> None:
    zombie = harness.writer("zombie", flush_seconds=30)
    harness.append(5)
    zombie.run_once()
    harness.expire_leases()
    heir = harness.writer("heir", flush_seconds=1000)
    heir.run_once()
    # Without a round before, whose renewal would tell it.
    with pytest.raises(FencedError):
        zombie._commit(*next(zombie._lanes()))
    assert harness.lake().manifest.positions() == {}


def test_an_epoch_is_finished_in_all_partitions_before_the_next_begins(harness: LakeHarness) -> None:
    harness.append(5)
    harness.append(5, partition=1)
    harness.execute(
        "INSERT INTO lease VALUES ('lake/1/1', 1, 'somebody else', clock_timestamp() + interval '50 seconds')",
    )
    harness.log.repartition(4)
    harness.append(5, partition=3)
    writer = harness.writer("a")
    writer.drain()
    assert set(harness.lake().manifest.positions()) == {(1, 0, Lane.LIVE)}
    harness.expire_leases()
    writer.drain()
    assert set(harness.lake().manifest.positions()) == {(1, 0, Lane.LIVE), (1, 1, Lane.LIVE), (2, 3, Lane.LIVE)}
    assert_same_chains(harness.logged(), harness.laked())


def test_a_log_that_was_replaced_under_its_lake_is_an_error(harness: LakeHarness) -> None:
    harness.append(5)
    harness.append(5)
    writer = harness.writer("a")
    writer.drain()
    writer.stop()
    harness.execute("UPDATE log_head SET position = 1 WHERE partition = 0 AND lane = 0")
    with pytest.raises(IntegrityError, match="the log only up to 1"):
        harness.writer("b").run_once()


def test_the_log_is_trimmed_only_to_where_both_readers_are(harness: LakeHarness) -> None:
    for _ in range(6):
        harness.append(2)
        harness.append(2, lane=Lane.BULK)
    harness.writer("a").drain()
    live, bulk = (1, 0, Lane.LIVE), (1, 0, Lane.BULK)
    lake = harness.lake().manifest.positions()
    assert lake == {live: 6, bulk: 6}
    assert trim_log(harness.log, {}, lake) == 0
    assert trim_log(harness.log, {live: 4}, lake) == 4
    assert trim_log(harness.log, {live: 6, bulk: 9}, {live: 5}) == 1
    assert [batch.position for batch in harness.logged()[live]] == [6]
    assert len(harness.logged()[bulk]) == 6
    assert len(harness.laked()[live]) == 6


def test_ordinary_tools_read_the_clear_columns(harness: LakeHarness) -> None:
    _fill(harness)
    harness.writer("a").drain()
    query = f"""
        SELECT source_system, stream, date::VARCHAR, schema_version, op, lane, count(*), count(DISTINCT partition_key_hash)
        FROM read_parquet('{harness.root}/raw/**/*.parquet') GROUP BY ALL ORDER BY ALL
    """
    rows = duckdb.connect().execute(query).fetchall()
    assert ("shop", "orders", "2026-01-15", 1, "event", "live", 228, 7) in rows
    assert ("shop", "users", "2026-01-16", 2, "upsert", "live", 40, 7) in rows
    assert sum(row[6] for row in rows) == 6 * 107
    # Arrow's own reader takes the folders' names as columns too, `stream` among them.
    table = pq.read_table(harness.root / "raw", columns=["stream", "date", "op", "received_at"])
    assert table.num_rows == 6 * 107


def test_nothing_personal_lies_in_the_lake_in_clear(harness: LakeHarness) -> None:
    mail = "planted.person@example.com"
    harness.append(
        40, record_id=mail, key=mail, partition_key=mail, delivery=f"file:{mail}", payload=f'{{"m": "{mail}"}}'.encode()
    )
    harness.writer("a").drain()
    assert len(harness.files()) == 2
    for path in harness.files():
        data = (harness.root / path).read_bytes()
        assert b"planted" not in data
        assert b"planted".hex().encode() not in data
        assert "planted" not in path
    assert harness.laked()[1, 0, Lane.LIVE][0].records.column("key")[0].as_py() == mail
