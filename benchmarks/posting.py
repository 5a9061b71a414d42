"""A client that posts events as fast as it is answered, in a process of its own, and does as little as it can for it.

    python -m benchmarks.posting URL KEY EVENTS BODY CONNECTIONS

Requests are made beforehand. Each connection sends its next one when it has the answer to the last. Waits for a line on
standard input before it sends; prints one JSON object at the end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from typing import cast

import uvloop

from benchmarks.events import usage_events

__all__ = ["Posted", "post"]

PATH = "/api/v1/data/ingest/shop"
_SHARES = (50, 99)


@dataclasses.dataclass(frozen=True, slots=True)
class Posted:
    """Events a second, milliseconds until half and until 99 % of the requests were answered, and the client's own share
    of the time."""

    rate: float
    p50: float
    p99: float
    busy: float


def post(url: str, key: str, *, events: int, body: int, connections: int) -> Posted:
    """Post events of `body` a request. Raises AssertionError when one was not answered with 202."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.posting", url, key, str(events), str(body), str(connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        out, _ = process.communicate("go\n", timeout=300)
    assert process.returncode == 0
    return Posted(**json.loads(out))


class _Connection(asyncio.Protocol):
    """Sends requests until there are no more; `done` is set then."""

    def __init__(self, requests: Iterator[bytes], times: list[float], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._times = times
        self._done = done
        self._sent = 0.0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            self._done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, blank, rest = self._answer.partition(b"\r\n\r\n")
        if not blank or len(rest) < int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0]):
            return
        self._times.append(time.perf_counter() - self._sent)
        self._answer = b""
        if not head.startswith(b"HTTP/1.1 202 "):
            self._done.set_exception(AssertionError(f"{head.decode()}\n{rest.decode()}"))
        else:
            self.next()


async def _run(host: str, port: int, requests: list[bytes], connections: int) -> tuple[float, list[float]]:
    loop = asyncio.get_running_loop()
    left = iter(requests)
    times: list[float] = []
    made: list[_Connection] = []
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        _, connection = await loop.create_connection(lambda done=done: _Connection(left, times, done), host, port)  # type: ignore[misc]
        made.append(connection)
        ends.append(done)
    began = time.perf_counter()
    for connection in made:
        connection.next()
    await asyncio.gather(*ends)
    return time.perf_counter() - began, times


def _main(url: str, key: str, *numbers: str) -> None:
    count, size, connections = (int(number) for number in numbers)
    address = urllib.parse.urlsplit(url)
    events = usage_events(count, seed=time.time_ns())
    head = (
        f"POST {PATH}?stream=usage_events HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    bodies = [b"[" + b",".join(events[n : n + size]) + b"]" if size > 1 else events[n] for n in range(0, count, size)]
    requests = [head + b"%d\r\n\r\n" % len(body) + body for body in bodies]
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds, times = runner.run(_run(str(address.hostname), address.port or 80, requests, connections))
    times.sort()
    p50, p99 = (times[len(times) * share // 100] * 1000 for share in _SHARES)
    print(json.dumps(dataclasses.asdict(Posted(count / seconds, p50, p99, (time.process_time() - before) / seconds))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
