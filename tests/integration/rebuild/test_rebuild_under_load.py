"""A rebuild beside a running installation whose door is never idle."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstem.processing import Ledger
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.retrying import RetryingClient
from mainstem.testing.tree import RunningTree, free_port

_BODY = 200
_PATIENCE = 300.0
_REST = 0.05


class _Load:
    """A client that sends one body after another, with hardly a pause, until the block ends."""

    def __init__(self, client: RetryingClient, name: str) -> None:
        self.client = client
        self._name = name
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.client.close()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        turn = 0
        try:
            while not self._ending.is_set():
                self.client.send([_event(f"{self._name}-{turn}-{n}", f"customer-{n % 40}") for n in range(_BODY)])
                turn += 1
                self._ending.wait(_REST)
        except BaseException as error:  # noqa: BLE001 - raised again when the block ends
            self._failure = error


def _event(event_id: str, customer: str) -> dict[str, Any]:
    payload = {"id": event_id, "customer_id": customer, "event": "used", "occurred_at": "2026-01-15T12:00:00Z"}
    return {"stream": "usage_events", "payload": payload}


def _settle(tree: RunningTree) -> int:
    """Wait until everything received is in effect, and look whether all of it is accounted for; how much was accepted."""
    with connect_runtime(tree.data_dir) as runtime:
        ledger = Ledger(runtime.database, runtime.log, runtime.segments)
        deadline = time.monotonic() + _PATIENCE
        while any(line.pending for line in ledger.status("shop")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert ledger.deep_check() == []
        return sum(line.accepted for line in ledger.status("shop"))


@pytest.mark.timeout(900)
def test_a_rebuild_ends_under_load_and_the_door_stays_open(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with RunningTree(tmp_path / "data", free_port()) as tree:
        key = tree.new_key("load", "ingest")
        clients = [RetryingClient(tree.url, key, "shop") for _ in range(2)]
        with _Load(clients[0], "a"), _Load(clients[1], "b"):
            while sum(client.acknowledged for client in clients) < 10 * _BODY:
                time.sleep(0.05)
            before = sum(client.acknowledged for client in clients)
            first = json.loads(tree.command("rebuild", "analytics", "--from-lake", "--json"))
            during = sum(client.acknowledged for client in clients) - before
        acknowledged = sum(client.acknowledged for client in clients)
        record_property("paused_seconds", first["paused"])
        record_property("taken_in_meanwhile", during)
        assert first["identical"] is True
        assert first["records"] > 0
        assert during > 0
        assert [client.turned_away for client in clients] == [{}, {}]
        assert _settle(tree) == acknowledged
        again = json.loads(tree.command("rebuild", "analytics", "--from-lake", "--json"))
        assert again["identical"] is True
        assert again["records"] >= acknowledged
        assert _settle(tree) == acknowledged
