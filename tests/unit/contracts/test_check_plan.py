from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from mainstem.contracts import Contract, DoorPlan, builtin_contracts
from mainstem.privacy import normalise

Check = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Contract]

GOOD = {"customer": "c", "event": "e", "at": "2026-01-15T11:00:00Z"}
AT = dt.datetime(2026, 1, 15, 11, tzinfo=dt.UTC)


def _read(check: Check, make: Make, logical_type: str, values: list[str], **more: Any) -> list[tuple[Any, str | None]]:
    """Value and reason of a field of a type, from JSON texts."""
    contract = make({"name": "x", "logicalType": logical_type, **more})
    head = json.dumps(GOOD)[:-1]
    rows = check(contract, [f'{head}, "x": {value}}}'.encode() for value in values])
    assert all(row["field"] == ("x" if row["reason"] else None) for row in rows)
    return [(row["f_x"], row["reason"]) for row in rows]


def _utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def test_a_good_event_is_typed_and_resolved(check: Check) -> None:
    payload = {
        "id": "e-1", "customer_id": "c", "person_id": "p", "event": "click", "occurred_at": "2026-01-15T11:00:00.5Z",
        "quantity": 2.5, "object": "page", "properties": {"a": [1, {"b": None}]},
    }  # fmt: skip
    assert check(builtin_contracts()["usage_events"], [payload]) == [
        {
            "n": 0, "reason": None, "field": None, "rule": None, "record_id": "e-1", "key": None, "partition_key": "c",
            "occurred_at": _utc(2026, 1, 15, 11, 0, 0, 500000), "op": "event", "version": "",
            "f_customer_id": "c", "f_person_id": "p", "f_event": "click",
            "f_occurred_at": _utc(2026, 1, 15, 11, 0, 0, 500000), "f_quantity": Decimal("2.5"), "f_object": "page",
            "f_properties": '{"a":[1,{"b":null}]}', "f_id": "e-1", "surplus": None,
        }
    ]  # fmt: skip


def test_no_rows_give_no_rows(check: Check) -> None:
    assert check(builtin_contracts()["usage_events"], []) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"a b"', "a b"),
        ('""', ""),
        (r'"\"q\\\n\u00e9\ud83d\ude00"', '"q\\\né\U0001f600'),
        ('"{"', "{"),
        ('"[1]"', "[1]"),
        ('"true"', "true"),
        ('"null"', "null"),
        ("5", "5"),
        ("-5", "-5"),
        ("1.5", "1.5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("null", None),
    ],
)
def test_strings(check: Check, event_contract: Make, value: str, expected: str | None) -> None:
    assert _read(check, event_contract, "string", [value]) == [(expected, None)]


