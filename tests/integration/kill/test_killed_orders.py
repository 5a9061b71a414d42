"""An order about many records outlives whoever carries it out: every record is decided once, and the counts are right."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.tree import RunningTree, free_port

MANY = 20_000
PATIENCE = 240.0


class _Client:
    """Of an engineer, who waits for a tree that was killed."""

    def __init__(self, tree: RunningTree) -> None:
        self._url = f"{tree.url}/api/v1/data"
        self._headers = {"Authorization": f"Bearer {tree.new_key('engineer', 'engineer')}"}

    def post(self, path: str, body: object) -> Any:
        answer = httpx.post(f"{self._url}/{path}", json=body, headers=self._headers, timeout=120)
        answer.raise_for_status()
        return answer.json()["data"]

    def wait(self, path: str, key: str, least: int) -> Any:
        """Until a count of an answer is at least that, or an order has ended."""
        deadline = time.monotonic() + PATIENCE
        data: Any = None
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{self._url}/{path}", headers=self._headers, timeout=60)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            data = answer.json().get("data") or {}
            if data.get(key, 0) >= least or data.get("ended_at"):
                return data
            time.sleep(0.1)
        raise AssertionError(f"{path}: {key} is not {least}: {data}")


@pytest.mark.timeout(600)
def test_kills_in_the_middle_of_an_order(tmp_path: Path) -> None:
    chance = random.Random(20260127)
    with RunningTree(tmp_path / "data", free_port()) as tree:
        client = _Client(tree)
        records = [
            {"stream": "usage_events", "payload": {"id": f"n-{n}", "customer_id": f"c-{n % 97}", "event": "late"}}
            for n in range(MANY)
        ]
        client.post("ingest/shop", records)
        client.wait("status/shop", "quarantined", MANY)
        order = client.post("quarantine/dismiss", {"source": "shop", "why": "a test"})["order"]
        assert (order["selected"], order["decided"]) == (MANY, 0)
        path = f"quarantine/orders/{order['id']}"
        for role, reached in (("supervisor", 1), ("postgres", MANY // 3), ("supervisor", MANY // 2)):
            halfway = client.wait(path, "decided", reached)
            assert halfway["ended_at"] is None, f"it was over before {role} was killed"
            # Whatever it is just at.
            time.sleep(chance.uniform(0, 0.8))
            tree.kill(role, chance)
            if role == "supervisor":
                tree.start()
        ended = client.wait(path, "decided", MANY + 1)
        counts = ("state", "matched", "decided", "underway", "settled", "failing")
        assert [ended[name] for name in counts] == ["done", MANY, MANY, 0, 0, 0]
        _check(tree)


def _check(tree: RunningTree) -> None:
    """Every record is given up by one decision; the ledger holds, and no claim is left."""
    with connect_runtime(tree.data_dir) as runtime:
        deadline = time.monotonic() + PATIENCE
        while any(line.pending for line in runtime.ledger.status()):
            assert time.monotonic() < deadline, "not worked off"
            time.sleep(0.2)
        with runtime.database.snapshot() as conn:
            states = conn.execute("SELECT state, count(*) FROM quarantine GROUP BY state").fetchall()
            [(decided, most)] = conn.execute(
                "SELECT count(*), max(n) FROM (SELECT count(*) AS n FROM quarantine_decision GROUP BY id) AS one"
            ).fetchall()
            [(left,)] = conn.execute("SELECT count(*) FROM decision_batch WHERE order_id IS NOT NULL").fetchall()
        assert (states, decided, most, left) == ([("dismissed", MANY)], MANY, 1, 0)
        assert runtime.ledger.deep_check() == []
