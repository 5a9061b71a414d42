"""What a contract says about drift: read, refused, and what its check plan makes of records that are not as declared."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from mainstem.contracts import CheckPlan, Contract, DriftKind, Policies, Policy, compare_contracts, described
from mainstem.errors import ConfigurationError

Check = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Contract]

GOOD = {"customer": "c", "event": "e", "at": "2026-01-15T11:00:00Z", "n": 1, "plan": "free"}
N = {"name": "n", "logicalType": "integer", "required": True}
PLAN = {"name": "plan", "logicalType": "string", "enum": [{"value": "free"}, {"value": "paid"}]}
KINDS = {
    DriftKind.NEW_FIELD: (GOOD | {"utm": "x"}, "undeclared", None),
    DriftKind.MISSING_FIELD: ({name: value for name, value in GOOD.items() if name != "n"}, "missing", "n"),
    DriftKind.TYPE_CHANGE: (GOOD | {"n": "many"}, "wrong_type", "n"),
    DriftKind.ENUM_GROWTH: (GOOD | {"plan": "gold"}, "not_allowed", "plan"),
}


def _plan(contract: Contract) -> CheckPlan:
    return CheckPlan.compile(contract)


def _marks(contract: Contract, rows: list[dict[str, Any]]) -> list[tuple[DriftKind, str]]:
    plan = _plan(contract)
    return [(kind, field) for kind, field, _ in plan.marks(pa.Table.from_pylist(rows, plan.schema))]


def test_without_a_word_nothing_is_lost(event_contract: Make) -> None:
    contract = event_contract(N, PLAN)
    assert contract.policies == Policies(Policy.EVOLVE, Policy.QUARANTINE, Policy.QUARANTINE, Policy.QUARANTINE)
    assert {field.policies for field in contract.fields.values()} == {contract.policies}
    assert not _plan(contract).may_discard


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("kind", KINDS)
def test_each_policy_for_each_kind(check: Check, event_contract: Make, kind: DriftKind, policy: Policy) -> None:
    contract = event_contract(N, PLAN, schemaChange={kind.value: policy.value})
    payload, reason, field = KINDS[kind]
    good, bad = check(contract, [GOOD, payload])
    assert good["reason"] is None
    plan = _plan(contract)
    lets_through = policy is Policy.DISCARD_VALUE or (
        policy is Policy.EVOLVE and kind in {DriftKind.NEW_FIELD, DriftKind.ENUM_GROWTH}
    )
    if not lets_through:
        assert (bad["reason"], bad["field"]) == (reason, field)
        assert plan.discards(bad["reason"], bad["field"]) == (policy is Policy.DISCARD_ROW)
        return
    assert bad["reason"] is None
    marked = _marks(contract, [good, bad])
    assert marked == ([] if kind is DriftKind.NEW_FIELD else [(kind, field)])
    if kind is DriftKind.NEW_FIELD:
        assert bad["surplus"] == ["utm"]
    else:
        kept = "gold" if policy is Policy.EVOLVE else None
        assert bad[f"f_{field}"] == kept


def test_a_field_says_more_than_its_stream(check: Check, event_contract: Make) -> None:
    wish = [{"property": "schemaChange", "value": {"type_change": "discard_value"}}]
    contract = event_contract({**N, "customProperties": wish}, PLAN, schemaChange="discard_row")
    n, plan = contract.fields["n"].policies, contract.fields["plan"].policies
    assert (n.type_change, n.missing_field) == (Policy.DISCARD_VALUE, Policy.DISCARD_ROW)
    assert (plan.type_change, plan.enum_growth) == (Policy.DISCARD_ROW, Policy.DISCARD_ROW)
    [row] = check(contract, [GOOD | {"n": "x"}])
    assert (row["reason"], row["f_n"]) == (None, None)


def test_what_no_record_can_be_without_is_never_discarded_alone(check: Check, event_contract: Make) -> None:
    contract = event_contract(N, PLAN, schemaChange="discard_value")
    assert contract.fields["at"].policies.type_change is Policy.QUARANTINE
    assert contract.fields["n"].policies.type_change is Policy.DISCARD_VALUE
    at = {"name": "at", "customProperties": [{"property": "schemaChange", "value": "discard_value"}]}
    with pytest.raises(ConfigurationError, match="no record can be without"):
        event_contract(at)


def test_a_record_with_another_defect_is_kept(check: Check, event_contract: Make) -> None:
    wish = [{"property": "schemaChange", "value": "discard_row"}]
    contract = event_contract({**N, "customProperties": wish}, PLAN)
    [row] = check(contract, [GOOD | {"n": "x", "plan": "gold"}])
    assert (row["reason"], row["field"]) == ("not_allowed", "plan")


def test_a_value_with_another_defect_is_kept(check: Check, event_contract: Make) -> None:
    short = {**PLAN, "logicalTypeOptions": {"maxLength": 4}}
    contract = event_contract(N, short, schemaChange={"enum_growth": "discard_row"})
    rows = check(contract, [GOOD | {"plan": plan} for plan in ("gold", "silver", "a\0b")])
    assert [row["reason"] for row in rows] == ["not_allowed", "outside_limits", "nul_character"]


@pytest.mark.parametrize("policy", Policy)
def test_what_no_store_can_keep_never_takes_effect(check: Check, event_contract: Make, policy: Policy) -> None:
    whole = {"name": "device", "logicalType": "object"}
    contract = event_contract(N, whole, PLAN, schemaChange={"type_change": policy.value})
    text = json.dumps(GOOD | {"device": {"x": "HUGE"}}).replace('"HUGE"', "1e400").encode()
    torn = text.replace(b'"free"', b'"gold"')
    rows = check(contract, [text, torn, GOOD | {"device": {"x": "a\0b"}}])
    assert [row["reason"] for row in rows] == [
        "out_of_range",
        "not_allowed" if policy is Policy.DISCARD_ROW else "out_of_range",
        "nul_character",
    ]
    assert _plan(contract).discards(rows[0]["reason"], "device") == (policy is Policy.DISCARD_ROW)


@pytest.mark.parametrize("policy", ["freeze", "quarantine", "discard_row"])
def test_no_tombstone_is_lost_for_what_else_it_says(check: Check, state_contract: Make, policy: str) -> None:
    city = {"name": "city", "logicalType": "string", "path": "to.city"}
    contract = state_contract(city, schemaChange={"new_field": policy})
    said = [{"account": "a", "plan": "p", "by": "x"}, {"account": "a", "plan": "p", "to": {"zip": 1}}]
    rows = check(contract, [*said, *said], op=["delete"] * 2 + ["upsert"] * 2)
    assert [row["reason"] for row in rows] == [None, None, "undeclared", "undeclared"]
    assert [row["surplus"] for row in rows] == [None, None, ["by"], None]


def test_a_tombstone_and_a_patch_are_not_held_to_what_they_do_not_say(check: Check, state_contract: Make) -> None:
    contract = state_contract({"name": "plan", "required": True}, schemaChange={"missing_field": "discard_row"})
    rows = check(contract, [{"account": "a"}] * 3, op=["upsert", "patch", "delete"])
    assert [row["reason"] for row in rows] == ["missing", None, None]
    assert _plan(contract).discards(rows[0]["reason"], "plan")


@pytest.mark.parametrize("policy", ["freeze", "quarantine", "discard_row"])
def test_keys_inside_objects_are_looked_for_where_a_policy_acts_on_them(
    check: Check, event_contract: Make, policy: str
) -> None:
    city = {"name": "city", "logicalType": "string", "path": "to.city"}
    whole = {"name": "device", "logicalType": "object"}
    contract = event_contract(N, PLAN, city, whole, schemaChange={"new_field": policy})
    rows = check(
        contract,
        [
            GOOD | {"to": {"city": "Riga"}, "device": {"anything": 1}},
            GOOD | {"to": {"city": "Riga", "zip": "1"}},
            GOOD | {"to": {}},
            GOOD | {"to": None, "n": 2},
        ],
    )
    assert [row["reason"] for row in rows] == [None, "undeclared", None, None]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("evolv", "none of evolve"),
        ({"new_fields": "evolve"}, "none of new_field"),
        ({"new_field": "drop"}, "none of evolve"),
        ({}, "Write one of"),
        (5, "Write one of"),
    ],
)
def test_other_words_are_refused(event_contract: Make, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match="schemaChange") as error:
        event_contract(N, schemaChange=value)
    assert message in str(error.value)


def test_a_new_field_has_no_policy_of_a_declared_one(event_contract: Make) -> None:
    wish = [{"property": "schemaChange", "value": {"new_field": "evolve"}}]
    with pytest.raises(ConfigurationError, match="none of missing_field"):
        event_contract({**N, "customProperties": wish})


def test_discarding_what_was_kept_is_a_breaking_change(event_contract: Make) -> None:
    kept, lossy = event_contract(N), event_contract(N, schemaChange={"type_change": "discard_row"})
    changes = compare_contracts(kept, lossy)
    assert {change.code for change in changes} == {"policy_changed"}
    assert all(change.breaking for change in changes)
    assert not any(change.breaking for change in compare_contracts(lossy, kept))


def test_policies_are_published(event_contract: Make) -> None:
    said = described(event_contract(N, schemaChange={"new_field": "freeze", "missing_field": "evolve"}))
    assert said["schema_change"] == {"new_field": "freeze"}
    [n] = [field for field in said["fields"] if field["name"] == "n"]
    assert n["schema_change"] == {"missing_field": "evolve", "type_change": "quarantine", "enum_growth": "quarantine"}
