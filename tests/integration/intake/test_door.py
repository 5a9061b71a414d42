from __future__ import annotations

import datetime as dt
import gzip
import json
import uuid
from typing import Any

import pytest
import zstandard

from mainstem.contracts import Registry
from mainstem.errors import PermissionDeniedError, RefusedError
from mainstem.intake import Delivery, Door, DoorParts, DoorSettings, Receipt
from mainstem.model import ENVELOPE, SLOTS, Lane
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing import FixedClock

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
AT = "2026-01-14T09:30:00Z"


def send(door: Door, body: Any, source: str = "shop", **delivery: Any) -> Receipt:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return door.submit(Delivery(source=source, body=text, **delivery))


def event(n: int = 0, **payload: Any) -> dict[str, Any]:
    return {
        "stream": "usage_events",
        "payload": {"id": f"e{n}", "customer_id": f"c{n}", "event": "opened", "occurred_at": AT, **payload},
    }


def test_what_is_accepted_lies_in_the_log(door: Door, logged: Any) -> None:
    receipt = send(door, [event(n) for n in range(50)])
    assert (receipt.accepted, receipt.refused, receipt.warnings) == (50, (), ())
    assert receipt.received_at == NOW
    rows = logged.records()
    assert [row["record_id"] for row in rows] == [f"e{n}" for n in range(50)]
    assert [row["delivery_index"] for row in rows] == list(range(50))
    assert {row["delivery"] for row in rows} == {receipt.delivery}
    assert {row["partition"] for row in rows} == {0, 1, 2, 3}
    assert all(row["slot"] < SLOTS and row["slot"] % 4 == row["partition"] for row in rows)
    assert {(head.partition, head.lane) for head in receipt.positions} == {(n, Lane.LIVE) for n in range(4)}
    assert all(batch.records.schema.equals(ENVELOPE) for batch in logged.batches())


def test_one_record_as_the_log_keeps_it(door: Door, logged: Any, keyring: Keyring) -> None:
    payload = b'{ "customer_id":"acme", "event":"opened","occurred_at":"2026-01-14T10:30:00+01:00",  "id":"e\\u0031"}'
    receipt = send(door, b'{"stream":"usage_events","payload":' + payload + b"}")
    (row,) = logged.records()
    slot = keyring.references.slot("shop", "usage_events", "acme")
    assert row == {
        "source": "shop",
        "stream": "usage_events",
        "contract_version": 1,
        "record_id": "e1",
        "key": None,
        "partition_key": "acme",
        "slot": slot,
        "op": "event",
        "occurred_at": dt.datetime(2026, 1, 14, 9, 30, tzinfo=dt.UTC),
        "observed_at": dt.datetime(2026, 1, 14, 9, 30, tzinfo=dt.UTC),
        "origin": "api",
        "delivery": receipt.delivery,
        "delivery_index": 0,
        "content_type": "application/json",
        "payload": payload,
        "partition": slot % 4,
    }


def test_the_envelope_wins_over_the_payload(door: Door, logged: Any) -> None:
    send(
        door,
        [
            {**event(1), "id": "E", "customer_id": "C", "occurred_at": "2026-01-01T00:00:00Z"},
            {**event(2), "id": None, "observed_at": "2026-01-02T00:00:00Z"},
        ],
    )
    first, second = logged.records()
    assert (first["record_id"], first["partition_key"]) == ("E", "C")
    assert first["occurred_at"] == first["observed_at"] == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert (second["record_id"], second["partition_key"]) == ("e2", "c2")
    assert second["occurred_at"] == dt.datetime(2026, 1, 14, 9, 30, tzinfo=dt.UTC)
    assert second["observed_at"] == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def test_one_customer_has_one_slot_however_it_is_written(door: Door, logged: Any) -> None:
    """References are computed from the normal form; two slots for one reference would give a cell two writers."""
    names = ["Zoé", "Zoe\u0301", "  Zoé\n"]
    send(door, [event(n, customer_id=name) for n, name in enumerate(names)])
    send(door, [{**event(n + 9), "customer_id": name} for n, name in enumerate(names)])
    assert set(logged.column("partition_key")) == {"Zoé"}
    assert len(set(logged.column("slot"))) == 1


