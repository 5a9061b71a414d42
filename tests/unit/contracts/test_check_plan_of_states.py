from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from mainstem.contracts import Contract

Check = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Contract]

GOOD = {"account": "a", "plan": "basic"}


def test_the_key_is_resolved_and_the_envelope_wins(check: Check, state_contract: Make) -> None:
    rows = check(state_contract(), [GOOD, GOOD, {"plan": "basic"}], key=[None, "env", "env"])
    assert [(row["reason"], row["key"], row["partition_key"], row["op"]) for row in rows] == [
        (None, "a", "a", "upsert"), (None, "env", "env", "upsert"), (None, "env", "env", "upsert"),
    ]  # fmt: skip


def test_operations(check: Check, state_contract: Make) -> None:
    contract = state_contract({"name": "gone", "logicalType": "boolean"}, deleted="gone")
    payloads = [
        GOOD,
        GOOD | {"gone": True},
        GOOD | {"gone": "true"},
        {"account": "a"},
        {"account": "a"},
        {"account": "a"},
    ]
    rows = check(contract, payloads, op=["event", "upsert", "patch", "patch", "delete", "upsert"])
    assert [(row["op"], row["reason"], row["field"]) for row in rows] == [
        ("upsert", None, None), ("delete", None, None), ("delete", None, None), ("patch", None, None),
        ("delete", None, None), ("upsert", "missing", "plan"),
    ]  # fmt: skip


def test_a_tombstone_needs_its_key_only(check: Check, state_contract: Make) -> None:
    rows = check(state_contract(), [{"account": "a", "plan": {}}, {"plan": "basic"}], op=["delete", "delete"])
    assert [row["reason"] for row in rows] == [None, "no_partition_key"]


def test_a_patch_is_checked_in_what_it_says(check: Check, state_contract: Make) -> None:
    contract = state_contract({"name": "seats", "logicalType": "integer"})
    rows = check(contract, [{"account": "a", "seats": "?"}, {"account": "a", "plan": None}], op=["patch", "patch"])
    assert [(row["reason"], row["field"]) for row in rows] == [("wrong_type", "seats"), (None, None)]


def test_a_key_beside_the_partition_key(check: Check, state_contract: Make) -> None:
    contract = state_contract(
        {"name": "person", "logicalType": "string", "required": True, "primaryKey": True},
        {"name": "account", "primaryKey": None},
        mapping={"entity": "person", "attributes": {"person_id": "person", "customer_id": "account"}},
    )
    payload = {"account": "a", "plan": "basic"}
    rows = check(contract, [payload | {"person": "p"}, payload | {"person": " "}, payload], key=[None, None, "env"])
    assert [(row["reason"], row["field"], row["key"], row["partition_key"]) for row in rows] == [
        (None, None, "p", "a"), ("no_identity", "person", None, "a"), (None, None, "env", "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("logical_type", "values"),
    [
        ("integer", [-(2**63), -10, -9, 0, 5, 40, 2**63 - 1]),
        (
            "timestamp",
            ["0001-01-01", "1969-12-31T23:59:59.999999Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000001Z"],
        ),
        ("date", ["1970-01-01", "2026-01-02", "2026-01-10"]),
        ("string", ["", "a", "b"]),
    ],
)
def test_versions_order_as_text_as_they_do_as_values(
    check: Check, state_contract: Make, logical_type: str, values: list[Any]
) -> None:
    contract = state_contract({"name": "v", "logicalType": logical_type}, entityVersion="v")
    versions = [row["version"] for row in check(contract, [GOOD | {"v": value} for value in values])]
    assert versions == sorted(versions)
    assert len(set(versions)) == len(values)
    (without,) = check(contract, [GOOD])
    assert without["version"] == ""


def test_states_have_no_bounds_of_time(check: Check, state_contract: Make) -> None:
    contract = state_contract({"name": "since", "logicalType": "timestamp"}, occurredAt="since")
    (row,) = check(contract, [GOOD | {"since": "2100-01-01"}])
    assert (row["reason"], row["occurred_at"]) == (None, dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
