"""Whatever is appended, read, cut off, taken over, compacted, swept or recovered: the lake has every copy once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.lake import Lake, LakeCommit, LakeWriter, Manifest, Proof, compact, recover_manifest, sweep, verify
from mainstem.model import Lane
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing.faulty_objects import Killed
from mainstem.testing.lake_harness import LakeHarness, assert_same_chains

_SETTINGS = st.fixed_dictionaries(
    {
        "flush_bytes": st.sampled_from([1, 3_000, 1 << 26]),
        "flush_seconds": st.sampled_from([0, 30]),
        "read_records": st.sampled_from([1, 8, 1000]),
        "buffer_bytes": st.sampled_from([1, 1 << 26]),
        "block_records": st.sampled_from([2, 10_000]),
    }
)
_WRITER = st.integers(0, 1)
_ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.lists(
                st.tuples(st.integers(0, 1), st.sampled_from(list(Lane)), st.integers(1, 9)), min_size=1, max_size=4
            ),
        ),
        st.tuples(st.just("round"), _WRITER),
        st.tuples(st.just("drain"), _WRITER),
        st.tuples(st.just("stop"), _WRITER),
        st.tuples(st.just("replace"), _WRITER, _SETTINGS),
        st.tuples(st.just("die"), _WRITER, st.integers(1, 12)),
        st.tuples(st.just("expire")),
        st.tuples(st.just("compact"), st.integers(1, 12)),
        st.tuples(st.just("sweep")),
        st.tuples(st.just("recover")),
        st.tuples(st.just("repartition"), st.sampled_from([1, 2])),
    ),
    max_size=14,
)


class _Fuse:
    """Lets a number of steps pass, then ends the process."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, *_: object) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Killed


class _FusedManifest(Manifest):
    fuse: _Fuse

    def commit(self, commit: LakeCommit, proof: Proof, *args: Any, **kwargs: Any) -> None:
        self.fuse()
        super().commit(commit, proof, *args, **kwargs)
        self.fuse()


class _World:
    """The harness and two writers, of which one may be a zombie."""

    def __init__(self, harness: LakeHarness) -> None:
        self.harness = harness
        self.partitions = 2
        self.lives = 0
        self.number = 0
        self.writers = [self._born(), self._born()]

    def act(self, action: str, *arguments: Any) -> None:
        self.harness.clock.advance(dt.timedelta(minutes=7))
        getattr(self, action)(*arguments)

    def append(self, batches: list[tuple[int, Lane, int]]) -> None:
        for partition, lane, count in batches:
            stream = ("orders", "users")[count % 2]
            self.harness.append(
                count, partition=partition % self.partitions, lane=lane, start=self.number, stream=stream
            )
            self.number += count

    def round(self, writer: int) -> None:
        self.writers[writer].run_once()

    def drain(self, writer: int) -> None:
        # A zombie's drain says that it is one, as a commit in its rounds would.
        if not self._fenced(self.writers[writer]):
            self.writers[writer].drain()

    def stop(self, writer: int) -> None:
        self.writers[writer].stop()

    def replace(self, writer: int, values: dict[str, Any]) -> None:
        self.writers[writer] = self._born(**values)

    def die(self, writer: int, steps: int) -> None:
        fuse = _Fuse(steps)
        lake = self.harness.lake(flush_bytes=1, read_records=1, flush_seconds=0)
        dying = LakeWriter(self._fused(lake, fuse), self.harness.log, owner=f"life {self.lives}")
        self.lives += 1
        self._until_killed(fuse, dying.run_once)
        self.writers[writer] = self._born()

    def expire(self) -> None:
        self.harness.expire_leases()

    def compact(self, steps: int) -> None:
        lake = self.harness.lake(compact_commits=2)
        self._until_killed(_Fuse(steps), lambda: compact(lake))

    def sweep(self) -> None:
        self.harness.clock.advance(dt.timedelta(days=400))
        sweep(self.harness.lake())

    def recover(self) -> None:
        self.harness.execute("TRUNCATE lake_file, lake_commit, lake_position, lake_replaced")
        recover_manifest(self.harness.objects, self.harness.lake().manifest)

    def repartition(self, partitions: int) -> None:
        self.partitions = self.harness.log.repartition(partitions).partitions

    def _born(self, **values: Any) -> LakeWriter:
        self.lives += 1
        return self.harness.writer(f"life {self.lives}", **values)

    def _fenced(self, writer: LakeWriter) -> bool:
        return any(held.lease.renew() is False for held in writer._held.values())

    def _fused(self, lake: Lake, fuse: _Fuse) -> Lake:
        manifest = _FusedManifest(self.harness.database, self.harness.clock)
        manifest.fuse = fuse
        return dataclasses.replace(lake, manifest=manifest)

    def _until_killed(self, fuse: _Fuse, work: Any) -> None:
        self.harness.objects.fault = fuse
        try:
            work()
        except Killed:
            pass
        finally:
            self.harness.objects.fault = lambda *_: None


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=_ACTIONS)
def test_every_received_copy_is_in_the_lake_once(
    database: Database, keyring: Keyring, actions: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as root:
        with database.transaction() as connection:
            connection.execute(
                """
                TRUNCATE lake_file, lake_commit, lake_position, lake_replaced, lease, log_batch, log_received, log_head,
                log_epoch CASCADE
                """
            )
        harness = LakeHarness.open(database, keyring, Path(root))
        world = _World(harness)
        for action in actions:
            world.act(*action)
        harness.expire_leases()
        last = harness.writer("last")
        last.drain()
        assert_same_chains(harness.logged(), harness.laked())
        assert verify(harness.lake(), deep=True, log=harness.log).problems == []
        world.sweep()
        assert_same_chains(harness.logged(), harness.laked())
        assert verify(harness.lake(), deep=True, log=harness.log).problems == []