@pytest.mark.parametrize("customer", [None, "", " \t", 7, {"a": 1}])
def test_without_a_partition_key_the_delivery_decides(door: Door, logged: Any, keyring: Keyring, customer: Any) -> None:
    receipt = send(door, [event(n, customer_id=customer) for n in range(40)])
    assert receipt.accepted == 40
    rows = logged.records()
    if customer == 7:
        assert {row["partition_key"] for row in rows} == {"7"}
        return
    assert any("customer_id" in warning for warning in receipt.warnings)
    assert {row["partition_key"] for row in rows} == {None}
    expected = [keyring.references.delivery_slot(receipt.delivery, n) for n in range(40)]
    assert [row["slot"] for row in rows] == expected
    assert len({row["partition"] for row in rows}) == 4


def test_a_record_without_id_counts_by_key_and_index(door: Door, logged: Any) -> None:
    bodies = [event(0), event(1, id=None), event(2, id="")]
    receipt = send(door, bodies, idempotency_key="key-one")
    assert receipt.warnings == ()
    assert [row["record_id"] for row in logged.records()] == ["e0", "ik:key-one:1", "ik:key-one:2"]


def test_the_same_idempotency_key_is_the_same_delivery(door: Door, logged: Any) -> None:
    first = send(door, event(0, id=None), idempotency_key="key-one")
    again = send(door, event(0, id=None), idempotency_key="key-one")
    other = send(door, event(0, id=None), idempotency_key="key-two")
    elsewhere = send(door, event(0, id=None), source="crm", idempotency_key="key-one")
    assert first.delivery == again.delivery
    assert len({first.delivery, other.delivery, elsewhere.delivery}) == 3
    assert "key-one" not in first.delivery
    assert sorted(logged.column("record_id")) == ["ik:key-one:0", "ik:key-one:0", "ik:key-one:0", "ik:key-two:0"]


def test_an_index_is_the_same_whatever_is_refused(door: Door, logged: Any) -> None:
    receipt = send(door, [7, event(1, id=None), {"stream": "X"}, event(3, id=None)], idempotency_key="k")
    assert [refusal.index for refusal in receipt.refused] == [0, 2]
    assert sorted(logged.column("record_id")) == ["ik:k:1", "ik:k:3"]


def test_without_id_and_key_the_answer_warns(door: Door, logged: Any) -> None:
    receipt = send(door, [event(0), event(1, id=None)])
    assert receipt.accepted == 2
    (warning,) = receipt.warnings
    assert "no id and no Idempotency-Key: a repeat of this request would count twice" in warning
    assert sorted(logged.column("record_id"), key=str) == [None, "e0"]


@pytest.mark.parametrize("key", ["", "x" * 1025, "a\nb"])
def test_an_idempotency_key_that_cannot_be_one(door: Door, logged: Any, key: str) -> None:
    with pytest.raises(RefusedError) as caught:
        send(door, event(), idempotency_key=key)
    assert caught.value.reason == "bad_idempotency_key"
    assert logged.records() == []


@pytest.mark.parametrize("repeat", ["body", "none"])
def test_where_ids_do_not_count_there_are_none(door: Door, logged: Any, repeat: str) -> None:
    record = {**event(0), "stream": f"by_{repeat}", "id": "given"}
    receipt = send(door, record, idempotency_key="k")
    assert receipt.warnings == ()
    assert logged.column("record_id") == [None]


def test_occurrences_over_http_are_known_by_the_key(door: Door, logged: Any) -> None:
    record = {**event(0, id=None), "stream": "by_occurrence"}
    send(door, [record, record], idempotency_key="k")
    assert sorted(logged.column("record_id")) == ["ik:k:0", "ik:k:1"]
    assert "count twice" in send(door, record).warnings[0]


def test_a_state_stream(door: Door, logged: Any, keyring: Keyring) -> None:
    send(
        door,
        [
            {"stream": "accounts", "payload": {"Id": "a-1", "Name": "Acme"}},
            {"stream": "accounts", "payload": {"Name": "Acme"}, "key": "a-1", "op": "patch"},
            {"stream": "accounts", "payload": {"Id": "a-1"}, "op": "delete", "observed_at": "2026-01-10T00:00:00Z"},
        ],
    )
    rows = logged.records()
    assert [(row["key"], row["partition_key"], row["op"], row["record_id"]) for row in rows] == [
        ("a-1", "a-1", "upsert", None),
        ("a-1", "a-1", "patch", None),
        ("a-1", "a-1", "delete", None),
    ]
    assert {row["slot"] for row in rows} == {keyring.references.slot("shop", "accounts", "a-1")}
    assert [row["observed_at"] for row in rows] == [NOW, NOW, dt.datetime(2026, 1, 10, tzinfo=dt.UTC)]
    assert [row["occurred_at"] for row in rows] == [None] * 3


