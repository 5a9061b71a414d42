"""After a rename both are read: what comes now, and what came before or comes late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mainstem.contracts import Contract, compare_contracts, json_schema
from mainstem.errors import ConfigurationError

Check = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Contract]

GOOD = {"customer": "c", "event": "e", "at": "2026-01-15T11:00:00Z"}
TOTAL = {
    "name": "amount",
    "logicalType": "integer",
    "required": True,
    "physicalName": "total",
    "formerPaths": ["amount"],
}


def _read(check: Check, contract: Contract, *payloads: dict[str, Any]) -> list[tuple[Any, str | None]]:
    rows = check(contract, [{**GOOD, **payload} for payload in payloads])
    return [(row["f_amount"], row["reason"]) for row in rows]


def test_the_first_place_with_a_value_gives_it(check: Check, event_contract: Make) -> None:
    payloads: tuple[dict[str, Any], ...] = (
        {"total": 1},
        {"amount": 2},
        {"total": 3, "amount": 4},
        {"total": None, "amount": 5},
        {"total": None},
        {},
    )
    assert _read(check, event_contract(TOTAL), *payloads) == [
        (1, None), (2, None), (3, None), (5, None), (None, "missing"), (None, "missing"),
    ]  # fmt: skip


def test_a_wrong_value_at_its_place_of_today_is_wrong(check: Check, event_contract: Make) -> None:
    payloads = ({"total": "many", "amount": 4}, {"total": "", "amount": 4}, {"amount": "many"})
    assert _read(check, event_contract(TOTAL), *payloads) == [
        (None, "wrong_type"), (None, "missing"), (None, "wrong_type"),
    ]  # fmt: skip


def test_a_former_name_is_no_new_key(check: Check, event_contract: Make) -> None:
    rows = check(event_contract(TOTAL, schemaChange="freeze"), [GOOD | {"amount": 1}, GOOD | {"amount": 1, "more": 2}])
    assert [row["reason"] for row in rows] == [None, "undeclared"]
    rows = check(event_contract(TOTAL), [GOOD | {"amount": 1}, GOOD | {"amount": 1, "more": 2}])
    assert [row["surplus"] for row in rows] == [None, ["more"]]


@pytest.mark.parametrize("path", ["order.total", ["Amount"], ["at.total", "x"]])
def test_places_may_lie_deep_and_be_alike(check: Check, event_contract: Make, path: Any) -> None:
    contract = event_contract({**TOTAL, "physicalName": None, "path": path, "formerPaths": ["amount", "sum.total"]})
    value: Any = 7
    for step in reversed(path.split(".") if isinstance(path, str) else path):
        value = {step: value}
    assert _read(check, contract, value, {"amount": 8}, {"sum": {"total": 9}}) == [(7, None), (8, None), (9, None)]


def test_objects_and_arrays_are_found_too(check: Check, event_contract: Make) -> None:
    fields = [
        {"name": "tags", "logicalType": "array", "physicalName": "labels", "formerPaths": ["tags"]},
        {"name": "more", "logicalType": "object", "formerPaths": ["extra"]},
    ]
    rows = check(event_contract(*fields), [GOOD | {"tags": [1], "extra": {"a": 1}}, GOOD | {"labels": [2], "more": {}}])
    assert [(row["f_tags"], row["f_more"]) for row in rows] == [("[1]", '{"a":1}'), ("[2]", "{}")]


def test_a_rename_that_reads_both_breaks_nothing(event_contract: Make) -> None:
    before = event_contract({**TOTAL, "physicalName": None, "formerPaths": None})
    changes = compare_contracts(before, event_contract(TOTAL))
    assert [(change.code, change.breaking) for change in changes] == [("path_added", False)]
    changes = compare_contracts(before, event_contract({**TOTAL, "formerPaths": None}))
    assert [(change.code, change.breaking) for change in changes] == [("path_changed", True)]
    turned = event_contract({**TOTAL, "physicalName": "amount", "formerPaths": ["total"]})
    changes = compare_contracts(event_contract(TOTAL), turned)
    assert [(change.code, change.breaking) for change in changes] == [("path_changed", True)]


def test_a_producer_may_send_either(event_contract: Make) -> None:
    schema = json_schema(event_contract(TOTAL))
    assert {"total", "amount"} <= set(schema["properties"])
    assert sorted(schema["required"]) == ["at", "customer", "event"]


@pytest.mark.parametrize("wrong", ["amount", [], [7], [""], ["a"] * 9, [["a", "*"]]])
def test_what_is_no_list_of_paths_is_refused(event_contract: Make, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="formerPaths"):
        event_contract({**TOTAL, "formerPaths": wrong})


def test_wrong_values_on_many_former_paths_take_little_memory(check: Check, event_contract: Make) -> None:
    fields = [
        {"name": f"n{i}", "logicalType": "timestamp", "formerPaths": [f"o{i}_{k}" for k in range(8)]} for i in range(40)
    ]
    wrong = GOOD | {f"o{i}_7": "5" for i in range(40)}
    rows = check(event_contract(*fields), [wrong] * 2000)
    assert {(row["reason"], row["field"]) for row in rows} == {("invalid_time", "n0")}
