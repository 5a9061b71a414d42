"""Whatever is committed, aborted, sealed, merged, reopened or repartitioned: a key is new exactly once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import tempfile
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.processing.dedup import (
    DedupSettings,
    DedupState,
    Keys,
    LocalSegments,
    Run,
    Slots,
    Space,
    Unit,
    insert_runs,
    keys_of,
    read_runs,
    read_segments,
)
from mainstem.store import Connection, Database

DAY = dt.date(2026, 1, 15)
SMALL = DedupSettings(seal_keys=30, seal_runs=6, merge_segments=2, segment_keys=1_000)


class _AtOnce(Executor):
    """Runs what is submitted before `submit` returns."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as every executor does
            future.set_exception(error)
        return future


def _allowed(_: Connection) -> None:
    return


def _emptied(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute("DELETE FROM dedup_run")
        conn.execute("DELETE FROM dedup_segment")


def _keys(ids: list[tuple[int, int]], space: Space) -> Keys:
    """Keys of (identity, day); identities below 8 differ in the last bits only, so that first words collide."""
    hashes = [bytes(15) + bytes([i]) if i < 8 else random.Random(i).randbytes(16) for i, _ in ids]
    times = pa.array(
        [dt.datetime(1965, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=d) for _, d in ids], pa.timestamp("us", "UTC")
    )
    return keys_of(pa.array(hashes, pa.binary(16)), times if space is Space.DAY else None)


@dataclasses.dataclass
class _Owner:
    slots: Slots
    state: DedupState
    known: set[tuple[int, int]] = dataclasses.field(default_factory=set)


_ids = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=25)
_actions = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), _ids),
        st.tuples(st.just("abort"), _ids),
        st.tuples(st.just("reopen"), st.just([])),
        st.tuples(st.just("settle"), st.just([])),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=_actions, space=st.sampled_from(Space))
def test_state_agrees_with_a_set(database: Database, actions: list[tuple[str, Any]], space: Space) -> None:
    unit = Unit("s", "t", space)
    _emptied(database)
    known: set[tuple[int, int]] = set()
    with tempfile.TemporaryDirectory() as folder:
        store = LocalSegments(Path(folder))

        def opened() -> DedupState:
            state = DedupState(Slots(1, 0), store, _AtOnce(), SMALL)
            with database.snapshot() as conn:
                state.load(conn)
            return state

        state = opened()
        for action, ids in actions:
            if action == "reopen":
                state = opened()
            elif action == "settle":
                state.maintain(database, _allowed, settle=True)
            else:
                verdict = state.stage(unit, _keys(ids, space))
                expected, seen = [], set(known)
                for id_, day in ids:
                    identity = (id_, day if space is Space.DAY else 0)
                    expected.append(identity not in seen)
                    seen.add(identity)
                assert verdict.fresh.tolist() == expected
                assert len(verdict.keys) == sum(expected)
                if action == "commit" and sum(expected):
                    known = seen
                    run = Run(unit, verdict.keys, {DAY: len(verdict.keys)}, state.slots)
                    with database.transaction() as conn:
                        written = insert_runs(conn, [run])
                    state.publish([run], written)
                    state.maintain(database, _allowed)
        with database.snapshot() as conn:
            runs, segments = list(read_runs(conn)), read_segments(conn)
        assert sum(run.n for run in runs) + sum(row.n for row in segments) == len(known)
        assert {row.name for row in segments} <= {name for name, _ in store.names()}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), layouts=st.lists(st.sampled_from([1, 2, 4]), min_size=2, max_size=4))
def test_any_number_of_partitions_knows_what_another_wrote(database: Database, seed: int, layouts: list[int]) -> None:
    """Identities belong to slots (their number); each layout sees the same ones again, and some new ones."""
    rng = random.Random(seed)
    unit = Unit("s", "t", Space.DAY)
    _emptied(database)
    known: set[int] = set()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
        store = LocalSegments(Path(folder))
        for partitions in layouts:
            for partition in range(partitions):
                state = DedupState(Slots(partitions, partition), store, executor, SMALL)
                with database.snapshot() as conn:
                    state.load(conn)
                mine = [i for i in range(8, 400) if i % partitions == partition]
                for _ in range(6):
                    ids = rng.sample(mine, 15)
                    verdict = state.stage(unit, _keys([(i, 0) for i in ids], Space.DAY))
                    assert verdict.fresh.tolist() == [i not in known for i in ids]
                    known |= set(ids)
                    run = Run(unit, verdict.keys, {DAY: len(verdict.keys)}, state.slots)
                    with database.transaction() as conn:
                        written = insert_runs(conn, [run])
                    state.publish([run], written)
                    state.maintain(database, _allowed, settle=rng.random() < 0.2)
                state.drop()