def test_a_stream_without_contract_is_taken_in_and_warned_of(door: Door, logged: Any) -> None:
    receipt = send(door, {"stream": "mystery", "payload": {"a": 1}, "customer_id": "acme", "id": 5, "key": "k"})
    assert receipt.accepted == 1
    assert "no contract" in receipt.warnings[0]
    (row,) = logged.records()
    assert (row["contract_version"], row["record_id"], row["key"], row["op"]) == (0, "5", "k", "event")
    assert row["partition_key"] == "acme"


def test_a_new_contract_version_is_stamped(door: Door, parts: DoorParts, logged: Any) -> None:
    send(door, {"stream": "accounts", "payload": {"Id": "1"}})
    text = parts.registry.at("shop", "accounts", 1).text.replace("version: 1.0.0", "version: 1.1.0")
    parts.registry.activate(text, NOW)
    send(door, {"stream": "accounts", "payload": {"Id": "1"}})
    assert sorted(logged.column("contract_version")) == [1, 2]


def test_a_built_in_stream_needs_no_configuration(door: Door, logged: Any) -> None:
    assert send(door, event(), source="never_seen_before").accepted == 1
    assert logged.column("contract_version") == [1]


def test_readable_but_useless_records_are_the_checks_affair(door: Door, logged: Any) -> None:
    bodies = [
        event(0, event=None),
        event(1, occurred_at="not a time"),
        event(2, id="\0"),
        {**event(3), "id": "\0 😀"},
        {"stream": "usage_events", "payload": {}},
        {**event(4), "op": "delete"},
    ]
    receipt = send(door, bodies)
    assert receipt.accepted == len(bodies)
    rows = logged.records()
    assert [row["record_id"] for row in rows] == ["e0", "e1", "\0", "\0 😀", None, "e4"]
    assert rows[1]["occurred_at"] is None
    assert rows[1]["observed_at"] == NOW
    assert rows[5]["op"] == "delete"


def test_half_surrogates_in_a_payload_are_taken_in(door: Door, logged: Any) -> None:
    body = b'[{"stream":"usage_events","payload":{"customer_id":"\\ud800"}},' + json.dumps(event(1)).encode() + b"]"
    assert send(door, body).accepted == 2
    rows = logged.records()
    assert rows[0]["payload"] == b'{"customer_id":"\\ud800"}'
    assert rows[0]["partition_key"] is None
    assert rows[1]["record_id"] == "e1"


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress), ("identity", bytes)]
)
def test_encodings(door: Door, logged: Any, encoding: str, compress: Any) -> None:
    body = compress(json.dumps([event(0), event(1)]).encode())
    assert send(door, body, content_encoding=encoding).accepted == 2
    assert sorted(logged.column("record_id")) == ["e0", "e1"]


@pytest.mark.parametrize(
    ("body", "delivery", "reason"),
    [
        (b"[]", {}, "empty_body"),
        (b"", {"stream": "usage_events"}, "empty_body"),
        (b"[{]", {}, "unreadable"),
        (b"{}", {"content_type": "text/plain"}, "unsupported_media_type"),
        (b"{}", {"content_encoding": "br"}, "unsupported_encoding"),
        (gzip.compress(b"{}", mtime=0)[:-1], {"content_encoding": "gzip"}, "bad_compression"),
        (b"{}", {"stream": "No Name"}, "bad_stream"),
        (b" " * 2000, {}, "too_large"),
        (b"[" + b"{}," * 20 + b"{}]", {"stream": "s"}, "too_many_records"),
    ],
)
def test_a_body_refused_as_a_whole_is_counted_and_leaves_nothing(
    parts: DoorParts, database: Database, logged: Any, body: bytes, delivery: dict[str, Any], reason: str
) -> None:
    with Door(parts, DoorSettings(max_body=1024, max_records=10)) as door:
        with pytest.raises(RefusedError) as caught:
            send(door, body, **delivery)
        assert caught.value.reason == reason
        assert caught.value.hint
    assert logged.records() == []
    with database.autocommit() as connection:
        counted = connection.execute("SELECT source, day, reason, n FROM log_refused").fetchall()
    assert counted == [("shop", NOW.date(), reason, 1)]


