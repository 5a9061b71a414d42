"""Compaction changes how many files there are, and nothing that is in them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from typing import Any

import pytest

from mainstem.lake import LakeReader, compact, recover_manifest, sweep, verify
from mainstem.lake.commit import add_sums
from mainstem.model import Lane, LogBatch
from mainstem.testing.faulty_objects import Killed
from mainstem.testing.lake_harness import LakeHarness, assert_same_chains


def _fill(harness: LakeHarness, steps: int = 12) -> None:
    writer = harness.writer("a")
    for step in range(steps):
        harness.append(5, start=step * 5)
        if step % 3 == 0:
            harness.append(2, stream="users", contract_version=step // 6 + 1)
        harness.append(3, partition=1, lane=Lane.BULK, start=step * 3)
        writer.drain()
        harness.clock.advance(dt.timedelta(hours=1))
    writer.stop()


def _sums(harness: LakeHarness) -> dict[Any, tuple[int, int]]:
    """Rows and sums by chain, stream, day and version."""
    rows: Counter[Any] = Counter()
    sums: dict[Any, list[int]] = {}
    manifest = harness.lake().manifest
    for chain in manifest.chains():
        for commit in manifest.commits(chain):
            for file in commit.files:
                rows[chain, file.key] += file.rows
                sums.setdefault((chain, file.key), []).append(file.row_sum)
    return {key: (rows[key], add_sums(sums[key])) for key in rows}


def test_many_files_become_few_and_no_sum_changes(harness: LakeHarness) -> None:
    _fill(harness)
    before = _sums(harness)
    report = compact(harness.lake(compact_commits=4))
    assert (report.commits_before, report.commits_after) == (24, 2)
    assert report.files_before == 28
    # Two streams, one of them with two versions, in partition 0; one in partition 1.
    assert report.files_after == 4
    assert report.bytes_after < report.bytes_before
    assert _sums(harness) == before
    assert_same_chains(harness.logged(), harness.laked())
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []


def test_days_stay_apart(harness: LakeHarness) -> None:
    _fill(harness, 30)
    compact(harness.lake(compact_commits=2))
    for chain in harness.lake().manifest.chains():
        days = [{file.key.day for file in commit.files} for commit in harness.lake().manifest.commits(chain)]
        assert days == [{dt.date(2026, 1, 15)}, {dt.date(2026, 1, 16)}]
    assert_same_chains(harness.logged(), harness.laked())


def test_replaced_objects_stay_for_readers_and_are_then_removed(harness: LakeHarness) -> None:
    _fill(harness)
    before = harness.files()
    compact(harness.lake(compact_commits=4))
    assert sweep(harness.lake()).replaced == 0
    assert before < harness.files()
    harness.clock.advance(dt.timedelta(days=1, seconds=1))
    assert sweep(harness.lake()).replaced == len(before)
    assert harness.files().isdisjoint(before)
    assert sweep(harness.lake()).replaced == 0
    assert_same_chains(harness.logged(), harness.laked())


def test_a_reader_goes_on_when_what_it_reads_is_replaced_and_removed(harness: LakeHarness) -> None:
    _fill(harness)
    logged = harness.logged()[1, 0, Lane.LIVE]
    reading = LakeReader(harness.lake()).read(1, 0, Lane.LIVE)
    read: list[LogBatch] = [next(reading), next(reading)]
    compact(harness.lake(compact_commits=4))
    harness.clock.advance(dt.timedelta(days=1, seconds=1))
    sweep(harness.lake())
    read += reading
    assert_same_chains({(1, 0, Lane.LIVE): logged}, {(1, 0, Lane.LIVE): read})


def test_a_reader_begins_behind_any_position(harness: LakeHarness) -> None:
    _fill(harness)
    compact(harness.lake(compact_commits=4, block_records=3))
    logged = harness.logged()[1, 0, Lane.LIVE]
    for after in range(len(logged) + 2):
        read = list(LakeReader(harness.lake()).read(1, 0, Lane.LIVE, after))
        assert [batch.position for batch in read] == [b.position for b in logged if b.position > after]


class _DiesAt:
    """Ends the process at the n-th call of a kind."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number

    def __call__(self, call: str, _: str) -> None:
        self.number -= call == self.kind
        if self.number == 0:
            raise Killed


def test_killed_at_every_put_it_leaves_the_lake_as_it_was(harness: LakeHarness) -> None:
    _fill(harness)
    before = _sums(harness)
    commits = harness.execute("SELECT descriptor FROM lake_commit ORDER BY 1")
    for dies, fatal in itertools.product(("before put", "after put"), range(1, 4)):
        harness.objects.fault = _DiesAt(dies, fatal)
        with pytest.raises(Killed):
            compact(harness.lake(compact_commits=4))
        harness.objects.fault = lambda *_: None
        assert harness.execute("SELECT descriptor FROM lake_commit ORDER BY 1") == commits
        assert _sums(harness) == before
        assert verify(harness.lake(), deep=True, log=harness.log).problems == []
    # A manifest lost now may be recovered to what was put and never committed: it holds the same.
    harness.execute("TRUNCATE lake_file, lake_commit, lake_position, lake_replaced")
    recover_manifest(harness.objects, harness.lake().manifest)
    assert _sums(harness) == before


def test_of_two_compactions_at_once_one_wins(harness: LakeHarness) -> None:
    _fill(harness)
    before = _sums(harness)
    lake = harness.lake(compact_commits=4)
    other: list[Any] = []

    def fault(call: str, _: str) -> None:
        if call == "before put" and not other:
            other.append(None)
            other[0] = compact(lake)

    harness.objects.fault = fault
    report = compact(lake)
    assert other[0].commits_after == 2
    assert report.commits_after == 0
    assert _sums(harness) == before
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []


def test_the_writer_goes_on_beside_it(harness: LakeHarness) -> None:
    _fill(harness)
    writer = harness.writer("b", flush_seconds=1000)
    harness.append(4)
    writer.run_once()
    compact(harness.lake(compact_commits=4))
    writer.stop()
    compact(harness.lake(compact_commits=2))
    assert_same_chains(harness.logged(), harness.laked())
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []
