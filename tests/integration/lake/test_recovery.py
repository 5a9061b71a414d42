"""The manifest out of the object store alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from mainstem.errors import ConfigurationError, IntegrityError
from mainstem.eventlog import LogEpoch, PostgresLog
from mainstem.lake import Lake, compact, log_past, recover_manifest, sweep, verify
from mainstem.model import Lane
from mainstem.testing.lake_harness import LakeHarness, assert_same_chains

MANIFEST = """
    SELECT c.epoch, c.partition, c.lane, c.first, c.last, c.records, c.row_sum, c.descriptor, f.path, f.source, f.stream,
           f.day, f.contract_version, f.rows, f.row_sum, f.bytes, f.content_hash
    FROM lake_commit c JOIN lake_file f ON f.commit_id = c.id ORDER BY f.path
"""


def _fill(harness: LakeHarness) -> None:
    writer = harness.writer("a", flush_bytes=1, read_records=1)
    for step in range(10):
        harness.append(4, start=step * 4, stream=("orders", "users")[step % 2])
        harness.append(2, partition=1, lane=Lane.BULK)
        writer.drain()
        harness.clock.advance(dt.timedelta(hours=2))
    writer.stop()


def _lose(harness: LakeHarness) -> list[tuple[Any, ...]]:
    """The manifest, which is no more."""
    lost = harness.execute(MANIFEST)
    harness.execute("TRUNCATE lake_file, lake_commit, lake_position, lake_replaced")
    return lost


def _recover(harness: LakeHarness) -> Lake:
    lake = harness.lake()
    recover_manifest(harness.objects, lake.manifest)
    return lake


def test_a_lost_manifest_is_recovered_equal(harness: LakeHarness) -> None:
    _fill(harness)
    positions = harness.lake().manifest.positions()
    lost = _lose(harness)
    lake = _recover(harness)
    assert harness.execute(MANIFEST) == lost
    assert lake.manifest.positions() == positions
    assert verify(lake, deep=True, log=harness.log).problems == []
    harness.append(3)
    harness.writer("b").drain()
    assert_same_chains(harness.logged(), harness.laked())


def test_after_compaction_too_before_and_after_the_inputs_are_removed(harness: LakeHarness) -> None:
    _fill(harness)
    assert compact(harness.lake(compact_commits=2)).commits_after > 0
    lost = _lose(harness)
    _recover(harness)
    assert harness.execute(MANIFEST) == lost
    harness.clock.set(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    assert sweep(harness.lake()).orphans > 0
    lost = _lose(harness)
    _recover(harness)
    assert harness.execute(MANIFEST) == lost
    assert_same_chains(harness.logged(), harness.laked())


def test_a_commit_the_lost_manifest_did_not_have_yet_is_kept(harness: LakeHarness) -> None:
    _fill(harness)
    harness.execute("DELETE FROM lake_file WHERE commit_id = (SELECT max(id) FROM lake_commit)")
    harness.execute("DELETE FROM lake_commit WHERE id = (SELECT max(id) FROM lake_commit)")
    _lose(harness)
    _recover(harness)
    assert_same_chains(harness.logged(), harness.laked())


def test_a_manifest_in_use_is_not_recovered_into(harness: LakeHarness) -> None:
    _fill(harness)
    with pytest.raises(ConfigurationError, match="not empty"):
        _recover(harness)


def test_missing_and_torn_objects_are_said_and_not_skipped(harness: LakeHarness) -> None:
    _fill(harness)
    paths = harness.execute(
        """
        SELECT f.path, c.descriptor FROM lake_commit c JOIN lake_file f ON f.commit_id = c.id
        WHERE partition = 0 ORDER BY c.first
        """
    )
    _lose(harness)
    for name in (*paths[0], *paths[-1]):
        path = harness.root / name
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        with pytest.raises(IntegrityError, match="missing"):
            _recover(harness)
        path.write_bytes(data)
    _recover(harness)
    assert_same_chains(harness.logged(), harness.laked())


def test_what_is_not_ours_is_left_alone(harness: LakeHarness) -> None:
    _fill(harness)
    (harness.root / "commits" / "notes.txt").write_text("hello")
    lost = _lose(harness)
    _recover(harness)
    assert harness.execute(MANIFEST) == lost


def test_a_lost_database_is_followed_by_a_log_that_goes_on(harness: LakeHarness) -> None:
    _fill(harness)
    before = harness.laked()
    _lose(harness)
    harness.execute("TRUNCATE log_batch, log_received, log_head, log_epoch, lease CASCADE")
    lake = _recover(harness)
    closed, received = log_past(lake.manifest)
    assert closed == [LogEpoch(1, 2, closed=True)]
    assert sum(received.values()) == 60
    harness.log = PostgresLog(harness.database, harness.keyring.sealer, harness.clock, partitions=2)
    assert harness.log.restore(closed, received).number == 2
    harness.append(5)
    writer = harness.writer("b")
    writer.drain()
    after = harness.laked()
    assert_same_chains({chain: batches for chain, batches in after.items() if chain[0] == 1}, before)
    assert [chain for chain in after if chain[0] == 2] == [(2, 0, Lane.LIVE)]
    assert verify(lake, deep=True, log=harness.log).problems == []
