"""The door, with HTTP and without: until events are durable, beside what the same machine can do with the same bytes."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator

from benchmarks.events import usage_events
from benchmarks.installation import Installation, installation
from benchmarks.posting import Posted, post
from benchmarks.recipe import Figure
from benchmarks.serving import bare, serve
from mainstem.access import ApiKeys, Role
from mainstem.intake import Delivery

_EVENTS = 200_000
_BODY = 500
_CALLERS = 4
_POSTED = 100_000
_SINGLE = 15_000
_CONNECTIONS = 64


def run() -> Iterator[Figure]:
    with installation() as parts:
        yield _without_http(parts)
        yield from _over_http(parts)


def _without_http(parts: Installation) -> Figure:
    payloads = usage_events(_EVENTS)
    bodies = [
        b"[" + b",".join(b'{"stream":"usage_events","payload":' + p + b"}" for p in payloads[n : n + _BODY]) + b"]"
        for n in range(0, _EVENTS, _BODY)
    ]
    copied = _copy(parts, payloads)
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(_CALLERS) as callers:
        receipts = list(callers.map(lambda body: parts.door.submit(Delivery("shop", body)), bodies))
    seconds = time.perf_counter() - started
    assert sum(receipt.accepted for receipt in receipts) == _EVENTS
    return Figure(
        "door: 500-event bodies to durable",
        _EVENTS / seconds,
        "events/s",
        100_000,
        "COPY of the payloads, 500 a commit",
        copied,
    )


def _copy(parts: Installation, payloads: list[bytes]) -> float:
    """Rows a second that a bare COPY of the same payloads reaches, a commit for each 500."""
    with parts.database.transaction() as connection:
        connection.execute("CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY, payload bytea)")
    started = time.perf_counter()
    for n in range(0, len(payloads), _BODY):
        with (
            parts.database.transaction() as connection,
            connection.cursor().copy("COPY bare (payload) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(["bytea"])
            for payload in payloads[n : n + _BODY]:
                copy.write_row((payload,))
    return len(payloads) / (time.perf_counter() - started)


def _over_http(parts: Installation) -> Iterator[Figure]:
    key = ApiKeys(parts.database, parts.clock).create("bench", Role.INGEST)
    with bare() as url:
        bare_batches, bare_singles = _batches(url, key), _singles(url, key)
    with serve(parts) as url:
        _warm(url, key)
        batches, singles = _batches(url, key), _singles(url, key)
    limit = "a bare application that reads the body"
    yield Figure("HTTP: 500-event bodies to durable", batches.rate, "events/s", 100_000, limit, bare_batches.rate)
    yield Figure(
        "HTTP: single events to durable, 64 connections", singles.rate, "requests/s", 3_000, limit, bare_singles.rate
    )
    for name, value, bare_value in (("p50", singles.p50, bare_singles.p50), ("p99", singles.p99, bare_singles.p99)):
        yield Figure(f"HTTP: single events, {name}", value, "ms", None, limit, bare_value, higher_is_better=False)


def _warm(url: str, key: str) -> None:
    post(url, key, events=5_000, body=_BODY, connections=4)
    post(url, key, events=500, body=1, connections=4)


def _batches(url: str, key: str) -> Posted:
    return post(url, key, events=_POSTED, body=_BODY, connections=8)


def _singles(url: str, key: str) -> Posted:
    return post(url, key, events=_SINGLE, body=1, connections=_CONNECTIONS)