def test_refused_records_are_counted_by_reason(parts: DoorParts, database: Database) -> None:
    for _ in range(2):
        with Door(parts) as door:
            send(door, [event(), 7, 8, {"stream": "usage_events"}])
    with database.autocommit() as connection:
        counted = connection.execute("SELECT source, reason, n FROM log_refused ORDER BY reason").fetchall()
    assert counted == [("shop", "missing_payload", 2), ("shop", "not_an_object", 4)]


@pytest.mark.parametrize("source", ["Shop", "", "a.b", "a" * 64, "../x"])
def test_a_source_that_cannot_be_one(door: Door, source: str) -> None:
    with pytest.raises(RefusedError) as caught:
        send(door, event(), source=source)
    assert caught.value.reason == "bad_source"


def test_nobody_writes_mainstems_own_source(door: Door, logged: Any) -> None:
    with pytest.raises(PermissionDeniedError):
        send(door, {"stream": "decisions", "payload": {}}, source="mainstem")
    assert logged.records() == []


def test_an_empty_array_is_a_heartbeat(door: Door, database: Database, clock: FixedClock, logged: Any) -> None:
    def heartbeats() -> list[Any]:
        with database.autocommit() as connection:
            return connection.execute("SELECT source, stream, at FROM heartbeat").fetchall()

    receipt = send(door, b" [ ] ", stream="usage_events")
    assert (receipt.accepted, receipt.refused, receipt.positions) == (0, (), ())
    assert heartbeats() == [("shop", "usage_events", NOW)]
    clock.advance(dt.timedelta(minutes=5))
    send(door, b"[]", stream="usage_events")
    later = NOW + dt.timedelta(minutes=5)
    assert heartbeats() == [("shop", "usage_events", later)]
    clock.advance(dt.timedelta(hours=-1))
    send(door, b"[]", stream="usage_events")
    assert heartbeats() == [("shop", "usage_events", later)]
    assert logged.records() == []


def test_a_heartbeat_of_a_stream_nobody_knows(door: Door) -> None:
    assert "no contract" in send(door, b"[]", stream="usage_evnts").warnings[0]


def test_bare_payloads_of_one_stream(door: Door, logged: Any) -> None:
    body = b"\n".join(json.dumps(event(n)["payload"]).encode() for n in range(3))
    receipt = send(door, body, stream="usage_events", content_type="application/x-ndjson")
    assert (receipt.accepted, receipt.warnings) == (3, ())
    assert [row["record_id"] for row in logged.records()] == ["e0", "e1", "e2"]


def test_deliveries_of_many_streams_share_a_commit(door: Door, logged: Any) -> None:
    bodies = [
        event(0),
        {"stream": "accounts", "payload": {"Id": "1"}},
        {"stream": "mystery", "payload": {}},
        {**event(1), "stream": "by_body"},
        event(2),
    ]
    assert send(door, bodies).accepted == 5
    rows = logged.records()
    assert [row["stream"] for row in rows] == ["usage_events", "accounts", "mystery", "by_body", "usage_events"]
    assert [row["op"] for row in rows] == ["event", "upsert", "event", "event", "event"]
    assert [row["record_id"] for row in rows] == ["e0", None, None, None, "e2"]
    assert [row["contract_version"] for row in rows] == [1, 1, 0, 1, 1]


def test_lanes_are_kept_apart(door: Door, logged: Any) -> None:
    send(door, event(0))
    send(door, event(1), lane=Lane.BULK, origin="webhook")
    assert [row["record_id"] for row in logged.records(Lane.LIVE)] == ["e0"]
    assert [(row["record_id"], row["origin"]) for row in logged.records(Lane.BULK)] == [("e1", "webhook")]


def test_deliveries_without_key_have_rising_ids(door: Door, clock: FixedClock) -> None:
    first = send(door, event()).delivery
    clock.advance(dt.timedelta(seconds=1))
    second = send(door, event()).delivery
    assert first < second
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122


def test_a_registry_of_another_process_is_heard_of(parts: DoorParts, database: Database, logged: Any) -> None:
    with Door(parts) as door:
        text = parts.registry.at("shop", "accounts", 1).text.replace("version: 1.0.0", "version: 1.1.0")
        Registry(database).activate(text, NOW)
        door._probe()
        send(door, {"stream": "accounts", "payload": {"Id": "1"}})
    assert logged.column("contract_version") == [2]