@pytest.mark.parametrize("value", ["{}", "[]", '{"a":1}', "true", "false"])
def test_what_is_no_string(check: Check, event_contract: Make, value: str) -> None:
    assert _read(check, event_contract, "string", [value]) == [(None, "wrong_type")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", 5), ("-5", -5), ("0", 0), ("-0", 0), ('"5"', 5), ('"+5"', 5), ('"007"', 7), ("5.0", 5), ('"5.000"', 5), ('"5."', 5),
        ("1e3", 1000), ("-1.0", -1), ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63)),
        ('"9223372036854775807"', 2**63 - 1), ('"9007199254740993.0"', 2**53 + 1), ("9007199254740991.0", 2**53 - 1),
        ("null", None), ('""', None),
    ],
)  # fmt: skip
def test_integers(check: Check, event_contract: Make, value: str, expected: int | None) -> None:
    assert _read(check, event_contract, "integer", [value]) == [(expected, None)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.5", "wrong_type"), ('"1.5"', "wrong_type"), ("1.0000000001", "wrong_type"), ('"five"', "wrong_type"),
        ('" 5"', "wrong_type"), ('"1_000"', "wrong_type"), ('"0x1A"', "wrong_type"), ('"1e3"', "wrong_type"),
        ('"\u0665"', "wrong_type"), ('"-"', "wrong_type"), ("true", "wrong_type"), ("{}", "wrong_type"), ("[5]", "wrong_type"),
        ("9223372036854775808", "out_of_range"), ("-9223372036854775809", "out_of_range"),
        ('"9223372036854775808"', "out_of_range"), ("9223372036854775807.0", "out_of_range"),
        ("9007199254740993.0", "out_of_range"), ("1e400", "out_of_range"), ("-1e400", "out_of_range"),
        ("1e19", "out_of_range"),
    ],
)  # fmt: skip
def test_what_is_no_integer(check: Check, event_contract: Make, value: str, reason: str) -> None:
    assert _read(check, event_contract, "integer", [value]) == [(None, reason)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", "5"), ("1.5", "1.5"), ("-0.25", "-0.25"), ('"1.5"', "1.5"), ('".5"', "0.5"), ('"+5."', "5"), ("0.1", "0.1"),
        ("1e3", "1000"), ('"1e-3"', "0.001"), ("1e-12", "0"), ("0.0000000005", "0.000000001"),
        ('"12345678901234567890.123456789"', "12345678901234567890.123456789"),
        ("12345678901234567890123456789", "12345678901234567890123456789"), ("0.30000000000000004", "0.3"),
        ("999999999.9999999999", "1000000000"), ("null", None), ('""', None),
    ],
)  # fmt: skip
def test_numbers(check: Check, event_contract: Make, value: str, expected: str | None) -> None:
    exact = None if expected is None else Decimal(expected)
    assert _read(check, event_contract, "number", [value]) == [(exact, None)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"1,5"', "wrong_type"), ('" 5"', "wrong_type"), ('"1_000"', "wrong_type"), ('"inf"', "wrong_type"), ('"NaN"', "wrong_type"),
        ('"0x1A"', "wrong_type"), ('"."', "wrong_type"), ('"1e"', "wrong_type"), ("true", "wrong_type"), ("{}", "wrong_type"),
        ("1e400", "out_of_range"), ("-1e400", "out_of_range"), ("1e29", "out_of_range"), ('"1e29"', "out_of_range"),
        ("1e308", "out_of_range"), ("123456789012345678901234567890", "out_of_range"), ('"1e9999"', "out_of_range"),
    ],
)  # fmt: skip
def test_what_is_no_number(check: Check, event_contract: Make, value: str, reason: str) -> None:
    assert _read(check, event_contract, "number", [value]) == [(None, reason)]


