"""Workers that share partitions, lose them, meet errors and go on."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from mainstem.errors import UnavailableError
from mainstem.model import Lane
from mainstem.processing import PostgresSink, Worker, sink_postgres
from mainstem.processing.tables.timeline import pack_timeline

QUICK = {
    "lease": dt.timedelta(seconds=1.2),
    "idle": dt.timedelta(seconds=0.05),
    "back_off": dt.timedelta(seconds=0.05),
    "batch_records": 500,
}


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


@contextlib.contextmanager
def _running(*workers: Worker) -> Iterator[None]:
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop(30)


def _done(plant: Any) -> Callable[[], bool]:
    return lambda: plant.totals()["pending"] == 0


def test_four_workers_and_one_customer(
    plant: Any, make_usage: Any, usage_contract: Any, accounts_contract: Any
) -> None:
    """All events are of one customer, but come by four streams: every commit touches the same rows."""
    events = make_usage(800, customers=1)
    contracts = [plant.contracts.add(plant.variant(usage_contract, stream=f"usage_{n}")) for n in range(4)]
    plant.contracts.add(plant.variant(accounts_contract, stream="accounts_two"))
    with _running(*(plant.worker(**QUICK) for _ in range(4))):
        for start in range(0, 800, 100):
            for number, contract in enumerate(contracts):
                some = events[start : start + 100]
                plant.deliver(plant.records(contract, some, slot=number), Lane(start // 100 % 2))
                for stream in ("accounts", "accounts_two"):
                    payloads = [{"id": "c0", "seats": start + number}]
                    plant.deliver(plant.records(accounts_contract, payloads, stream=stream, slot=number))
        _until(_done(plant))
    assert plant.totals()["accepted"] >= 3_200 + 1
    assert plant.events() == 3_200
    assert plant.ledger().deep_check() == []


def test_partitions_are_shared_out_and_taken_over(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    def owners() -> dict[str, int]:
        rows = plant.query(
            "SELECT owner, count(*) FROM lease WHERE starts_with(name, 'engine/') AND owner <> ''"
            " AND expires_at > clock_timestamp() GROUP BY owner"
        )
        return dict(rows)

    first, second, third = (plant.worker(**QUICK) for _ in range(3))
    with _running(first):
        _until(lambda: owners() == {first.name: 4})
        with _running(second, third):
            _until(lambda: sorted(owners().values()) == [1, 1, 2])
            plant.deliver(plant.records(usage_contract, make_usage(300)))
            _until(_done(plant))
        _until(lambda: owners() == {first.name: 4})
        plant.deliver(plant.records(usage_contract, make_usage(400)))
        _until(_done(plant))
    assert owners() == {}
    assert plant.totals() == {"received": 700, "accepted": 400, "duplicate": 300, "quarantined": 0, "pending": 0}
    assert plant.events() == 400


def test_a_zombie_that_wakes_up_is_fenced_and_goes_on(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    """Its commit stands still for longer than its leases last."""
    real = PostgresSink.commit
    held, wake = threading.Event(), threading.Event()
    sleeper = plant.worker(**QUICK)

    def slow(self: PostgresSink, *args: Any, **kwargs: Any) -> Any:
        if self is sleeper._parts.sink and not wake.is_set():
            held.set()
            wake.wait(60)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(PostgresSink, "commit", slow)
    plant.deliver(plant.records(usage_contract, make_usage(300)))
    with _running(sleeper):
        assert held.wait(30)
        with _running(plant.worker(**QUICK)):
            _until(_done(plant))
            wake.set()
            plant.deliver(plant.records(usage_contract, make_usage(350)))
            _until(_done(plant))
    assert plant.totals()["accepted"] == plant.events() == 350
    assert plant.ledger().deep_check() == []


def test_errors_are_waited_out(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    real = PostgresSink.commit
    errors = iter([UnavailableError("away", retry_after=0.01), RuntimeError("a defect"), UnavailableError("away")] * 3)

    def failing(self: PostgresSink, *args: Any, **kwargs: Any) -> Any:
        if (error := next(errors, None)) is not None:
            raise error
        return real(self, *args, **kwargs)

    monkeypatch.setattr(PostgresSink, "commit", failing)
    plant.deliver(plant.records(usage_contract, make_usage(200)))
    with _running(plant.worker(**QUICK)):
        _until(_done(plant))
    assert plant.totals()["accepted"] == plant.events() == 200


def test_epochs_are_finished_in_order(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    order: list[int] = []
    real = PostgresSink.commit

    def noted(self: PostgresSink, effects: Any, **kwargs: Any) -> Any:
        order.append(effects.span.epoch)
        return real(self, effects, **kwargs)

    monkeypatch.setattr(PostgresSink, "commit", noted)
    plant.deliver(plant.records(usage_contract, make_usage(600, customers=30)))
    plant.log.repartition(8)
    plant.deliver(plant.records(usage_contract, make_usage(800, customers=30)))
    plant.log.repartition(2)
    plant.deliver(plant.records(usage_contract, make_usage(900, customers=30)))
    with _running(plant.worker(**QUICK), plant.worker(**QUICK)):
        _until(_done(plant))
    assert plant.totals() == {"received": 2300, "accepted": 900, "duplicate": 1400, "quarantined": 0, "pending": 0}
    assert order == sorted(order)
    assert set(order) == {1, 2, 3}
    assert plant.ledger().deep_check() == []


def test_live_overtakes_bulk_and_bulk_gets_its_share(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    """One partition with both lanes full: who is committed when."""
    order: list[Lane] = []
    real = PostgresSink.commit

    def noted(self: PostgresSink, effects: Any, **kwargs: Any) -> Any:
        order.append(effects.span.lane)
        return real(self, effects, **kwargs)

    monkeypatch.setattr(PostgresSink, "commit", noted)
    events = make_usage(1_000, customers=3)
    for start in range(0, 1_000, 50):
        plant.deliver(plant.records(usage_contract, events[start : start + 50], slot=0), Lane.BULK)
    for start in range(0, 1_000, 50):
        plant.deliver(plant.records(usage_contract, events[start : start + 50], slot=0), Lane.LIVE)
    with _running(plant.worker(**{**QUICK, "batch_records": 50})):
        _until(_done(plant))
    live_done = max(index for index, lane in enumerate(order) if lane is Lane.LIVE)
    before = order[: live_done + 1]
    assert 2 <= before.count(Lane.BULK) <= len(before) / 2
    assert plant.totals()["accepted"] == plant.events() == 1_000


def _failing_on(monkeypatch: pytest.MonkeyPatch, event: str) -> threading.Event:
    """Let commits of this event fail for a reason nobody foresaw, until what is given back is set."""
    healed = threading.Event()
    real = pack_timeline

    def failing(rows: pa.Table, *args: Any, **how: Any) -> Any:
        if not healed.is_set() and event in rows["event"].to_pylist():
            raise ZeroDivisionError("ann@example.org")
        return real(rows, *args, **how)

    monkeypatch.setattr(sink_postgres, "pack_timeline", failing)
    return healed


def test_records_the_sink_cannot_take_go_to_quarantine(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    _failing_on(monkeypatch, "poison")
    events = make_usage(90)
    events[17]["event"] = events[71]["event"] = "poison"
    for start in (0, 30, 60):
        plant.deliver(plant.records(usage_contract, events[start : start + 30], slot=0))
    with capture_logs() as logs, _running(plant.worker(**QUICK)):
        _until(_done(plant))
    assert plant.totals() == {"received": 90, "accepted": 88, "duplicate": 0, "quarantined": 2, "pending": 0}
    assert plant.query("SELECT position, index, reason FROM quarantine ORDER BY position") == [
        (1, 17, "unprocessable"),
        (3, 11, "unprocessable"),
    ]
    assert plant.events() == 88
    assert plant.ledger().deep_check() == []
    assert "ann@example.org" not in repr(logs)


def test_a_defect_that_is_no_records_fault_condemns_none(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    healed = _failing_on(monkeypatch, "open")
    plant.deliver(plant.records(usage_contract, make_usage(60), slot=0))
    with capture_logs() as logs, _running(plant.worker(**QUICK)):
        _until(lambda: sum(line["event"] == "worker_failed" for line in logs) >= 2)
        assert plant.totals()["pending"] == 60
        healed.set()
        _until(_done(plant))
    assert plant.totals()["accepted"] == plant.events() == 60
