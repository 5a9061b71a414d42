"""From the sending of an event to the message that shows it, over a real tree: alone, beside a bulk load, and its score.

Ten thousand events a second come in over HTTP in bodies of 200. Among them single events ("probes") are sent to sources
of their own, twenty a second, each from a customer of its own; a source's probes go one after the other, so the n-th is
shown by the first delta that counts n accepted ones. A probe's time counts from when it was due, before the request.

    python -m benchmarks freshness=5000000     with a bulk load of so many rows
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks.recipe import Figure, percentile
from benchmarks.sending import Client, Pace, Sender, Sent
from mainstem.testing.tree import RunningTree, free_port

__all__ = ["run"]

_RATE = 10_000
_BODY = 200
_SECONDS = 20
_SOURCES = 4
_PROBES_A_SECOND = 5
_SCORES_A_SECOND = 4
_BULK_ROWS = 2_000_000
# What is still to be shown when sending has ended is waited for this long.
_PATIENCE = 30.0
# A delta that is late is late by its content: messages are looked at as they come.
_MOST_BYTES = 64 * 2**20


def run(rows: int = _BULK_ROWS) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        with RunningTree(home / "data", free_port(), {"MAINSTEM_LAKE__FLUSH_SECONDS": "30"}) as tree:
            key = tree.new_key("bench", "admin")
            # The first requests of a process cost more; nobody's dashboard is measured by them.
            _measure(tree, key, "warm", seconds=3)
            alone, sent = _measure(tree, key, "alone", seconds=_SECONDS)
            yield from _figures("", alone, sent)
            bulk = home / "bulk.parquet"
            _make_bulk(bulk, rows)
            with _load(tree, bulk) as loading:
                beside, sent = _measure(tree, key, "beside", seconds=_SECONDS)
                assert loading.poll() is None or _pending(tree, key), "The load ended before: it needs more rows."
            yield from _figures(f" beside a bulk load of {rows:,} rows", beside, sent)


@dataclasses.dataclass(frozen=True, slots=True)
class _Shown:
    """Seconds from sending: to the acknowledgement, to the delta of live metrics, and to the first score."""

    acknowledged: list[float]
    metrics: list[float]
    scores: list[float]


def _figures(beside: str, shown: _Shown, sent: Sent) -> Iterator[Figure]:
    acknowledged = percentile(shown.acknowledged, 99) * 1000
    rate = sent.events / sent.seconds
    yield Figure(f"live events taken in{beside}", rate, "events/s", 0.99 * _RATE, "events/s sent", _RATE)
    for what, times, must in (("dashboard", shown.metrics, 2000.0), ("score", shown.scores, None)):
        for share in (50, 99):
            yield Figure(
                f"event to {what} at {_RATE:,} events/s{beside}, p{share}",
                percentile(times, share) * 1000,
                "ms",
                must if share == 99 else None,
                "p99 of its durable acknowledgement",
                acknowledged,
                higher_is_better=False,
            )


def _measure(tree: RunningTree, key: str, name: str, *, seconds: int) -> tuple[_Shown, Sent]:
    counted = [_Probes(f"{name}_{n}", seconds * _PROBES_A_SECOND, 1 / _PROBES_A_SECOND) for n in range(_SOURCES)]
    scored = _Probes(f"{name}_scored", seconds * _SCORES_A_SECOND, 1 / _SCORES_A_SECOND)

    def counts(value: dict[str, Any]) -> None:
        for probes in counted:
            if value.get("source") == probes.source:
                probes.shown_up_to(value["accepted"])

    def scores(value: dict[str, Any]) -> None:
        source, _, number = str(value.get("customer_id")).partition(":")
        if source == scored.source:
            scored.shown(int(number))

    with (
        Sender(tree.url, key, source="shop", pace=Pace(_RATE, _BODY, seconds)) as sender,
        _follow(tree, key, "live-metrics", "source", counts),
        _follow(tree, key, "health-scores", "score", scores),
    ):
        sender.start()
        threads = [
            threading.Thread(target=probes.send, args=(tree, key), kwargs={"customers": probes is scored})
            for probes in (*counted, scored)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = sender.result()
        deadline = time.monotonic() + _PATIENCE
        while not all(probes.all_shown for probes in (*counted, scored)) and time.monotonic() < deadline:
            time.sleep(0.05)
    return (
        _Shown(
            [seconds for probes in (*counted, scored) for seconds in probes.acknowledged()],
            [seconds for probes in counted for seconds in probes.times()],
            scored.times(),
        ),
        sent,
    )


class _Probes:
    """The probes of one source: when each was due, acknowledged and shown."""

    def __init__(self, source: str, count: int, interval: float) -> None:
        self.source = source
        self._interval = interval
        self._due = [0.0] * count
        self._acknowledged = [0.0] * count
        self._shown = [0.0] * count

    def send(self, tree: RunningTree, key: str, *, customers: bool) -> None:
        """Send all, each when it is due; with `customers` each is a customer's of its own."""
        client = Client(tree.url, key, self.source)
        began = time.monotonic()
        for number in range(len(self._due)):
            due = began + number * self._interval
            time.sleep(max(due - time.monotonic(), 0.0))
            self._due[number] = due
            payload = {
                "id": f"{self.source}-{number}",
                "customer_id": str(number) if customers else "probe",
                "event": "login",
                "occurred_at": dt.datetime.now(dt.UTC).isoformat(),
            }
            status = client.post(json.dumps([payload]).encode())
            assert status == 202, status
            self._acknowledged[number] = time.monotonic()
        client.close()

    def shown_up_to(self, count: int) -> None:
        """The first `count` are shown now, if they were not before."""
        for number in range(min(count, len(self._shown)) - 1, -1, -1):
            if self._shown[number]:
                break
            self._shown[number] = time.monotonic()

    def shown(self, number: int) -> None:
        """One is shown now, if it was not before."""
        self._shown[number] = self._shown[number] or time.monotonic()

    @property
    def all_shown(self) -> bool:
        return all(self._shown)

    def times(self) -> list[float]:
        """Seconds until each was shown; one that never was is as late as can be."""
        return [at - due if at else float("inf") for due, at in zip(self._due, self._shown, strict=True)]

    def acknowledged(self) -> list[float]:
        """Seconds until each was durable."""
        return [at - due for due, at in zip(self._due, self._acknowledged, strict=True)]


