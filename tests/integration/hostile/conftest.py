"""One running tree for all hostile input: that it outlives everything is the test."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstem.runtime.processes import ProcessId
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.tree import RunningTree, free_port

MARK = "zq7planted"
"""Stands in values of records and nowhere else: it must not come back in an answer, nor stand in a log."""


@dataclasses.dataclass
class Target:
    """The tree under attack, with a key for each use."""

    tree: RunningTree
    ingest: str
    reader: str
    processes: dict[str, list[ProcessId]]
    client: httpx.Client

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.tree.port

    def send(self, body: bytes, *, source: str = "shop", query: str = "", **headers: str) -> httpx.Response:
        """Send a body to the door. Header names are given with underscores."""
        given = {"Authorization": f"Bearer {self.ingest}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"{self.tree.url}/api/v1/data/ingest/{source}{query}"
        answer = self.client.post(address, content=body, headers=given)
        assert answer.status_code < 500, answer.text
        assert MARK not in answer.text, answer.text
        if answer.status_code != 202:
            problem = answer.json()
            assert problem["type"].startswith("/problems/"), problem
            assert problem["detail"]
        return answer

    def get(self, path: str) -> httpx.Response:
        return self.client.get(self.tree.url + path, headers={"Authorization": f"Bearer {self.reader}"})

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(self.address, timeout=60) as connection:
            yield connection

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are; what comes back until the server closes, or has nothing more to say."""
        with self.connection() as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            connection.settimeout(3)
            return everything(connection)

    def memory(self, role: str) -> int:
        """Most resident memory that the role has had so far, in bytes."""
        (process,) = self.processes[role]
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024

    def settled(self, source: str) -> Counter[str]:
        """The terms of the source's conservation equation, once nothing is pending."""
        deadline = time.monotonic() + 120
        with connect_runtime(self.tree.data_dir) as runtime:
            while True:
                lines = runtime.ledger.status(source)
                if not any(line.pending for line in lines):
                    break
                assert time.monotonic() < deadline, lines
                time.sleep(0.1)
            assert runtime.ledger.check() == []
            total: Counter[str] = Counter()
            for line in lines:
                total.update(
                    {name: getattr(line, name) for name in ("received", "accepted", "duplicate", "quarantined")}
                )
            return total

    def reasons(self, source: str) -> Counter[str]:
        """What stands in quarantine, by reason; each entry has one, and a message."""
        with connect_runtime(self.tree.data_dir) as runtime, runtime.database.snapshot() as connection:
            rows = connection.execute("SELECT reason, message FROM quarantine WHERE source = %s", [source]).fetchall()
        assert all(message and MARK not in message for _, message in rows)
        return Counter(reason for reason, _ in rows)

    def events(self, source: str, customer: str) -> int:
        """How many events of a customer are served."""
        answer = self.get(f"/api/v1/analytics/usage-trends/12m?metric=events&customer_id={source}:{customer}")
        assert answer.status_code == 200, answer.text
        return int(sum(point["value"] for point in answer.json()["data"]["points"]))


def everything(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while chunk := connection.recv(65536):
            found += chunk
    return found


def record(customer: str = "neighbour", **payload: Any) -> dict[str, Any]:
    """A good record, unless `payload` makes it a bad one."""
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    good = {"id": uuid.uuid4().hex, "customer_id": customer, "event": "used", "occurred_at": at}
    return {"stream": "usage_events", "payload": {**good, **payload}}


def body(*records: Any) -> bytes:
    return json.dumps(records).encode()


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    with RunningTree(data_dir, free_port()) as tree:
        state = tree.state()
        assert state is not None
        with httpx.Client(timeout=120) as client:
            yield Target(tree, tree.new_key("in", "ingest"), tree.new_key("out", "admin"), state.processes, client)
        after = tree.state()
        assert after is not None
        assert after.processes == state.processes, tree.tail()
        log = tree.log.read_text()
        assert MARK not in log
        assert "Traceback" not in log, log
    assert MARK not in tree.log.read_text()
