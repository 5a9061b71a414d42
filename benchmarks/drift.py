"""A stream whose schema changes four times while ten thousand events a second come in, over a real tree.

Every fifth of the time the source sends something else: orders as declared, then with a new field and a new plan, then the
amount under another name, then with decimals, then without the plan. The contract follows by `contract evolve --activate`, twice
on the way and until nothing waits; nothing else is done by hand. That every order counts, with its amount, is asserted.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from benchmarks.recipe import Figure, percentile
from benchmarks.sending import Pace, Sender
from mainstem.testing.tree import RunningTree, free_port

__all__ = ["run"]

_RATE = 10_000
_BODY = 200
_SECONDS = 20
# When a person lets the contract follow: the rename has been seen then, and the decimals.
_EVOLVES = (10.0, 15.0)
_PATIENCE = 120.0
_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: shop-orders
version: 1.0.0
customProperties: [{property: source, value: shop}]
schema:
  - name: orders
    customProperties:
      - {property: partitionKey, value: account}
      - {property: recordId, value: id}
      - {property: occurredAt, value: at}
      - property: mapping
        value:
          entity: usage_event
          attributes: {customer_id: account, event: kind, occurred_at: at, quantity: amount, object: plan}
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: account, logicalType: string, required: true}
      - {name: kind, logicalType: string, required: true}
      - {name: at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: integer, required: true}
      - {name: plan, logicalType: string, enum: [{value: free}, {value: paid}]}
"""


@dataclasses.dataclass(frozen=True, slots=True)
class _Orders:
    """A file of payloads, and what their amounts come to."""

    path: Path
    amount: Decimal


def run(seconds: int = _SECONDS) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        declared = home / "declared" / "contracts" / "shop"
        declared.mkdir(parents=True)
        (declared / "orders.yaml").write_text(_CONTRACT)
        orders = _make_orders(home / "orders.ndjson", _RATE * seconds)
        with RunningTree(home / "data", free_port()) as tree:
            tree.command("activate", str(home / "declared"))
            yield from _measure(tree, orders, seconds)


def _measure(tree: RunningTree, orders: _Orders, seconds: int) -> Iterator[Figure]:
    key = tree.new_key("bench", "admin")
    of = ("orders", orders.path)
    with Sender(tree.url, key, source="shop", pace=Pace(_RATE, _BODY, seconds), of=of) as sender:
        sender.start()
        began = time.monotonic()
        for at in _EVOLVES:
            time.sleep(max(began + at * seconds / _SECONDS - time.monotonic(), 0.0))
            _evolve(tree)
        sent = sender.result()
    ended = time.monotonic()
    with httpx.Client(base_url=tree.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        state = _settled(client)
        while state["quarantined"]:
            assert time.monotonic() < ended + _PATIENCE, state
            _evolve(tree)
            state = _settled(client)
        settled = time.monotonic() - ended
        assert state["accepted"] == state["received"] == sent.events, state
        total = _total(client)
        assert total == orders.amount, (total, orders.amount)
    rate = sent.events / sent.seconds
    yield Figure("events taken in while the schema changes", rate, "events/s", 0.99 * _RATE, "events/s sent", _RATE)
    yield Figure(
        "all of it in effect, after the last was taken in",
        settled,
        "s",
        None,
        "seconds of sending",
        sent.seconds,
        higher_is_better=False,
    )
    yield Figure(
        "acknowledged while the schema changes, p99",
        percentile(sent.acknowledged, 99) * 1000,
        "ms",
        None,
        "p50 of the same",
        percentile(sent.acknowledged, 50) * 1000,
        higher_is_better=False,
    )


def _make_orders(path: Path, count: int) -> _Orders:
    chance = random.Random(1)
    now = dt.datetime.now(dt.UTC)
    total = Decimal(0)
    with path.open("w") as file:
        for number in range(count):
            amount = chance.randrange(1, 20)
            shape = number * 5 // count
            order: dict[str, Any] = {
                "id": f"{chance.getrandbits(128):032x}",
                "account": f"customer-{chance.randrange(1000)}",
                "kind": "sale",
                "at": (now - dt.timedelta(seconds=chance.randrange(300))).isoformat(),
                "amount": amount,
                "plan": chance.choice(("free", "paid")),
            }
            if shape >= 1:
                order |= {"channel": "web", "plan": chance.choice(("free", "paid", "gold"))}
            if shape >= 2:
                order["total"] = order.pop("amount")
            if shape >= 3:
                order["total"] = amount + 0.5
            if shape >= 4:
                del order["plan"]
            total += Decimal(str(order.get("total", amount)))
            file.write(json.dumps(order) + "\n")
    return _Orders(path, total)


def _evolve(tree: RunningTree) -> None:
    tree.command("contract", "evolve", "shop.orders", "--activate")


def _settled(client: httpx.Client) -> dict[str, Any]:
    """The state of the source once nothing is on its way, and no replay either for three seconds."""
    deadline = time.monotonic() + _PATIENCE
    before, since = None, time.monotonic()
    while True:
        state: dict[str, Any] = client.get("/api/v1/data/status/shop").raise_for_status().json()["data"]
        now = tuple(state[name] for name in ("received", "accepted", "quarantined", "pending"))
        if now != before:
            before, since = now, time.monotonic()
        if state["pending"] == 0 and time.monotonic() > since + (0.0 if state["quarantined"] == 0 else 15.0):
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.2)


def _total(client: httpx.Client) -> Decimal:
    answer = client.get("/api/v1/analytics/usage-trends/7d?metric=quantity&granularity=day").raise_for_status()
    points = json.loads(answer.text, parse_float=Decimal)["data"]["points"]
    return sum((Decimal(point["value"]) for point in points), Decimal(0))
