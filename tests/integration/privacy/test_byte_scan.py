"""Names and addresses planted wherever a record, a request or a file can carry them are nowhere to be found in clear."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from mainstem.processing import Ledger
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.samples import state_contract
from mainstem.testing.tree import RunningTree, free_port

CONTRACT = state_contract(
    "crm",
    "people",
    ("person", {"person_id": "id", "customer_id": "account", "name": "name", "email": "email"}),
    {"account": {"required": True, "pii": "identifier"}, "name": {"pii": "name"}, "email": {"pii": "email"}},
    partition_key="account",
)
# New enough for a timeline, which is what keeps the properties of events.
AT = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
# The name of an API key is in clear in PostgreSQL by design: where it is not found, nobody has looked.
CONTROL = "qzcontrol"


class Plants:
    """Values that are found nowhere else, by where they were planted."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def email(self, where: str) -> str:
        return self._plant(where, f"{where}.qzplant@example.org")

    def name(self, where: str) -> str:
        return self._plant(where, f"Qzplant {where.title()} Lovelace")

    def _plant(self, where: str, value: str) -> str:
        assert where not in self.planted
        self.planted[where] = value
        return value

    def found_in(self, data: bytes) -> list[str]:
        """Where the values were planted that the bytes hold, whatever their case."""
        lower = data.lower()
        if b"qzplant" not in lower:
            return []
        return [where for where, value in self.planted.items() if value.lower().encode() in lower] or ["a part of one"]


def _records(plants: Plants) -> Iterator[tuple[str, dict[str, Any]]]:
    """Records with something planted in every part, by source."""
    usage = {
        "id": plants.email("id"),
        "customer_id": plants.email("customer"),
        "person_id": plants.email("person"),
        "event": "opened",
        "object": "page",
        "occurred_at": AT,
        "properties": {"name": plants.name("property"), plants.email("property-key"): 1},
        "unknown": plants.name("unknown"),
    }
    yield "app", {"stream": "usage_events", "payload": usage}
    envelope = {"id": plants.email("envelope-id"), "key": plants.email("envelope-key")}
    yield "app", {"stream": "usage_events", **envelope, "payload": {**usage, "id": "2"}}
    broken = {"customer_id": plants.email("quarantined"), "event": "opened", "occurred_at": plants.name("bad-time")}
    yield "app", {"stream": "usage_events", "payload": {**broken, "id": "3"}}
    yield "app", {"stream": "usage_events", "payload": {"event": {"nested": plants.name("bad-type")}}}
    yield "app", {"stream": "no_contract", "payload": {"text": plants.name("no-contract")}}
    person = {"id": plants.email("key"), "account": plants.email("account"), "updated_at": AT}
    person |= {"name": plants.name("person-name"), "email": plants.email("person-email")}
    yield "crm", {"stream": "people", "op": "upsert", "payload": person}
    yield "crm", {"stream": "people", "op": "upsert", "payload": {**person, "name": [plants.name("wrong-type")]}}
    yield "crm", {"stream": "people", "op": "delete", "payload": person}


