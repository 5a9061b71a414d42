"""An installation whose parts run in the test's own process, over a database of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from mainstem.intake import CorrectedRecord, Delivery, QuarantineDismissed, QuarantineFixed
from mainstem.model import Lane, Place
from mainstem.runtime.config import load_config
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.folders import make_data_folder
from mainstem.runtime.installation import ensure_keys
from mainstem.runtime.tree import prepare
from mainstem.runtime.wiring import Runtime
from mainstem.store import Database

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: crm-accounts
name: Accounts
version: 1.0.0
status: active
customProperties:
  - {property: source, value: crm}
schema:
  - name: accounts
    logicalType: object
    customProperties:
      - {property: kind, value: state}
      - {property: partitionKey, value: id}
      - {property: entityVersion, value: updated_at}
      - property: mapping
        value: {entity: customer, attributes: {customer_id: id, plan: plan}}
    properties:
      - name: id
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        customProperties: [{property: pii, value: identifier}]
      - {name: plan, logicalType: string}
      - {name: updated_at, logicalType: timestamp, required: true}
"""
AT = "2026-01-10T09:00:00Z"


@dataclasses.dataclass
class Site:
    """An installation's data folder and what is done to it."""

    data_dir: Path
    dsn: str

    @contextlib.contextmanager
    def runtime(self) -> Iterator[Runtime]:
        with Runtime.open(load_config(self.data_dir)) as runtime:
            yield runtime

    def use(self, dsn: str) -> None:
        """Have the database lie there."""
        self.dsn = dsn
        (self.data_dir / "mainstem.yaml").write_text(json.dumps({"database": {"url": dsn}}))

    def declare(self, text: str) -> None:
        folder = self.data_dir.parent / "declared"
        path = folder / "contracts" / "crm" / "accounts.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        with self.runtime() as runtime, runtime.door:
            assert activate_folder(runtime, folder) == 1

    def send(self, source: str, records: Sequence[dict[str, Any]], lane: Lane = Lane.LIVE) -> None:
        with self.runtime() as runtime, runtime.door as door:
            receipt = door.submit(Delivery(source=source, body=json.dumps(records).encode(), lane=lane))
            assert receipt.accepted == len(records), receipt.refused

    def work(self) -> None:
        """Let everything in the log take effect."""
        with self.runtime() as runtime:
            worker = runtime.worker
            worker.start()
            try:
                deadline = time.monotonic() + 30
                while any(line.pending for line in runtime.ledger.status()):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            finally:
                worker.stop()
            assert runtime.ledger.check() == []

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with Database(self.dsn) as database, database.autocommit() as conn:
            return conn.execute(statement).fetchall()

    def decide(self) -> None:
        """Fix the first quarantined record, dismiss the second."""
        rows = self.query(
            "SELECT epoch, partition, lane, position, index, received_at FROM quarantine ORDER BY position, index, id"
        )
        fixed, dismissed = rows[:2]
        payload = {"id": "fixed", "customer_id": "c1", "event": "opened", "occurred_at": AT}
        with self.runtime() as runtime, runtime.door:
            runtime.decisions.decide(
                QuarantineFixed(
                    place=_place(fixed),
                    record=CorrectedRecord(
                        source="app",
                        stream="usage_events",
                        op="event",
                        payload=msgspec.Raw(json.dumps(payload).encode()),
                        received_at=fixed[5],
                        observed_at=fixed[5],
                        contract_version=1,
                        record_id="fixed",
                        partition_key="c1",
                    ),
                )
            )
            runtime.decisions.decide(
                QuarantineDismissed(
                    place=_place(dismissed),
                    slot=7,
                    source="app",
                    stream="usage_events",
                    received_at=dismissed[5],
                    reason="test",
                )
            )


def _place(row: tuple[Any, ...]) -> str:
    epoch, partition, lane, position, index, _ = row
    return str(Place(epoch, partition, Lane(lane), position, index))


def usage(number: int, **payload: Any) -> dict[str, Any]:
    return {
        "stream": "usage_events",
        "payload": {
            "id": f"e{number}",
            "customer_id": f"c{number % 7}",
            "event": "opened",
            "occurred_at": AT,
            **payload,
        },
    }


def account(plan: str, minute: int, op: str = "upsert", **payload: Any) -> dict[str, Any]:
    at = f"2026-01-10T09:{minute:02}:00Z"
    return {"stream": "accounts", "op": op, "payload": {"id": "c1", "plan": plan, "updated_at": at, **payload}}


@pytest.fixture
def site(empty_dsn: str, tmp_path: Path) -> Site:
    """An installation with mixed records in effect, two decisions and a contract that changed."""
    site = Site(make_data_folder(tmp_path / "data"), empty_dsn)
    site.use(empty_dsn)
    ensure_keys(site.data_dir, lambda _: None)
    prepare(load_config(site.data_dir), empty_dsn, lambda _: None)
    site.declare(CONTRACT)
    site.send("app", [usage(n) for n in range(100)] + [usage(n) for n in range(10)])
    site.send("app", [usage(n, occurred_at="never") for n in range(200, 204)])
    site.send("app", [usage(n) for n in range(90, 150)], lane=Lane.BULK)
    site.send("crm", [account("A", 1), account("B", 2), account("A", 3)])
    site.work()
    site.declare(
        CONTRACT.replace("{name: plan, logicalType: string}", "{name: plan, logicalType: string, required: true}")
    )
    site.send("crm", [account("C", 4), account("D", 5, id="c2"), account("C", 6, op="delete")])
    site.decide()
    site.work()
    return site


@pytest.fixture(name="usage")
def usage_fixture() -> Callable[..., dict[str, Any]]:
    return usage


@pytest.fixture
def second_dsn(postgres: str) -> Iterator[str]:
    """Another new database."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{postgres} dbname={name}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
