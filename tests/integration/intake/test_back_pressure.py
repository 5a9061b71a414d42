from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mainstem.errors import BackPressureError, RetryableError, StorageFullError, UnavailableError
from mainstem.intake import Delivery, Door, DoorParts, DoorSettings
from mainstem.model import Lane
from mainstem.testing import FixedClock

Chains = dict[tuple[int, int, Lane], int]


def delivery(n: int = 1, lane: Lane = Lane.LIVE) -> Delivery:
    payloads = [{"id": str(i), "customer_id": str(i), "event": "e"} for i in range(n)]
    return Delivery("shop", json.dumps(payloads).encode(), stream="usage_events", lane=lane)


@pytest.fixture
def committed() -> Chains:
    """The sink's positions."""
    return {}


@pytest.fixture
def watched(parts: DoorParts, committed: Chains) -> DoorParts:
    def positions() -> Mapping[tuple[int, int, Lane], int]:
        return dict(committed)

    return DoorParts(parts.log, parts.registry, parts.references, parts.hasher, parts.clock, parts.database, positions)


def process_all(parts: DoorParts, committed: Chains) -> None:
    for head in parts.log.heads(1):
        committed[head.epoch, head.partition, head.lane] = head.position


def test_too_many_records_wait_for_the_workers(watched: DoorParts, committed: Chains) -> None:
    with Door(watched, DoorSettings(backlog_records=100)) as door:
        door.submit(delivery(90))
        door._keep_house_once(failing=False)
        door.submit(delivery(90))
        door._keep_house_once(failing=False)
        with pytest.raises(BackPressureError) as caught:
            door.submit(delivery())
        assert "180 records wait in the live lane" in caught.value.message
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= 1
        door.submit(delivery(lane=Lane.BULK))
        process_all(watched, committed)
        door._keep_house_once(failing=False)
        assert door.submit(delivery()).accepted == 1


def test_the_oldest_record_waits_too_long(watched: DoorParts, clock: FixedClock, committed: Chains) -> None:
    with Door(watched, DoorSettings(backlog_age=60)) as door:
        door.submit(delivery())
        door.submit(delivery(lane=Lane.BULK))
        door._keep_house_once(failing=False)
        clock.advance(dt.timedelta(seconds=61))
        with pytest.raises(BackPressureError) as caught:
            door.submit(delivery())
        assert caught.value.queue_age == 61
        assert caught.value.retry_after == pytest.approx(6.1)
        assert door.submit(delivery(lane=Lane.BULK)).accepted == 1, "bulk is old by nature"
        process_all(watched, committed)
        door._keep_house_once(failing=False)
        assert door.submit(delivery()).accepted == 1


def test_a_clock_that_steps_back_is_no_backlog(watched: DoorParts, clock: FixedClock) -> None:
    with Door(watched, DoorSettings(backlog_age=60)) as door:
        door.submit(delivery())
        door._keep_house_once(failing=False)
        clock.advance(dt.timedelta(days=-30))
        assert door.submit(delivery()).accepted == 1


def test_a_lane_is_measured_by_itself_over_all_epochs(watched: DoorParts, committed: Chains) -> None:
    with Door(watched, DoorSettings(backlog_records=100)) as door:
        door.submit(delivery(80, Lane.BULK))
        watched.log.repartition(2)
        door.submit(delivery(80, Lane.BULK))
        door.submit(delivery(80))
        door._keep_house_once(failing=False)
        assert door.submit(delivery()).accepted == 1
        with pytest.raises(BackPressureError, match="160 records"):
            door.submit(delivery(lane=Lane.BULK))


def test_what_waits_in_memory_is_bounded(watched: DoorParts, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, go_on = threading.Event(), threading.Event()
    append = watched.log.append

    def held_up(appends: Any) -> Any:
        waiting.set()
        assert go_on.wait(30)
        return append(appends)

    monkeypatch.setattr(watched.log, "append", held_up)
    with Door(watched, DoorSettings(queue_bytes=1024)) as door, ThreadPoolExecutor(4) as pool:
        first = pool.submit(door.submit, delivery())
        assert waiting.wait(30)
        second = pool.submit(door.submit, delivery(50))
        pause = threading.Event()
        while not door._committers[Lane.LIVE]._waiting:
            pause.wait(0.01)
        with pytest.raises(BackPressureError, match="wait for their commit"):
            door.submit(delivery())
        go_on.set()
        assert (first.result(30).accepted, second.result(30).accepted) == (1, 50)
        assert door.submit(delivery()).accepted == 1


def test_while_the_database_is_out_deliveries_are_turned_away_at_once(
    watched: DoorParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    refresh = watched.registry.refresh

    def gone() -> None:
        nonlocal asked
        asked += 1
        raise UnavailableError("The connection to the database was lost.")

    with Door(watched) as door:
        monkeypatch.setattr(watched.registry, "refresh", gone)
        assert door._keep_house_once(failing=False)
        asked = 0
        for _ in range(3):
            with pytest.raises(UnavailableError) as caught:
                door.submit(delivery())
            assert caught.value.retry_after
        assert asked <= 1, "nobody waits for the database again; the housekeeper may just have asked"
        monkeypatch.setattr(watched.registry, "refresh", refresh)
        assert not door._keep_house_once(failing=True)
        assert door.submit(delivery()).accepted == 1


def test_refusals_are_counted_although_the_database_was_out(
    watched: DoorParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise UnavailableError("Gone.")

    with Door(watched) as door:
        door.submit(Delivery("shop", b'[{"stream":"usage_events","payload":{}}, 7]'))
        with monkeypatch.context() as patch:
            patch.setattr(watched.database, "transaction", gone)
            door._keep_house_once(failing=False)
        door._keep_house_once(failing=True)
        door._keep_house_once(failing=False)
    with watched.database.autocommit() as connection:
        assert connection.execute("SELECT reason, n FROM log_refused").fetchall() == [("not_an_object", 1)]


def test_a_full_disk_is_the_reason_also_where_the_database_is_down_for_it(
    parts: DoorParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise StorageFullError("The disk of the database is full.")

    def down() -> None:
        raise UnavailableError("The connection to the database was lost.")

    monkeypatch.setattr(parts.registry, "refresh", down)
    told: BaseException | None = None
    with Door(dataclasses.replace(parts, space=full)) as door:
        # Until the door has looked at the disk, the database is all it knows of.
        deadline = time.monotonic() + 20
        while not isinstance(told, StorageFullError) and time.monotonic() < deadline:
            with pytest.raises(RetryableError) as caught:
                door.submit(delivery())
            told = caught.value
            time.sleep(0.05)
    assert isinstance(told, StorageFullError)