def _send(client: httpx.Client, plants: Plants) -> None:
    for source, record in _records(plants):
        answer = client.post(f"/api/v1/data/ingest/{source}", json=[record])
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    event = {"stream": "usage_events", "payload": {"customer_id": "c", "event": "e", "occurred_at": AT}}
    headers = {"Idempotency-Key": plants.email("idempotency-key"), "User-Agent": plants.email("user-agent")}
    assert client.post("/api/v1/data/ingest/app", json=[event], headers=headers).status_code == httpx.codes.ACCEPTED
    for path in (plants.email("source-in-path"), f"app?stream={plants.email('stream-in-query')}"):
        assert client.post(f"/api/v1/data/ingest/{path}", json=[event]).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    for body in (plants.name("no-json"), json.dumps([{"stream": plants.name("bad-stream"), "payload": {}}])):
        refused = client.post("/api/v1/data/ingest/app", content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    for path in (
        f"analytics/customer-health/app:{plants.planted['customer']}",
        f"analytics/customer-health/{plants.email('unheard-of')}",
        f"analytics/customers?search={plants.email('search')}",
        f"analytics/usage-trends/7d?customer_id={plants.email('trend')}",
        f"nothing/{plants.email('no-route')}",
    ):
        assert client.get(f"/api/v1/{path}").status_code < httpx.codes.INTERNAL_SERVER_ERROR
    client.post("/api/v1/auth/sign-in", json={"name": plants.email("sign-in"), "password": plants.name("password")})


def _load(tree: RunningTree, folder: Path, plants: Plants) -> None:
    path = folder / plants.email("file") / f"{plants.name('file-name')}.csv"
    path.parent.mkdir(parents=True)
    line = f"{plants.email('csv-customer')},{plants.email('csv-person')},opened,{AT}"
    path.write_text(f"customer_id,person_id,event,occurred_at\n{line}\n{plants.name('bad-line')}\n")
    tree.command("load", str(path), "--source", "files", "--stream", "usage_events", check=False)


def _settle(tree: RunningTree) -> None:
    with connect_runtime(tree.data_dir) as runtime:
        ledger = Ledger(runtime.database, runtime.log, runtime.segments)
        deadline = time.monotonic() + 300
        while True:
            lines = ledger.status()
            received = sum(line.received for line in lines)
            in_lake = sum(total.rows for total in runtime.lake.manifest.totals())
            with runtime.database.autocommit() as conn:
                [(scores,)] = conn.execute("SELECT count(*) FROM score").fetchall()
            if scores and not any(line.pending for line in lines) and in_lake >= received:
                return
            assert time.monotonic() < deadline, lines
            time.sleep(0.2)


def _clear_columns(path: Path) -> bytes:
    """Everything in a lake file that is not sealed, as text: in the file it is compressed."""
    table = pq.ParquetFile(path).read()
    return repr(table.drop_columns(["sealed"]).to_pylist()).encode() + repr(table.schema.metadata).encode()


@pytest.mark.timeout(900)
def test_nothing_planted_is_found_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plants = Plants()
    (tmp_path / "installation").mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir(mode=0o777)
    monkeypatch.setenv("TMPDIR", str(temporary))
    with RunningTree(tmp_path / "installation" / "data", free_port()) as tree:
        declared = tmp_path / "declared" / "contracts" / "crm"
        declared.mkdir(parents=True)
        (declared / "people.yaml").write_text(CONTRACT)
        with connect_runtime(tree.data_dir) as runtime, runtime.door:
            activate_folder(runtime, tmp_path / "declared")
        key = tree.new_key(CONTROL, "admin")
        # The installation's processes look for new contracts once a second.
        time.sleep(3)
        with httpx.Client(base_url=tree.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            _send(client, plants)
        _load(tree, tmp_path / "files", plants)
        _settle(tree)
        with httpx.Client(base_url=tree.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            health = client.get(f"/api/v1/analytics/customer-health/app:{plants.planted['customer']}")
            assert plants.planted["property"] in health.raise_for_status().text
        with connect_runtime(tree.data_dir) as runtime, runtime.database.autocommit() as conn:
            [(waiting,)] = conn.execute("SELECT count(*) FROM log_batch").fetchall()
            log = b"".join(
                body for (body,) in conn.execute("SELECT body || counts::text::bytea FROM log_batch").fetchall()
            )
        tree.stop()
        files = {
            str(path): path.read_bytes()
            for folder in (tree.data_dir.parent, tree.system_folder, temporary)
            for path in folder.rglob("*")
            if path.is_file()
        }
        found = {path: plants.found_in(data) for path, data in files.items()}
        names = [path for path in found if plants.found_in(path.encode())]
        lake = sorted(tree.data_dir.rglob("*.parquet"))
        clear = {path.name: plants.found_in(_clear_columns(path)) for path in lake}
        assert all(b"'stream':" in _clear_columns(path) for path in lake)
    assert waiting
    assert len(lake) >= 3
    assert any(CONTROL.encode() in data for path, data in files.items() if "/base/" in path)
    assert any(b"role_ready" in data for data in files.values())
    assert len(plants.planted) > 30
    assert {where: what for where, what in {**found, **clear}.items() if what} == {}
    assert names == []
    assert plants.found_in(log) == []
