"""What a real installation is sent, and what it has to come to: events, repeats, invalid and held records, entities, both lanes."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections import Counter
from typing import Any, Literal

from mainstem.testing.retrying import RetryingClient
from mainstem.testing.samples import accounts_contract

__all__ = ["ACCOUNTS", "ACCOUNTS_CONTRACT", "EVENTS", "JOURNEY", "JOURNEY_NAME", "SOURCE", "Expected", "Workload"]

SOURCE = "shop"
EVENTS = "usage_events"
ACCOUNTS = "accounts"
_HELD_PLAN = "H"
ACCOUNTS_CONTRACT = accounts_contract(SOURCE, held_plan=_HELD_PLAN)
"""Entities of the source, for `activate_folder`."""

JOURNEY_NAME = "using"
JOURNEY = f"""
kind: funnel
name: {JOURNEY_NAME}
steps: [{{name: used, event: used}}, {{name: done, entity: milestone}}]
window: 1d
"""
"""A journey whose first step are the workload's events."""

_BATCH = 50
_CUSTOMERS = 40
_ENTITIES = 10


@dataclasses.dataclass
class Expected:
    """What has been acknowledged and has to be in effect once."""

    events: Counter[str] = dataclasses.field(default_factory=Counter)
    """Distinct events by customer."""
    invalid: int = 0
    """Distinct records that belong into quarantine."""
    held: int = 0
    """Distinct records that are to be held; released whenever, they are no account's last."""
    accounts: dict[str, str | None] = dataclasses.field(default_factory=dict)
    """The plan each ends with; None for a deleted one."""

    def add(self, other: Expected) -> None:
        """Take another's over."""
        self.events.update(other.events)
        self.invalid += other.invalid
        self.held += other.held
        self.accounts.update(other.accounts)


class Workload:
    """Threads that load one installation until told to stop. Raises what any of them met, from `stop`."""

    def __init__(self, url: str, key: str, *, clients: int = 2, seed: int = 0, rest: float = 0) -> None:
        """Of every four clients one sends live, one bulk, one by Idempotency-Key alone, one entities.

        Each rests `rest` seconds after every request that was acknowledged.
        """
        self._seed = seed
        self._rest = rest
        self._ending = threading.Event()
        self._failures: list[BaseException] = []
        self._expected = [Expected() for _ in range(clients)]
        self.clients = [RetryingClient(url, key, SOURCE) for _ in range(clients)]
        turns = [self._live, self._bulk, self._keyed, self._entities]
        self._threads = [
            threading.Thread(target=self._run, args=(number, turns[number % len(turns)]), name=f"client-{number}")
            for number in range(clients)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> Expected:
        """Finish what is being sent; all that was acknowledged."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        total = Expected()
        for one in self._expected:
            total.add(one)
        return total

    @property
    def acknowledged(self) -> int:
        """Records, every copy counted."""
        return sum(client.acknowledged for client in self.clients)

    @property
    def attempts(self) -> int:
        """Requests, repeated ones included."""
        return sum(client.attempts for client in self.clients)

    def _run(self, number: int, take_turn: Any) -> None:
        client, chance = self.clients[number], random.Random(self._seed * 1000 + number)  # noqa: S311 - not for secrets
        turn = 0
        try:
            while not self._ending.is_set():
                take_turn(number, turn, client, chance)
                turn += 1
                self._ending.wait(self._rest)
        except BaseException as error:  # noqa: BLE001 - raised again by `stop`
            self._failures.append(error)
        finally:
            client.close()

    def _live(self, number: int, turn: int, client: RetryingClient, chance: random.Random) -> None:
        self._events(number, turn, client, "live", chance)

    def _bulk(self, number: int, turn: int, client: RetryingClient, chance: random.Random) -> None:
        self._events(number, turn, client, "bulk", chance)

    def _events(
        self, number: int, turn: int, client: RetryingClient, lane: Literal["live", "bulk"], chance: random.Random
    ) -> None:
        """New events; some of an earlier body again; one that is invalid and one that cannot be read."""
        good = [_event(f"{number}-{turn}-{n}", _customer(turn, n)) for n in range(_BATCH)]
        before = chance.randrange(max(turn - 20, 0), turn) if turn else 0
        again = [_event(f"{number}-{before}-{n}", _customer(before, n)) for n in range(0, _BATCH, 5)] if turn else []
        invalid = _event(f"{number}-{turn}-invalid", "customer-0")
        invalid["payload"]["occurred_at"] = "at some time"
        records = [*good, *again, invalid, {"stream": EVENTS}]
        chance.shuffle(records)
        client.send(records, lane=lane, refused=1)
        expected = self._expected[number]
        expected.events.update(_customer(turn, n) for n in range(_BATCH))
        expected.invalid += 1

    def _keyed(self, number: int, turn: int, client: RetryingClient, _chance: random.Random) -> None:
        """Records without ids, known by their request alone, which is sent twice."""
        records = [_event(None, _customer(turn, n)) for n in range(_BATCH)]
        for _ in range(2):
            client.send(records, key=f"request-{number}-{turn}")
        self._expected[number].events.update(_customer(turn, n) for n in range(_BATCH))

    def _entities(self, number: int, turn: int, client: RetryingClient, chance: random.Random) -> None:
        """A, one that is held, B, A, deleted, come back: in any order, over both lanes, some twice."""
        records = []
        for n in range(_ENTITIES):
            account = f"account-{number}-{n}"
            steps: list[str | None] = ["A", _HELD_PLAN, "B", "A", None, chance.choice("CD")]
            if chance.random() < 0.3:
                steps = [*steps, None]
            records += [_account(account, plan, turn * 10 + step) for step, plan in enumerate(steps)]
            self._expected[number].accounts[account] = steps[-1]
        chance.shuffle(records)
        middle = len(records) // 2
        client.send(records[:middle], lane="bulk")
        client.send(records[middle:] + records[: middle // 2], lane="live")
        self._expected[number].held += _ENTITIES


def _customer(turn: int, n: int) -> str:
    return f"customer-{(turn * 7 + n) % _CUSTOMERS}"


def _event(event_id: str | None, customer: str) -> dict[str, Any]:
    payload = {"customer_id": customer, "event": "used", "occurred_at": "2026-01-15T12:00:00Z"}
    if event_id is not None:
        payload["id"] = event_id
    return {"stream": EVENTS, "payload": payload}


def _account(account: str, plan: str | None, version: int) -> dict[str, Any]:
    minute, hour = version % 60, version // 60 % 24
    payload = {"id": account, "updated_at": f"{2000 + version // 1440}-01-01T{hour:02}:{minute:02}:00Z"}
    if plan is not None:
        payload["plan"] = plan
    return {"stream": ACCOUNTS, "op": "delete" if plan is None else "upsert", "payload": payload}
