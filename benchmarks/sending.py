"""A client that sends events over HTTP at a steady rate, in a process of its own.

    python -m benchmarks.sending URL KEY SOURCE RATE BODY SECONDS [STREAM PAYLOADS]

Sends usage events, or the payloads of a file that has one a line to a stream. A request's time counts from when it was due, so a server that makes clients wait is charged for it. Waits for a line on
standard input before it sends; prints one JSON object at the end.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Self

from benchmarks.events import usage_events

__all__ = ["Client", "Pace", "Sender", "Sent"]

_CONNECTIONS = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """What became of it: events acknowledged, seconds it took, answers other than 202, and acknowledgements in seconds."""

    events: int
    seconds: float
    refusals: int
    acknowledged: list[float]


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """`rate` events a second in bodies of `body`, for so many seconds."""

    rate: int
    body: int
    seconds: int


class Client:
    """One connection that posts bodies to a stream of a source."""

    def __init__(self, url: str, key: str, source: str, stream: str = "usage_events") -> None:
        address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        self._path = f"/api/v1/data/ingest/{source}?stream={stream}"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, body: bytes) -> int:
        """Send bare payloads; the status."""
        self._connection.request("POST", self._path, body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        self._connection.close()


class Sender:
    """The process from outside: ready to send when made."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        source: str,
        pace: Pace,
        of: tuple[str, Path] | None = None,
    ) -> None:
        """`of`: a stream and a file of its payloads; usage events when nothing is said."""
        arguments = [url, key, source, str(pace.rate), str(pace.body), str(pace.seconds), *map(str, of or ())]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sending", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def start(self) -> None:
        """Send from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> Sent:
        """Wait for the end."""
        out, _ = self._process.communicate(timeout=300)
        return Sent(**json.loads(out))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class _Sending:
    def __init__(self, target: tuple[str, str, str, str], rate: int, size: int) -> None:
        self._target = target
        self._interval = size / rate
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.acknowledged: list[float] = []
        self.refusals = 0

    def run(self, bodies: list[bytes]) -> float:
        """Send them all, each when it is due; the seconds it took."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._send, args=(bodies, began)) for _ in range(_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - began

    def _send(self, bodies: list[bytes], began: float) -> None:
        client = Client(*self._target)
        while (number := next(self._numbers)) < len(bodies):
            due = began + number * self._interval
            time.sleep(max(due - time.monotonic(), 0.0))
            while client.post(bodies[number]) != 202:
                with self._lock:
                    self.refusals += 1
                time.sleep(0.2)
            with self._lock:
                self.acknowledged.append(round(time.monotonic() - due, 5))
        client.close()


def _main(url: str, key: str, source: str, *arguments: str) -> None:
    rate, size, seconds = (int(number) for number in arguments[:3])
    stream, *payloads = arguments[3:] or ["usage_events"]
    if payloads:
        events = Path(payloads[0]).read_bytes().splitlines()[: rate * seconds]
    else:
        events = usage_events(rate * seconds, span=dt.timedelta(minutes=5))
    bodies = [b"[" + b",".join(events[n : n + size]) + b"]" for n in range(0, len(events), size)]
    sending = _Sending((url, key, source, stream), rate, size)
    print("ready", flush=True)
    sys.stdin.readline()
    took = sending.run(bodies)
    print(json.dumps(dataclasses.asdict(Sent(len(events), took, sending.refusals, sending.acknowledged))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