def test_booleans(check: Check, event_contract: Make) -> None:
    values = ["true", "false", '"true"', '"False"', "null", '""', "1", '"yes"', "{}", '"t"']
    wrong = (None, "wrong_type")
    assert _read(check, event_contract, "boolean", values) == [
        (True, None), (False, None), (True, None), (False, None), (None, None), (None, None), wrong, wrong, wrong, wrong,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"2026-01-02T03:04:05Z"', _utc(2026, 1, 2, 3, 4, 5)),
        ('"2026-01-02T03:04:05.123456789Z"', _utc(2026, 1, 2, 3, 4, 5, 123456)),
        ('"2026-01-02T03:04:05.9Z"', _utc(2026, 1, 2, 3, 4, 5, 900000)),
        ('"2026-01-02T03:04:05+02:00"', _utc(2026, 1, 2, 1, 4, 5)),
        ('"2026-01-02T03:04:05.5-0530"', _utc(2026, 1, 2, 8, 34, 5, 500000)),
        ('"2026-01-02T03:04:05+02"', _utc(2026, 1, 2, 1, 4, 5)),
        ('"2026-01-02 03:04:05"', _utc(2026, 1, 2, 3, 4, 5)),
        ('"2026-01-02T03:04"', _utc(2026, 1, 2, 3, 4)),
        ('"2026-01-02T03:04+02:00"', _utc(2026, 1, 2, 1, 4)),
        ('"2026-01-02T03:04Z"', _utc(2026, 1, 2, 3, 4)),
        ('"2026-01-02t03:04:05z"', _utc(2026, 1, 2, 3, 4, 5)),
        ('"2026-01-02"', _utc(2026, 1, 2)),
        ('"0001-01-01"', _utc(1, 1, 1)),
        ('"9999-12-31T23:59:59.999999Z"', _utc(9999, 12, 31, 23, 59, 59, 999999)),
        ("1700000000", _utc(2023, 11, 14, 22, 13, 20)),
        ("1700000000.123456", _utc(2023, 11, 14, 22, 13, 20, 123456)),
        ("1700000000123", _utc(2023, 11, 14, 22, 13, 20, 123000)),
        ("1700000000123.5", _utc(2023, 11, 14, 22, 13, 20, 123500)),
        ("1700000000123456", _utc(2023, 11, 14, 22, 13, 20, 123456)),
        ('"1700000000"', _utc(2023, 11, 14, 22, 13, 20)),
        ('"1700000000123"', _utc(2023, 11, 14, 22, 13, 20, 123000)),
        ("0", _utc(1970, 1, 1)),
        ("-1", _utc(1969, 12, 31, 23, 59, 59)),
        ("-0.5", _utc(1969, 12, 31, 23, 59, 59, 500000)),
        ("null", None),
        ('""', None),
    ],
)
def test_timestamps(check: Check, event_contract: Make, value: str, expected: dt.datetime | None) -> None:
    assert _read(check, event_contract, "timestamp", [value]) == [(expected, None)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"yesterday"', "invalid_time"), ('"2026-02-30"', "invalid_time"), ('"2026-13-01T00:00:00Z"', "invalid_time"),
        ('"2026-01-02T25:00:00Z"', "invalid_time"), ('"2026-01-02T24:00:00Z"', "invalid_time"),
        ('"2026-01-02T03:04:60Z"', "invalid_time"), ('"2026-01-02T03:04:05+99:00"', "invalid_time"),
        ('"2026-01-02T03:04:05 Europe/Vienna"', "invalid_time"), ('"2026-01-02T03"', "invalid_time"),
        ('"infinity"', "invalid_time"), ('"epoch"', "invalid_time"), ('"0000-01-01"', "invalid_time"),
        ('"0000-12-31T23:59:59Z"', "invalid_time"), ('"0001-01-01T00:00:00+01:00"', "invalid_time"),
        ('"9999-12-31T23:59:59-10:00"', "invalid_time"), ('"20260102"', "invalid_time"), ('"2026-1-2"', "invalid_time"),
        ('"02/01/2026"', "invalid_time"), ("1e20", "invalid_time"), ("1e400", "invalid_time"), ("-99999999999", "invalid_time"),
        ('"2026-01-02T03:04:05,5Z"', "invalid_time"), ('" 2026-01-02"', "invalid_time"), ('"\u0662026-01-02"', "invalid_time"),
        ("true", "wrong_type"), ("{}", "wrong_type"), ("[2026]", "wrong_type"),
    ],
)  # fmt: skip
def test_what_is_no_timestamp(check: Check, event_contract: Make, value: str, reason: str) -> None:
    assert _read(check, event_contract, "timestamp", [value]) == [(None, reason)]


def test_dates(check: Check, event_contract: Make) -> None:
    day = dt.date(2026, 1, 2)
    good = ['"2026-01-02"', '"2026-01-02T00:00:00Z"', '"2026-01-02 00:00:00.000"', '"2026-01-02T00:00+00:00"']
    bad = ['"2026-01-02T10:00:00Z"', '"2026-01-02T00:00:00+02:00"', '"2026-02-30"', '"0000-01-01"', '"x"', "1700000000"]
    values = [*good, "null", *bad, "{}"]
    assert _read(check, event_contract, "date", values) == [
        *[(day, None)] * len(good), (None, None), *[(None, "invalid_time")] * len(bad), (None, "wrong_type"),
    ]  # fmt: skip


