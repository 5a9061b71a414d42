"""Killed anywhere, restarted with another batch size: no overlap, no loss, every received copy once."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from mainstem.errors import FencedError, StorageFullError, UnavailableError
from mainstem.lake import LakeCommit, LakeWriter, Manifest, Proof, recover_manifest, sweep, verify
from mainstem.model import Lane
from mainstem.testing.faulty_objects import Killed
from mainstem.testing.lake_harness import LakeHarness, assert_same_chains

DAY = dt.timedelta(days=1)


class _Steps:
    """Counts steps and ends the process at one of them."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.done = 0

    def __call__(self, *_: object) -> None:
        self.done += 1
        if self.done == self.fatal:
            raise Killed


class _DyingManifest(Manifest):
    """Dies before or after a commit: afterwards it is made and nobody was told."""

    steps: _Steps

    def commit(self, commit: LakeCommit, proof: Proof, *args: Any, **kwargs: Any) -> None:
        self.steps()
        super().commit(commit, proof, *args, **kwargs)
        self.steps()


def _dying(harness: LakeHarness, owner: str, steps: _Steps, **settings: float) -> LakeWriter:
    lake = harness.lake(**settings)
    manifest = _DyingManifest(harness.database, harness.clock)
    manifest.steps = steps
    harness.objects.fault = steps
    return LakeWriter(dataclasses.replace(lake, manifest=manifest), harness.log, owner=owner)


def _append(harness: LakeHarness, turn: int) -> None:
    for step in range(2):
        harness.append(3, start=100 * turn + step)
        harness.clock.advance(dt.timedelta(seconds=1))
    harness.append(3, stream="users", partition=1, lane=Lane.BULK)


def _waits_for(writer: LakeWriter) -> str | None:
    return writer.waits_for


def _whole(harness: LakeHarness) -> None:
    assert_same_chains(harness.logged(), harness.laked())
    assert verify(harness.lake(), deep=True, log=harness.log).problems == []


