"""The API over HTTP at 10,000 customers with a year of history: each analytics route, one client after the other question.

A real tree serves; the client keeps one connection and asks with a real key. Beside each route stands the route that asks
the database for one row and nothing else (`/readyz`). Then the scorer: everybody touched at once, and one at a time.

    python -m benchmarks api=2000      with so many customers
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import random
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from benchmarks.recipe import Figure, percentile
from benchmarks.year import SEGMENTS, SOURCE, build_year, wait_scored
from mainstem.testing.tree import RunningTree, free_port

__all__ = ["run"]

_CUSTOMERS = 10_000
_ASKED = 100
_WARM = 5
_TOUCHED = 20
_MUST_MS = 100.0

_Question = Callable[[random.Random], str]


def run(customers: int = _CUSTOMERS) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        with RunningTree(home / "data", free_port(), {"MAINSTEM_LAKE__FLUSH_SECONDS": "30"}) as tree:
            seconds, dsn = build_year(tree, customers)
            client = _Client(tree.url, tree.new_key("bench", "admin"))
            limit = _times(client, lambda _: "/readyz")
            everything: list[float] = []
            for name, question in _questions(client, customers).items():
                times = _times(client, question)
                everything += times
                yield from _figures(f"GET {name}", times, limit)
            yield from _figures("all analytics routes", everything, limit)
            client.close()
            yield from _scorer(dsn, customers, seconds)


def _questions(client: _Client, customers: int) -> dict[str, _Question]:
    """What is asked of each route, with the parameters that the dashboard and scripts use."""
    analytics = "/api/v1/analytics"

    def health(chance: random.Random, **parameters: str) -> str:
        customer = f"{SOURCE}:customer-{chance.randrange(customers)}"
        asked = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return f"{analytics}/customer-health/{urllib.parse.quote(customer, safe='')}{asked}"

    def trends(chance: random.Random, of: dict[str, str] | None = None, **more: str) -> str:
        timeframe = chance.choice(("24h", "7d", "30d", "90d", "12m"))
        asked = {"metric": chance.choice(("events", "quantity", "objects")), **(of or {}), **more}
        return f"{analytics}/usage-trends/{timeframe}?{urllib.parse.urlencode(asked)}"

    def one(chance: random.Random) -> dict[str, str]:
        return {"customer_id": f"{SOURCE}:customer-{chance.randrange(customers)}"}

    sorts = ("score", "-score", "last_activity", "-last_activity", "segment", "change", "-change")
    filters = ("", "&band=healthy", "&band=at_risk&band=attention", f"&segment={SEGMENTS[0]}", f"&source={SOURCE}")
    deep = {
        sort: _deep_cursors(client, f"{analytics}/customers?limit=200&sort={sort}", customers) for sort in sorts[:2]
    }

    def page(chance: random.Random) -> str:
        return f"{analytics}/customers?limit=50&sort={chance.choice(sorts)}{chance.choice(filters)}"

    def deep_page(chance: random.Random) -> str:
        sort = chance.choice(list(deep))
        return f"{analytics}/customers?limit=50&sort={sort}&cursor={chance.choice(deep[sort])}"

    return {
        "customer-health": health,
        "customer-health?as_of": lambda chance: health(chance, as_of=_ago(chance, 300)),
        "customer-health?as_of&known_at": lambda chance: health(
            chance, as_of=_ago(chance, 300), known_at=_ago(chance, 9)
        ),
        "customers, filtered and sorted": page,
        "customers, a deep page": deep_page,
        "usage-trends of a customer": lambda chance: trends(chance, one(chance)),
        "usage-trends of a segment": lambda chance: trends(chance, segment=chance.choice(SEGMENTS)),
        "usage-trends of all": trends,
        "usage-trends of a customer, known_at": lambda chance: trends(chance, one(chance), known_at=_ago(chance, 9)),
        "overview": lambda _: f"{analytics}/overview",
        "data/sources": lambda _: "/api/v1/data/sources",
        "data/status": lambda _: f"/api/v1/data/status/{SOURCE}",
        "data/quality/metrics": lambda _: "/api/v1/data/quality/metrics",
    }


def _ago(chance: random.Random, days: int) -> str:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(days=chance.uniform(2, days))
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _deep_cursors(client: _Client, path: str, customers: int) -> list[str]:
    """Cursors of pages beyond the half of all customers, by paging there as a client would."""
    cursors: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(cursors) < customers // 200:
        cursor = json.loads(client.get(path + (f"&cursor={cursor}" if cursor else "")))["meta"]["next_cursor"]
        cursors += [cursor] if cursor else []
    return cursors[len(cursors) // 2 :]


class _Client:
    """One connection, kept."""

    def __init__(self, url: str, key: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:300])
        return body

    def close(self) -> None:
        self._connection.close()


def _times(client: _Client, question: _Question) -> list[float]:
    """Milliseconds of each answer."""
    chance = random.Random(1)
    times = []
    for number in range(_WARM + _ASKED):
        path = question(chance)
        began = time.perf_counter()
        client.get(path)
        if number >= _WARM:
            times.append((time.perf_counter() - began) * 1000)
    return times


def _figures(name: str, times: list[float], limit: list[float]) -> Iterator[Figure]:
    for share in (50, 95, 99):
        yield Figure(
            f"{name}, p{share}",
            percentile(times, share),
            "ms",
            _MUST_MS if share == 95 else None,
            f"a route of one look-up, p{share}",
            percentile(limit, share),
            higher_is_better=False,
        )


def _scorer(dsn: str, customers: int, seconds: float) -> Iterator[Figure]:
    with psycopg.connect(f"{dsn} options='-c search_path=mainstem_fold,mainstem'", autocommit=True) as conn:
        began = time.perf_counter()
        conn.execute("CREATE TEMPORARY TABLE bare AS SELECT * FROM score")
        copied = customers / (time.perf_counter() - began)
        yield Figure(
            "customers touched at once, scored", customers / seconds, "customers/s", None, "rows copied", copied
        )
        refs = conn.execute("SELECT ref FROM score ORDER BY ref LIMIT %s", [_TOUCHED]).fetchall()
        stored, committed = [], []
        for (ref,) in refs:
            time.sleep(0.5)
            began = time.perf_counter()
            conn.execute("INSERT INTO touched (ref, since) VALUES (%s, now()) ON CONFLICT DO NOTHING", [ref])
            conn.execute("SELECT pg_notify('mainstem_change', '')")
            committed.append((time.perf_counter() - began) * 1000)
            wait_scored(conn)
            stored.append((time.perf_counter() - began) * 1000)
    for share in (50, 99):
        yield Figure(
            f"customer touched to score stored, p{share}",
            percentile(stored, share),
            "ms",
            None,
            "the commit that touches it",
            percentile(committed, share),
            higher_is_better=False,
        )