@contextlib.contextmanager
def _follow(tree: RunningTree, key: str, path: str, kind: str, see: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Have `see` called with every value of a kind that a subscription's deltas tell."""
    url = f"{tree.url.replace('http', 'ws')}/api/v1/stream/{path}"
    with connect(url, additional_headers={"Authorization": f"Bearer {key}"}, max_size=_MOST_BYTES) as socket:
        snapshot = json.loads(socket.recv())
        assert snapshot["type"] == "snapshot", snapshot

        def read() -> None:
            with contextlib.suppress(ConnectionClosed):
                for message in socket:
                    for change in json.loads(message).get("changes", ()):
                        if change["kind"] == kind:
                            see(change["value"])

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            socket.close()
            reader.join()


def _make_bulk(file: Path, rows: int) -> None:
    """A year of history of ten thousand customers."""
    duckdb.execute(
        f"""
        COPY (
            SELECT 'bulk-' || n AS id, 'customer-' || hash(n) % 10000 AS customer_id,
                   ['login', 'search', 'export', 'page_view'][1 + (hash(n, 1) % 4)::INTEGER] AS event,
                   strftime(now()::TIMESTAMP - to_seconds((hash(n, 2) % 31536000)::BIGINT), '%Y-%m-%dT%H:%M:%SZ') AS occurred_at
            FROM range({rows}) AS rows (n)
        ) TO '{file}' (FORMAT parquet)
        """
    )


@contextlib.contextmanager
def _load(tree: RunningTree, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`mainstem load` beside the block."""
    command = [sys.executable, "-m", "mainstem.cli.main", "load", str(file), "--source", "warehouse"]
    loading = subprocess.Popen(
        [*command, "--stream", "usage_events", "--json", "--data-dir", str(tree.data_dir)],
        stdout=subprocess.DEVNULL,
    )
    try:
        # Until it has read its file's beginning and the first rows are on their way.
        time.sleep(4)
        yield loading
    finally:
        loading.kill()
        loading.wait()


def _pending(tree: RunningTree, key: str) -> int:
    """Rows of the load that are not yet in effect."""
    url = f"{tree.url}/api/v1/data/status/warehouse"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=60).raise_for_status()
    return int(answer.json()["data"]["pending"])