def test_killed_at_every_step_and_restarted_with_another_batch_size(harness: LakeHarness) -> None:
    steps = 0
    turn = 0
    while True:
        turn += 1
        _append(harness, turn)
        dying = _Steps(turn)
        # Reads one batch at a time and commits each: several commits, of which one is cut off.
        writer = _dying(harness, f"first {turn}", dying, flush_bytes=1, read_records=1)
        try:
            writer.drain()
        except Killed:
            steps += 1
        harness.objects.fault = lambda *_: None
        harness.expire_leases()
        if turn % 3:
            # Another cut: all at once. Every third time the next turn's writer finds what this one left.
            harness.writer(f"second {turn}").drain()
            harness.expire_leases()
            _whole(harness)
        if dying.done < turn:
            break
    assert steps >= 16
    harness.writer("last").drain()
    _whole(harness)
    # Whatever was left behind does not matter to a lost manifest, and goes when it is old.
    records = sum(batch.records.num_rows for batches in harness.logged().values() for batch in batches)
    harness.execute("TRUNCATE lake_file, lake_commit, lake_position, lake_replaced")
    assert sum(commit.records for commit in recover_manifest(harness.objects, harness.lake().manifest)) == records
    _whole(harness)
    assert sweep(harness.lake()).orphans == 0
    harness.clock.set(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    assert sweep(harness.lake()).orphans > 0
    _whole(harness)


def test_a_commit_whose_answer_was_lost_is_not_made_twice(harness: LakeHarness) -> None:
    class Deaf(Manifest):
        deaf = 1

        def commit(self, commit: LakeCommit, proof: Proof, *args: Any, **kwargs: Any) -> None:
            super().commit(commit, proof, *args, **kwargs)
            if self.deaf:
                self.deaf -= 1
                raise UnavailableError("The answer was lost.", retry_after=1.0)

    lake = dataclasses.replace(harness.lake(flush_seconds=0), manifest=Deaf(harness.database, harness.clock))
    writer = LakeWriter(lake, harness.log, owner="a")
    harness.append(5)
    writer.run_once()
    assert _waits_for(writer) == "The answer was lost."
    harness.append(5)
    writer.run_once()
    harness.clock.advance(dt.timedelta(seconds=1))
    writer.run_once()
    writer.run_once()
    assert _waits_for(writer) is None
    assert harness.execute("SELECT first, last FROM lake_commit ORDER BY first") == [(1, 1), (2, 2)]
    _whole(harness)


def test_overlapping_commits_are_impossible(harness: LakeHarness) -> None:
    for _ in range(4):
        harness.append(2)
    writer = harness.writer("a")
    writer.drain()
    lake = harness.lake()
    commit = lake.manifest.commits(next(iter(lake.manifest.chains())))[0]
    assert (commit.span.first, commit.span.last) == (1, 4)
    proof = Proof("lake/1/0", harness.execute("SELECT epoch FROM lease WHERE name = 'lake/1/0'")[0][0])
    # The same again by the same owner: the first answer may have been lost.
    lake.manifest.commit(commit, proof)
    assert lake.manifest.positions() == {(1, 0, Lane.LIVE): 4}
    span = dataclasses.replace(commit.span, first=2, last=5)
    with pytest.raises(FencedError):
        lake.manifest.commit(LakeCommit.of(span, commit.files), proof)
    with pytest.raises(FencedError):
        lake.manifest.commit(commit, dataclasses.replace(proof, epoch=proof.epoch + 1))
    # And where code failed, the constraint would not.
    with pytest.raises(Exception, match="lake_commit_span_excl"):
        harness.execute(
            """
            INSERT INTO lake_commit (epoch, partition, lane, first, last, records, row_sum, descriptor, committed_at)
            VALUES (1, 0, 0, 4, 9, 1, 0, 'commits/x', now())
            """
        )


@pytest.fixture
def full_disk(harness: LakeHarness) -> Iterator[None]:
    def fault(call: str, _: str) -> None:
        if call == "before put":
            raise StorageFullError("The lake's disk is full.", retry_after=5.0)

    harness.objects.fault = fault
    yield
    harness.objects.fault = lambda *_: None


def test_a_full_disk_stops_commits_and_loses_nothing(harness: LakeHarness, full_disk: None) -> None:
    writer = harness.writer("a", flush_seconds=0, buffer_bytes=20_000, read_bytes=5_000, flush_bytes=10_000)
    for step in range(10):
        harness.append(20, start=step * 20, payload=b"%d" % step * 100)
        harness.append(20, partition=1, start=step * 20)
        writer.run_once()
        harness.clock.advance(dt.timedelta(seconds=10))
    assert _waits_for(writer) == "The lake's disk is full."
    assert harness.lake().manifest.positions() == {}
    assert sum(buffer.memory for _, buffer in writer._lanes()) < 50_000
    harness.objects.fault = lambda *_: None
    while writer.run_once():
        pass
    writer.drain()
    assert _waits_for(writer) is None
    _whole(harness)


def test_objects_put_long_ago_are_made_anew_before_they_are_committed(harness: LakeHarness) -> None:
    class Gone(Manifest):
        gone = True

        def commit(self, commit: LakeCommit, proof: Proof, *args: Any, **kwargs: Any) -> None:
            if self.gone:
                raise UnavailableError("The database is away.", retry_after=1.0)
            super().commit(commit, proof, *args, **kwargs)

    manifest = Gone(harness.database, harness.clock)
    writer = LakeWriter(dataclasses.replace(harness.lake(flush_seconds=0), manifest=manifest), harness.log, owner="a")
    harness.append(5)
    writer.run_once()
    old = harness.files("raw")
    assert len(old) == 1
    harness.clock.advance(0.6 * DAY)
    manifest.gone = False
    writer.run_once()
    writer.drain()
    _whole(harness)
    assert {
        file.path for commit in harness.lake().manifest.files("shop", "orders") for file in commit.files
    }.isdisjoint(old)
    harness.clock.set(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    # The old file and its descriptor.
    assert sweep(harness.lake()).orphans == 2
    _whole(harness)


def test_the_sweep_leaves_young_objects_to_those_who_made_them(harness: LakeHarness) -> None:
    harness.append(5)
    writer = _dying(harness, "a", _Steps(5))
    with pytest.raises(Killed):
        writer.drain()
    assert len(harness.files()) == 2
    harness.clock.set(dt.datetime.now(dt.UTC) + 0.9 * DAY)
    harness.objects.fault = lambda *_: None
    assert sweep(harness.lake()).orphans == 0
    harness.clock.set(dt.datetime.now(dt.UTC) + 1.1 * DAY)
    assert sweep(harness.lake()).orphans == 2
    assert harness.files() == set()


def test_a_sweep_killed_on_the_way_leaves_nothing_that_looks_like_damage(harness: LakeHarness) -> None:
    harness.append(5)
    with pytest.raises(Killed):
        _dying(harness, "a", _Steps(5)).drain()
    harness.clock.set(dt.datetime(2100, 1, 1, tzinfo=dt.UTC))

    def fault(call: str, _: str) -> None:
        if call == "after delete":
            raise Killed

    harness.objects.fault = fault
    with pytest.raises(Killed):
        sweep(harness.lake())
    assert len(harness.files()) == 1
    assert recover_manifest(harness.objects, harness.lake().manifest) == []