def test_objects_and_arrays(check: Check, event_contract: Make) -> None:
    wrong = (None, "wrong_type")
    assert _read(check, event_contract, "object", ['{ "b" : 1, "a": "x" }', "{}", "[]", '"{}"', "1", "null", '""']) == [
        ('{"b":1,"a":"x"}', None), ("{}", None), wrong, wrong, wrong, (None, None), (None, None),
    ]  # fmt: skip
    assert _read(check, event_contract, "array", ["[1, 2]", "{}", '"[]"']) == [("[1,2]", None), wrong, wrong]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (r'{"a": "\u0000"}', "nul_character"),
        (r'{"a\u0000": 1}', "nul_character"),
        (r'{"a": "\\\u0000"}', "nul_character"),
        (r'{"a": "\\u0000"}', None),
        ('{"a": 1e400}', "out_of_range"),
        ('{"a": [-1E+400]}', "out_of_range"),
        ('{"a": ' + "9" * 400 + "}", "out_of_range"),
        ('{"a": "1e400"}', None),
        ('{"a": "x\\"1e400"}', None),
        ('{"a": 1e300}', None),
        ('{"a": "' + "9" * 400 + '"}', None),
    ],
)
def test_objects_hold_nothing_that_stores_cannot(check: Check, event_contract: Make, value: str, reason: str) -> None:
    assert [row[1] for row in _read(check, event_contract, "object", [value])] == [reason]


def test_nul_characters_are_noticed_wherever_they_come_from(check: Check, event_contract: Make) -> None:
    payloads = [GOOD | {"event": "a\0b"}, GOOD | {"customer": "\0"}, GOOD, GOOD | {"unknown": "\0"}]
    rows = check(event_contract(), payloads, partition_key=[None, None, "c\0", None])
    assert [(row["reason"], row["field"]) for row in rows] == [
        ("nul_character", "event"), ("nul_character", "customer"), ("nul_character", "customer"), (None, None),
    ]  # fmt: skip


def test_allowed_values_are_compared_as_values(check: Check, event_contract: Make) -> None:
    def reasons(logical_type: str, allowed: list[Any], values: list[str]) -> list[str | None]:
        enum = [{"value": value} for value in allowed]
        return [row[1] for row in _read(check, event_contract, logical_type, values, enum=enum)]

    assert reasons("string", ["a'b", "5"], ['"a\'b"', "5", '"b"', "null", '""']) == [
        None, None, "not_allowed", None, "not_allowed",
    ]  # fmt: skip
    assert reasons("integer", [1, -2], ["1", "1.0", '"-2"', "3"]) == [None, None, None, "not_allowed"]
    assert reasons("number", [1.5, 2, 1e-7], ["1.50", "2.0", "0.0000001", "1.6"]) == [None, None, None, "not_allowed"]
    assert reasons("date", ["2026-01-02"], ['"2026-01-02"', '"2026-01-03"']) == [None, "not_allowed"]


def test_missing_null_and_blank(check: Check, event_contract: Make) -> None:
    contract = event_contract({"name": "x", "logicalType": "string", "required": True})
    payloads = [GOOD, GOOD | {"x": None}, GOOD | {"x": ""}, GOOD | {"x": " "}]
    assert [row["reason"] for row in check(contract, payloads)] == ["missing", "missing", None, None]
    number = event_contract({"name": "x", "logicalType": "number", "required": True})
    assert [row["reason"] for row in check(number, [GOOD, GOOD | {"x": ""}])] == ["missing", "missing"]


@pytest.mark.parametrize("customer", ["", "  ", "\u00a0\t", None, ...])
def test_a_blank_partition_key_is_none(check: Check, event_contract: Make, customer: Any) -> None:
    payload = {name: value for name, value in (GOOD | {"customer": customer}).items() if value is not ...}
    (row,) = check(event_contract(), [payload])
    assert (row["reason"], row["field"], row["partition_key"]) == ("no_partition_key", "customer", None)


def test_what_is_blank_is_what_references_strip(check: Check, event_contract: Make) -> None:
    characters = [
        chr(code) for code in range(0x110000) if chr(code).isspace() or code in {0x200B, 0x2060, 0xFEFF, 0x84}
    ]
    contract = event_contract()
    payloads = [GOOD | {"customer": character} for character in characters]
    picked = DoorPlan.compile(contract).pick([json.dumps(payload).encode() for payload in payloads]).partition_key
    for character, row, at_the_door in zip(characters, check(contract, payloads), picked or (), strict=True):
        expected = None if character.isspace() else character
        assert (row["partition_key"], at_the_door) == (expected, expected), hex(ord(character))
        assert (normalise("customer", character) == "") == (expected is None)


