"""Sealed keys when disks are full, files are lost and processes die in between."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mainstem.errors import FencedError, IntegrityError, StorageFullError
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
    read_segments,
    sweep,
)
from mainstem.store import Connection, Database
from mainstem.testing import FixedClock

DAY = dt.date(2026, 1, 15)
UNIT = Unit("app", "usage", Space.WHOLE)
SETTINGS = DedupSettings(seal_keys=500, merge_segments=2)


class FullDisk(LocalSegments):
    """A folder whose disk is full until it is not."""

    full = True

    def write(self, folder: str, sources: Sequence[Keys], space: Space) -> tuple[str, str]:
        if self.full:
            raise StorageFullError("There is no room.")
        return super().write(folder, sources, space)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def _keys(first: int, count: int) -> Keys:
    words = np.random.default_rng(first).integers(0, 2**64, (2, count), np.uint64)
    return Keys(words[0], words[1])


def _allowed(_: Connection) -> None:
    return


def _commit(database: Database, state: DedupState, keys: Keys) -> int:
    verdict = state.stage(UNIT, keys)
    runs = [Run(UNIT, verdict.keys, {DAY: len(verdict.keys)}, state.slots)] if len(verdict.keys) else []
    with database.transaction() as conn:
        ids = insert_runs(conn, runs)
    state.publish(runs, ids)
    return len(verdict.keys)


def test_a_full_disk_stops_nothing(database: Database, tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    store = FullDisk(tmp_path)
    state = DedupState(Slots(1, 0), store, executor, SETTINGS)
    for turn in range(4):
        assert _commit(database, state, _keys(turn, 400)) == 400
        state.maintain(database, _allowed)
    state.maintain(database, _allowed, settle=True)
    assert len(state) == 1_600
    store.full = False
    for _ in range(400):
        state.maintain(database, _allowed)
    state.maintain(database, _allowed, settle=True)
    assert len(state) == 0
    assert all(_commit(database, state, _keys(turn, 400)) == 0 for turn in range(4))


def test_a_lost_or_damaged_segment_is_an_error_and_not_a_gap(
    database: Database, tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    store = LocalSegments(tmp_path)
    state = DedupState(Slots(1, 0), store, executor, SETTINGS)
    _commit(database, state, _keys(1, 900))
    state.maintain(database, _allowed, settle=True)
    with database.snapshot() as conn:
        [row] = read_segments(conn)
    path = store.path(row.name)
    os.truncate(path, path.stat().st_size - 8)
    with database.snapshot() as conn, pytest.raises(IntegrityError):
        state.load(conn)
    path.unlink()
    with database.snapshot() as conn, pytest.raises(IntegrityError):
        state.load(conn)


def test_a_seal_whose_lease_was_lost_changes_nothing(
    database: Database, tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    def refused(_: Connection) -> None:
        raise FencedError("another owner")

    store = LocalSegments(tmp_path)
    state = DedupState(Slots(1, 0), store, executor, SETTINGS)
    _commit(database, state, _keys(1, 900))
    with pytest.raises(FencedError):
        state.maintain(database, refused, settle=True)
    assert store.names() == []
    with database.snapshot() as conn:
        state.load(conn)
    assert len(state) == 900


def test_two_owners_cannot_both_seal(database: Database, tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    store = LocalSegments(tmp_path)
    one, two = (DedupState(Slots(1, 0), store, executor, SETTINGS) for _ in range(2))
    _commit(database, one, _keys(1, 900))
    with database.snapshot() as conn:
        two.load(conn)
    one.maintain(database, _allowed, settle=True)
    with pytest.raises(FencedError):
        two.maintain(database, _allowed, settle=True)
    with database.snapshot() as conn:
        assert [row.n for row in read_segments(conn)] == [900]


def test_orphans_are_swept_when_they_are_old(database: Database, tmp_path: Path, clock: FixedClock) -> None:
    store = LocalSegments(tmp_path)
    kept, _ = store.write("dedup/app/usage", [_keys(1, 10).ordered()], Space.WHOLE)
    orphan, _ = store.write("dedup/app/usage", [_keys(2, 10).ordered()], Space.WHOLE)
    clock.set(dt.datetime.now(dt.UTC))
    assert sweep(store, {kept}, clock, older=dt.timedelta(days=1)) == 0
    clock.advance(dt.timedelta(days=2))
    assert sweep(store, {kept}, clock, older=dt.timedelta(days=1)) == 1
    assert [name for name, _ in store.names()] == [kept] != [orphan]
