"""The door without HTTP: bodies of 500 events to a durable acknowledgement, beside a raw COPY of the same payloads."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator

from benchmarks.events import usage_events
from benchmarks.installation import Installation, installation
from benchmarks.recipe import Figure
from mainstem.intake import Delivery

_EVENTS = 200_000
_BODY = 500
_CALLERS = 4


def run() -> Iterator[Figure]:
    payloads = usage_events(_EVENTS)
    bodies = [
        b"[" + b",".join(b'{"stream":"usage_events","payload":' + p + b"}" for p in payloads[n : n + _BODY]) + b"]"
        for n in range(0, _EVENTS, _BODY)
    ]
    with installation() as parts:
        copied = _copy(parts, payloads)
        started = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(_CALLERS) as callers:
            receipts = list(callers.map(lambda body: parts.door.submit(Delivery("shop", body)), bodies))
        seconds = time.perf_counter() - started
    assert sum(receipt.accepted for receipt in receipts) == _EVENTS
    yield Figure(
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