def test_a_blank_reference_refers_to_nobody(check: Check) -> None:
    payload = {"customer_id": "c", "event": "e", "occurred_at": "2026-01-15", "person_id": " ", "id": ""}
    (row,) = check(builtin_contracts()["usage_events"], [payload])
    assert (row["reason"], row["f_person_id"], row["record_id"]) == (None, None, None)


def test_the_first_defect_is_told_and_the_partition_key_goes_first(check: Check, event_contract: Make) -> None:
    contract = event_contract({"name": "x", "logicalType": "integer"})
    payloads = [
        {"event": {}, "at": "?", "x": "?"},
        GOOD | {"x": "?", "at": "?"},
        GOOD | {"x": "?", "at": "2036-01-01"},
        GOOD | {"at": "2036-01-01"},
    ]
    assert [(row["reason"], row["field"]) for row in check(contract, payloads)] == [
        ("no_partition_key", "customer"), ("invalid_time", "at"), ("wrong_type", "x"), ("in_future", "at"),
    ]  # fmt: skip


def test_time_is_bounded_from_when_the_record_was_received(check: Check, event_contract: Make) -> None:
    contract = event_contract(oldest="1d", ahead="10m")
    times = [
        "2026-01-15T12:10:00Z",
        "2026-01-15T12:10:00.000001Z",
        "2026-01-14T12:00:00Z",
        "2026-01-14T11:59:59.999999Z",
    ]
    rows = check(contract, [GOOD | {"at": at} for at in times])
    assert [row["reason"] for row in rows] == [None, "in_future", None, "too_old"]
    later = dt.datetime(2026, 1, 16, 12, tzinfo=dt.UTC)
    rows = check(contract, [GOOD | {"at": at} for at in times], as_of=[later] * 4)
    assert [row["reason"] for row in rows] == [None, None, "too_old", "too_old"]


def test_the_envelope_wins(check: Check, event_contract: Make) -> None:
    contract = event_contract({"name": "id", "logicalType": "string"}, recordId="id")
    wrong = {"customer": {}, "event": "e", "at": "?", "id": [1]}
    other = {"customer": "payload", "event": "e", "at": "2026-01-01", "id": "payload"}
    rows = check(
        contract,
        [wrong, other, other],
        partition_key=["env", "env", None],
        record_id=["id", "id", None],
        occurred_at=[AT, AT, None],
    )
    assert [(row["reason"], row["partition_key"], row["record_id"], row["occurred_at"]) for row in rows] == [
        (None, "env", "id", AT), (None, "env", "id", AT), (None, "payload", "payload", _utc(2026, 1, 1)),
    ]  # fmt: skip
    assert tuple(rows[0][name] for name in ("f_customer", "f_id", "f_at")) == ("env", "id", AT)


def test_blank_envelope_values_are_none(check: Check, event_contract: Make) -> None:
    (row,) = check(event_contract(), [GOOD], partition_key=[" "], record_id=[""])
    assert (row["reason"], row["partition_key"]) == (None, "c")


def test_a_record_id_not_in_the_contract_comes_from_the_envelope(check: Check, event_contract: Make) -> None:
    rows = check(event_contract(), [GOOD, GOOD], record_id=["id", None])
    assert [row["record_id"] for row in rows] == ["id", None]


def test_integer_identities_have_one_form(check: Check, event_contract: Make) -> None:
    contract = event_contract({"name": "customer", "logicalType": "integer"})
    rows = check(
        contract,
        [GOOD | {"customer": value} for value in (7, "007", 7.0, "x", 7)],
        partition_key=[None, None, None, None, "x"],
    )
    assert [(row["partition_key"], row["reason"]) for row in rows] == [
        ("7", None), ("7", None), ("7", None), (None, "wrong_type"), (None, "wrong_type"),
    ]  # fmt: skip


