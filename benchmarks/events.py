"""Usage events for benchmarks: about 300 bytes each, random ids, a thousand customers."""

from __future__ import annotations

import datetime as dt
import json
import random

__all__ = ["usage_events"]

_EVENTS = ("page_view", "export_finished", "report_opened", "search", "login")


def usage_events(
    count: int, *, customers: int = 1000, seed: int = 1, span: dt.timedelta = dt.timedelta(days=2)
) -> list[bytes]:
    """Payloads of the built-in stream `usage_events`, of the last `span`."""
    seconds = int(span.total_seconds())
    chance = random.Random(seed)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    payloads = []
    for _ in range(count):
        at = now - dt.timedelta(seconds=chance.randrange(seconds))
        payload = {
            "id": f"{chance.getrandbits(128):032x}",
            "customer_id": f"customer-{chance.randrange(customers)}",
            "person_id": f"person-{chance.randrange(customers * 5)}@example.com",
            "event": chance.choice(_EVENTS),
            "occurred_at": at.isoformat(),
            "object": f"report-{chance.randrange(500)}",
            "quantity": chance.randrange(1, 20),
            "properties": {"browser": "firefox", "plan": "business", "region": "eu-central", "flags": [1, 2, 3]},
        }
        payloads.append(json.dumps(payload).encode())
    return payloads
