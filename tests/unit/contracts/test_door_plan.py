from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mainstem.contracts import Contract, DoorPlan, Picked, builtin_contracts
from mainstem.model import Op

Make = Callable[..., Contract]


def _utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def _pick(contract: Contract, *payloads: Any) -> Picked:
    return DoorPlan.compile(contract).pick([p if isinstance(p, bytes) else json.dumps(p).encode() for p in payloads])


def _times(picked: Picked) -> list[dt.datetime | None]:
    assert picked.occurred_at is not None
    times: list[dt.datetime | None] = picked.occurred_at.to_pylist()
    return times


@pytest.fixture(scope="module")
def usage() -> Contract:
    return builtin_contracts()["usage_events"]


def test_events(usage: Contract) -> None:
    picked = _pick(
        usage,
        {
            "id": "1",
            "customer_id": "c",
            "occurred_at": "2026-01-02T03:04:05.123456789+02:00",
            "properties": {"id": "x"},
        },
        {"customer_id": "d", "occurred_at": "2026-01-02"},
        {"occurred_at": 1700000000123},
    )
    assert picked.record_id == ["1", None, None]
    assert picked.partition_key == ["c", "d", None]
    assert _times(picked) == [
        _utc(2026, 1, 2, 1, 4, 5, 123456), _utc(2026, 1, 2), _utc(2023, 11, 14, 22, 13, 20, 123000),
    ]  # fmt: skip
    assert (picked.key, picked.op) == (None, None)


def test_no_payloads(usage: Contract) -> None:
    picked = _pick(usage)
    assert (picked.record_id, picked.partition_key, _times(picked)) == ([], [], [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"c"', "c"), (b"5", "5"), (b"-5", "-5"), (b"1.10", "1.10"), (b"1e5", "1e5"), (b"1e400", "1e400"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"), (b'" c "', " c "), (b'"\\u0041"', "A"),
        (b'""', None), (b'" \\t"', None), (b"null", None), (b"true", None), (b"{}", None), (b"[5]", None), (b'"\\ud800"', None),
        (b'"\xff"', None), (b"?", None),
    ],
)  # fmt: skip
def test_identities(usage: Contract, value: bytes, expected: str | None) -> None:
    picked = _pick(usage, b'{"customer_id": %b}' % value, b'{"customer_id": "other", "id": "i"}')
    assert picked.partition_key == [expected, "other"]
    assert picked.record_id == [None, "i"]


def test_what_cannot_be_read_costs_nothing_but_itself(usage: Contract) -> None:
    picked = _pick(
        usage,
        b"",
        b"[",
        b"[1]",
        b"[" * 100_000,
        b'{"customer_id": "c", "id": {}, "occurred_at": "2026-01-02"}',
        b'{"customer_id": "c"',
        b'{"customer_id": [], "id": "i", "occurred_at": {}}',
        b'{"a":1},{"customer_id":"c"}',
    )
    assert picked.partition_key == [None, None, None, None, "c", None, None, None]
    assert picked.record_id == [None, None, None, None, None, None, "i", None]
    assert _times(picked) == [None, None, None, None, _utc(2026, 1, 2), None, None, None]


def test_raw_parts_of_a_body(usage: Contract) -> None:
    parts = msgspec.json.decode(b'[{"customer_id": "c"}, {"customer_id": 1.5}]', type=list[msgspec.Raw])
    assert DoorPlan.compile(usage).pick(parts).partition_key == ["c", "1.5"]


def test_the_last_of_equal_keys_is_taken(usage: Contract) -> None:
    assert _pick(usage, b'{"customer_id": "a", "customer_id": "b"}').partition_key == ["b"]


@pytest.mark.parametrize(
    "value",
    [
        '"20260102"',
        '"2026-W01"',
        '"2026-01-02T03"',
        '"2026-01-02x03:04:05"',
        '"12:00"',
        '"x"',
        "true",
        "1e400",
        "-1e400",
    ],
)
def test_what_is_no_time(usage: Contract, value: str) -> None:
    assert _times(_pick(usage, b'{"occurred_at": %b}' % value.encode())) == [None]


def test_integer_identities_have_one_form(event_contract: Make) -> None:
    contract = event_contract({"name": "customer", "logicalType": "integer"})
    values = [7, "007", 7.0, "+7", "7.0", "x", 1.5, " "]
    assert _pick(contract, *({"customer": value} for value in values)).partition_key == [
        "7", "7", "7", "7", "7", "x", "1.5", None,
    ]  # fmt: skip


def test_paths_lead_into_objects(event_contract: Make) -> None:
    contract = event_contract(
        {"name": "customer", "path": "a.b.c"},
        {"name": "at", "path": ["a", "t"]},
        {"name": "id", "logicalType": "string", "path": "a.b.id"},
        recordId="id",
    )
    picked = _pick(
        contract,
        {"a": {"b": {"c": "x", "id": 1}, "t": "2026-01-02"}},
        {"a": {"b": {"c": "x", "id": 1.5}, "t": "2026-01-02"}},
        {"a": {"b": None}},
        {"a": {"b": "flat", "t": "2026-01-02"}},
        {"a": 5},
        {},
    )
    assert picked.partition_key == ["x", "x", None, None, None, None]
    assert picked.record_id == ["1", "1.5", None, None, None, None]
    assert _times(picked) == [_utc(2026, 1, 2), _utc(2026, 1, 2), None, _utc(2026, 1, 2), None, None]


def test_a_path_through_another_field(event_contract: Make) -> None:
    contract = event_contract(
        {"name": "customer", "path": "a"}, {"name": "id", "logicalType": "string", "path": "a.id"}, recordId="id"
    )
    picked = _pick(contract, {"a": "c"}, {"a": {"id": "i"}})
    assert (picked.partition_key, picked.record_id) == (["c", None], [None, "i"])
    assert _pick(contract).partition_key == []


def test_states(state_contract: Make) -> None:
    contract = state_contract({"name": "gone", "logicalType": "boolean"}, deleted="gone")
    values = [True, False, "true", "TRUE", "no", None, 1, {}]
    picked = _pick(contract, *({"account": "a", "gone": value} for value in values))
    assert picked.key == picked.partition_key == ["a"] * len(values)
    assert picked.op == [Op.DELETE, Op.UPSERT, Op.DELETE, Op.DELETE, *[Op.UPSERT] * 4]
    assert (picked.record_id, picked.occurred_at) == (None, None)
    assert _pick(state_contract(), {"account": "a"}).op is None


def test_what_is_not_there_is_looked_for_where_it_used_to_be(event_contract: Make) -> None:
    contract = event_contract(
        {"name": "customer", "path": "account.id", "formerPaths": ["customer", "client"]},
        {"name": "at", "path": "time", "formerPaths": ["at"]},
        {"name": "id", "logicalType": "string", "formerPaths": ["event_id"]},
        recordId="id",
    )
    payloads = [
        {"account": {"id": "a"}, "customer": "b", "time": "2026-01-02", "at": "2026-01-03", "id": "1"},
        {"account": {"id": None}, "customer": "b", "client": "c", "at": "2026-01-03", "event_id": 2},
        {"account": None, "client": "c"},
        b'{"client": "c", "account": [], "time": {}, "at": "2026-01-03"}',
        {},
    ]
    picked = _pick(contract, *payloads)
    assert picked.partition_key == ["a", "b", "c", "c", None]
    assert picked.record_id == ["1", "2", None, None, None]
    assert _times(picked) == [_utc(2026, 1, 2), _utc(2026, 1, 3), None, _utc(2026, 1, 3), None]