@pytest.mark.parametrize("op", ["upsert", "patch", "delete"])
def test_events_only_happen(check: Check, event_contract: Make, op: str) -> None:
    (row,) = check(event_contract(), [GOOD], op=[op])
    assert (row["reason"], row["field"]) == ("wrong_operation", None)


def test_paths_lead_into_objects(check: Check, event_contract: Make) -> None:
    contract = event_contract(
        {"name": "a", "logicalType": "string", "path": "deep.er.a"},
        {"name": "b", "logicalType": "integer", "path": ["deep", "b.c"]},
        {"name": "whole", "logicalType": "object", "path": "deep"},
        {"name": "inner", "logicalType": "object", "path": "deep.er"},
        {"name": "named", "logicalType": "string", "physicalName": "Fünf 'o' clock"},
        {"name": "upper", "logicalType": "string", "physicalName": "Case"},
        {"name": "lower", "logicalType": "string", "physicalName": "case"},
        {"name": "again", "logicalType": "integer", "physicalName": "case"},
    )
    deep = {"er": {"a": "x", "z": 1}, "b.c": 5}
    payloads = [
        GOOD | {"deep": deep, "Fünf 'o' clock": "5", "Case": "U", "case": "7"},
        GOOD | {"deep": "flat"},
        GOOD | {"deep": {"er": [1], "b": {"c": 5}}},
        GOOD | {"deep": {"er": {"a": {}}}},
        GOOD | {"deep": None},
    ]
    rows = check(contract, payloads)
    names = ("f_a", "f_b", "f_whole", "f_inner", "f_named", "f_upper", "f_lower", "f_again")
    assert [rows[0][name] for name in names] == [
        "x", 5, '{"er":{"a":"x","z":1},"b.c":5}', '{"a":"x","z":1}', "5", "U", "7", 7,
    ]  # fmt: skip
    assert [(row["reason"], row["field"]) for row in rows] == [
        (None, None), ("wrong_type", "whole"), ("wrong_type", "inner"), ("wrong_type", "a"), (None, None),
    ]  # fmt: skip
    assert [rows[4][name] for name in names] == [None] * len(names)


def test_two_fields_may_read_one_value_differently(check: Check, event_contract: Make) -> None:
    contract = event_contract(
        {"name": "text", "logicalType": "string", "path": "v"}, {"name": "json", "logicalType": "object", "path": "v"}
    )
    rows = check(contract, [GOOD | {"v": "{}"}, GOOD | {"v": {}}, GOOD | {"v": None}])
    assert [(row["f_text"], row["f_json"], row["field"]) for row in rows] == [
        ("{}", None, "json"), (None, "{}", "text"), (None, None, None),
    ]  # fmt: skip


def test_neighbours_of_bad_records_are_read(check: Check, event_contract: Make) -> None:
    bad = [b"", b"{", b'{"customer":"\xff"}', b"[" * 5000, b"5", b'{"customer":"c","customer":"d"}']
    payloads: list[Any] = [one for row in bad for one in (row, GOOD)]
    rows = check(event_contract(), payloads)
    assert [row["reason"] for row in rows[1::2]] == [None] * len(bad)
    assert [row["partition_key"] for row in rows[1::2]] == ["c"] * len(bad)
    assert [row["reason"] for row in rows[::2]] == [
        "invalid_json", "invalid_json", "invalid_text", "too_deep", "not_an_object", "duplicate_key",
    ]  # fmt: skip


def test_a_bad_record_keeps_what_its_envelope_says(check: Check, event_contract: Make) -> None:
    (row,) = check(event_contract(), [b"{"], partition_key=["c"], occurred_at=[AT])
    assert (row["reason"], row["partition_key"], row["occurred_at"]) == ("invalid_json", "c", AT)


def test_many_batches_and_contracts_share_a_connection(check: Check, event_contract: Make) -> None:
    one, other = event_contract(), event_contract({"name": "x", "logicalType": "integer", "required": True})
    for _ in range(3):
        assert [row["reason"] for row in check(one, [GOOD, {}])] == [None, "no_partition_key"]
        assert [row["reason"] for row in check(other, [GOOD])] == ["missing"]
