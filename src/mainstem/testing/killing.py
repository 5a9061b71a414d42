"""The kill test: load, kill, start again, and then look whether everything that was acknowledged counts exactly once."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from mainstem.lake import verify
from mainstem.metrics import series_id
from mainstem.processing import Ledger
from mainstem.runtime.wiring import connect_runtime
from mainstem.store import Database
from mainstem.testing.retrying import RetryingClient
from mainstem.testing.tree import RunningTree

__all__ = ["ROLES", "KillRun", "Killed"]

ROLES = ("serve", "work", "postgres", "supervisor", "guardian")
"""Who is killed: door; engine, sink and lake writer; postmaster; supervisor with its scheduler; the postmaster's guardian."""

_SOURCE = "shop"
_STREAM = "usage_events"
_BATCH = 50
_CUSTOMERS = 40
_DRAIN_SECONDS = 180.0


@dataclasses.dataclass(frozen=True, slots=True)
class Killed:
    """What a run came to. `kills` counts by role; `attempts` are requests, repeated ones included."""

    kills: Counter[str]
    acknowledged: int
    attempts: int
    received: int


class KillRun:
    """Clients load a running installation while a random process is killed again and again."""

    def __init__(self, data_dir: Path, port: int, seed: int, clients: int = 2) -> None:
        self._tree = RunningTree(data_dir, port)
        self._chance = random.Random(seed)  # noqa: S311 - a test is repeated by its seed
        self._clients = clients
        self._ending = threading.Event()
        self._sent: list[Counter[str]] = []
        self._failures: list[BaseException] = []

    def run(self, kills: int, pause: float) -> Killed:
        """Kill `kills` times, about `pause` seconds apart, and check. Raises AssertionError for what does not hold."""
        killed: Counter[str] = Counter()
        with self._tree as tree:
            key = tree.new_key("kill-test", "ingest")
            clients = [RetryingClient(tree.url, key, _SOURCE) for _ in range(self._clients)]
            threads = [threading.Thread(target=self._load, args=(n, client)) for n, client in enumerate(clients)]
            for thread in threads:
                thread.start()
            try:
                for turn in range(kills):
                    # Every role in turn first, then by chance: a short run kills each at least once.
                    role = ROLES[turn] if turn < len(ROLES) else self._chance.choice(ROLES)
                    time.sleep(pause * self._chance.uniform(0.3, 1.7))
                    if tree.kill(role, self._chance) is not None:
                        killed[role] += 1
                    if role == "supervisor":
                        tree.start()
                time.sleep(pause)
            finally:
                self._ending.set()
                for thread in threads:
                    thread.join()
            if self._failures:
                raise self._failures[0]
            tree.wait_ready()
            received = self._check(tree)
        return Killed(
            killed, sum(c.acknowledged for c in clients), sum(client.attempts for client in clients), received
        )

    def _load(self, number: int, client: RetryingClient) -> None:
        counted: Counter[str] = Counter()
        self._sent.append(counted)
        turn = 0
        try:
            while not self._ending.is_set():
                customers = [f"customer-{(turn * 7 + n) % _CUSTOMERS}" for n in range(_BATCH)]
                client.send([_event(f"{number}-{turn}-{n}", customer) for n, customer in enumerate(customers)])
                counted.update(customers)
                turn += 1
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            self._failures.append(error)
        finally:
            client.close()

    def _check(self, tree: RunningTree) -> int:
        expected: Counter[str] = Counter()
        for counted in self._sent:
            expected.update(counted)
        with connect_runtime(tree.data_dir) as runtime:
            ledger = Ledger(runtime.database, runtime.log, runtime.segments)
            deadline = time.monotonic() + _DRAIN_SECONDS
            while True:
                lines = [line for line in ledger.status(_SOURCE) if line.stream == _STREAM]
                in_lake = sum(
                    total.rows
                    for total in runtime.lake.manifest.totals()
                    if (total.source, total.stream) == (_SOURCE, _STREAM)
                )
                received = sum(line.received for line in lines)
                if not any(line.pending for line in lines) and in_lake == received:
                    break
                assert time.monotonic() < deadline, f"not worked off: {lines}, {in_lake} of {received} rows in the lake"
                time.sleep(0.2)
            violations = ledger.deep_check()
            assert not violations, violations
            accepted = sum(line.accepted for line in lines)
            assert accepted == expected.total(), f"{accepted} accepted, {expected.total()} acknowledged"
            refs = {customer: runtime.keyring.references.ref(_SOURCE, "customer", customer) for customer in expected}
            assert _served(runtime.database) == {uuid.UUID(bytes=refs[c]): n for c, n in expected.items()}
            report = verify(runtime.lake, deep=True, log=runtime.log)
            assert report.whole, report.problems
        return received


def _event(event_id: str, customer: str) -> dict[str, Any]:
    payload = {"id": event_id, "customer_id": customer, "event": "used", "occurred_at": "2026-01-15T12:00:00Z"}
    return {"stream": _STREAM, "payload": payload}


def _served(database: Database) -> dict[uuid.UUID, int]:
    """Events of each customer, as metrics serve them."""
    with database.snapshot() as connection:
        rows = connection.execute(
            "SELECT ref, sum(value)::bigint FROM cell WHERE series = %s GROUP BY ref",
            (series_id("events", _SOURCE, _STREAM),),
        ).fetchall()
    return dict(rows)
