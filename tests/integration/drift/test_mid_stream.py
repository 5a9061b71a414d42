"""Rename, retype, add and drop while a client sends and a worker works: no loss, and nothing to do but the contract."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from mainstem.errors import MainstemError
from mainstem.intake import Delivery
from mainstem.runtime.activation_replay import replay_activations
from mainstem.runtime.wiring import Runtime

from .conftest import Orders, order

_BATCH = 100
_PATIENCE = 60.0

Shape = Callable[[dict[str, Any]], dict[str, Any]]


def _renamed(payload: dict[str, Any]) -> dict[str, Any]:
    return {("total" if name == "amount" else name): value for name, value in payload.items()}


def _retyped(payload: dict[str, Any]) -> dict[str, Any]:
    return {**_renamed(payload), "total": payload["amount"] + 0.5}


def _grown(payload: dict[str, Any]) -> dict[str, Any]:
    return {**_retyped(payload), "channel": "web", "plan": "gold"}


def _dropped(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in _grown(payload).items() if name != "plan"}


class _Client(threading.Thread):
    """Sends orders without a pause, each in the shape of the moment; counts what was acknowledged by shape."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="client")
        self._runtime = runtime
        self._ended = threading.Event()
        self.shape: tuple[str, Shape] = ("first", lambda payload: payload)
        self.sent: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        number = 0
        try:
            while not self._ended.is_set():
                name, shape = self.shape
                whole = [order(number + n, amount=(number + n) % 9 + 1) for n in range(_BATCH)]
                body = json.dumps([{"stream": "orders", "payload": shape(one)} for one in whole]).encode()
                receipt = self._runtime.door.submit(Delivery(source="shop", body=body))
                assert receipt.accepted == _BATCH
                self.sent[name] += _BATCH
                self.amounts[name] += sum(shape(one).get("total", one["amount"]) for one in whole)
                number += _BATCH
                time.sleep(0.005)
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.error = error

    def end(self) -> None:
        self._ended.set()
        self.join()
        if self.error is not None:
            raise self.error


@pytest.fixture
def running(orders: Orders) -> Iterator[Runtime]:
    """The first contract in force, a door open, a worker at work."""
    orders.declare()
    with orders.site.runtime() as runtime, runtime.door:
        runtime.worker.start()
        try:
            yield runtime
        finally:
            runtime.worker.stop()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to that")
        time.sleep(0.05)


def _evolve(orders: Orders, capsys: pytest.CaptureFixture[str]) -> Mapping[str, Any]:
    """The one manual step: `mainstem contract evolve --activate`."""
    from mainstem.cli.main import main

    capsys.readouterr()
    status = main(
        ["contract", "evolve", "shop.orders", "--activate", "--json", "--data-dir", str(orders.site.data_dir)]
    )
    printed = capsys.readouterr()
    assert not status, printed.err
    [told] = [line for line in printed.out.splitlines() if line.startswith("{")]
    return dict(json.loads(told))


def test_a_stream_changes_while_it_flows(
    orders: Orders,
    running: Runtime,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    client, began = _Client(running), time.monotonic()
    client.start()
    try:
        _until(lambda: orders.terms().get("accepted", 0) >= 10 * _BATCH)
        for name, shape, noticed in (
            ("renamed", _renamed, ("rename", "total", "amount")),
            ("retyped", _retyped, ("type_change", "amount", "number")),
            ("grown", _grown, ("new_field", "channel", "")),
            ("dropped", _dropped, None),
        ):
            client.shape = (name, shape)
            _until(lambda name=name: client.sent[name] >= 5 * _BATCH)  # type: ignore[misc]
            if noticed is None:
                continue
            _until(lambda noticed=noticed: noticed in orders.findings())  # type: ignore[misc]
            if name == "grown":
                _until(lambda: ("enum_growth", "plan", "gold") in orders.findings())
            evolved = _evolve(orders, capsys)
            assert evolved["activated"] is not None, evolved
        _until(lambda: client.sent["dropped"] >= 20 * _BATCH)
    finally:
        client.end()
    record_property("sent_a_second", round(client.sent.total() / (time.monotonic() - began)))

    # What doors stamped with the version before goes through the one in force, as the scheduler sees to it.
    orders.site.query("UPDATE contract SET activated_at = activated_at - interval '1 minute'")
    sent = client.sent.total()
    _until(lambda: orders.terms().get("pending", 0) == 0)
    running.worker.stop()
    _replay(orders)
    orders.site.work()

    assert orders.terms() == {"received": sent, "accepted": sent}, (client.sent, orders.terms())
    [(total,)] = orders.site.query(
        "SELECT sum(value) FROM cell JOIN series USING (series) WHERE metric = 'quantity' AND source = 'shop'"
    )
    assert float(total) == float(client.amounts.total())
    kinds = {key[0] for key in orders.findings()}
    assert {"rename", "type_change", "new_field", "enum_growth"} <= kinds
    assert [row for row in orders.told() if row[0] == "rename"] == [("rename", "total", "amount")]
    with orders.site.runtime() as runtime:
        assert runtime.ledger.deep_check() == []
    before = orders.findings()
    assert orders.rebuild(capsys)["identical"] is True
    assert (orders.terms(), orders.findings()) == ({"received": sent, "accepted": sent}, before)


def _replay(orders: Orders) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with orders.site.runtime() as runtime:
                replay_activations(runtime)
            if not orders.site.query("SELECT 1 FROM contract WHERE NOT replayed"):
                return
        except MainstemError:
            if time.monotonic() > deadline:
                raise
        orders.site.work()
