"""The equation holds, and nothing can be falsified unnoticed."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from mainstem.model import Lane
from mainstem.processing import Ledger, LocalSegments
from mainstem.store import Connection, Database

DAY = dt.date(2026, 1, 15)


@pytest.fixture
def filled(plant: Any, make_usage: Any, usage_contract: Any, accounts_contract: Any) -> Any:
    """Records of all kinds, on two days, some pending, some keys sealed."""
    events = make_usage(400, customers=9)
    accounts = [{"id": f"a{n % 30}", "seats": n} for n in range(60)]
    plant.deliver(plant.records(usage_contract, [*events, *events[:50], b"{"]))
    plant.deliver(plant.records(accounts_contract, [*accounts, {"id": "x", "seats": "?"}]), Lane.BULK)
    plant.clock.advance(dt.timedelta(hours=20))
    plant.deliver(plant.records(usage_contract, make_usage(100, first=350, customers=9)))
    sink = plant.run()
    for partition in range(4):
        sink.maintain(1, partition, lease_epoch=plant.lease(partition), settle=partition % 2 == 0)
    plant.deliver(plant.records(usage_contract, make_usage(30, first=450, customers=9)))
    return plant


def test_every_line_adds_up(filled: Any) -> None:
    ledger = filled.ledger()
    assert ledger.check() == ledger.deep_check() == []
    lines = {(line.source, line.day): line for line in ledger.status()}
    assert set(lines) == {("app", DAY), ("app", DAY + dt.timedelta(days=1)), ("crm", DAY)}
    first, second = lines["app", DAY], lines["app", DAY + dt.timedelta(days=1)]
    assert (first.received, first.accepted, first.duplicate, first.quarantined) == (451, 400, 50, 1)
    assert (second.received, second.accepted, second.duplicate, second.pending) == (130, 50, 50, 30)
    assert [line.source for line in ledger.status("crm")] == ["crm"]


# What `check` has to notice.
SHALLOW = [
    *(f"UPDATE ledger SET n = n + 1 WHERE term = '{term}'" for term in ("accepted", "duplicate", "quarantined")),
    "DELETE FROM ledger WHERE term = 'duplicate'",
    "UPDATE log_received SET n = n - 1",
    "UPDATE log_batch SET counts = jsonb_set(counts, '{0,2}', '1000')",
    "UPDATE sink_position SET position = position + 1 WHERE lane = 0",
]
# What only counting again can notice.
DEEP = [
    """
    UPDATE ledger SET n = n + CASE term WHEN 'accepted' THEN 1 ELSE -1 END
    WHERE term IN ('accepted', 'duplicate') AND source = 'app'
    """,
    "DELETE FROM dedup_run WHERE id = (SELECT min(id) FROM dedup_run)",
    "UPDATE dedup_run SET n = n + 1",
    "UPDATE dedup_run SET days = jsonb_build_object('2026-01-15', n + 1)",
    "UPDATE dedup_run SET keys = set_byte(keys, 3, (get_byte(keys, 3) + 1) % 256)",
    "DELETE FROM dedup_segment WHERE id = (SELECT min(id) FROM dedup_segment)",
    "UPDATE dedup_segment SET n = n - 1",
    "DELETE FROM entity_version WHERE version = (SELECT min(version) FROM entity_version)",
    "UPDATE entity_version SET accepted = NOT accepted",
    "DELETE FROM quarantine WHERE source = 'crm'",
    "UPDATE quarantine SET state = 'fixed'",
]


class Rewritten(Database):
    """Sees the tables as a transaction has left them that will never be committed."""

    @contextlib.contextmanager
    def rewrite(self, statement: str) -> Iterator[None]:
        with self.connect() as conn, conn.transaction(force_rollback=True):
            assert conn.execute(statement).rowcount
            self._seen = conn
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        yield self._seen


def test_nothing_is_falsified_unnoticed(filled: Any) -> None:
    with Rewritten(filled.database.dsn) as database:
        ledger = Ledger(database, filled.log, LocalSegments(filled.folder))
        for statement in SHALLOW:
            with database.rewrite(statement):
                assert ledger.check(), statement
        for statement in DEEP:
            with database.rewrite(statement):
                assert ledger.check() == [], statement
                assert ledger.deep_check(), statement
        with database.rewrite("UPDATE ledger SET n = n"):
            assert ledger.deep_check() == []


def test_a_changed_segment_is_noticed(filled: Any) -> None:
    [(name,)] = filled.query("SELECT path FROM dedup_segment ORDER BY id LIMIT 1")
    path = filled.folder / name
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert [v.message for v in filled.ledger().deep_check()] == [f"Segment {name} is not as it was written."]
    path.unlink()
    assert [v.message for v in filled.ledger().deep_check()] == [f"Segment {name} is gone."]
