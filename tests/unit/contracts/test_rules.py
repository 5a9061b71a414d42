"""Limits and rules: what is read, what is refused, and what the one check plan makes of records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from mainstem.contracts import Check as NamedCheck
from mainstem.contracts import (
    CheckPlan,
    Contract,
    Limit,
    Reason,
    Severity,
    builtin_contracts,
    compare_contracts,
    held_rows,
    read_contract,
)
from mainstem.errors import ConfigurationError

Check = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Contract]
Text = Callable[..., str]

GOOD = {"customer": "c", "event": "e", "at": "2026-01-15T11:00:00Z"}


def _rule(implementation: str, name: str | None = "r", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "custom", "engine": "mainstem", "implementation": implementation, **more}


def _stream(text: str, *rules: dict[str, Any]) -> str:
    """A contract's text with rules at its stream."""
    import yaml

    data = yaml.safe_load(text)
    data["schema"][0]["quality"] = list(rules)
    return yaml.safe_dump(data)


@pytest.mark.parametrize(
    ("logical", "options", "good", "bad"),
    [
        ("string", {"minLength": 2}, ["ab", "\u00e4\U0001f600", None], ["", "a", "\U0001f600"]),
        ("string", {"maxLength": 2}, ["", "ab", "\U0001f600\U0001f600"], ["abc"]),
        ("string", {"pattern": "^[A-Z]{2}-\\d+$"}, ["AB-1"], ["", "ab-1", "AB-", "AB-1\n"]),
        ("string", {"format": "email"}, ["a@b.co"], ["", "a"]),
        ("string", {"format": "hostname"}, ["a.b"], ["a." * 130 + "a"]),
        ("integer", {"minimum": 0, "maximum": 10}, [0, 10, "5", None, ""], [-1, 11]),
        ("integer", {"exclusiveMinimum": 0, "exclusiveMaximum": 2}, [1], [0, 2]),
        ("integer", {"multipleOf": 3}, [0, 9, -9], [1, -8]),
        ("integer", {"format": "u8"}, [0, 255], [-1, 256]),
        ("integer", {"format": "i64"}, [2**63 - 1, -(2**63)], []),
        ("number", {"minimum": 0.1}, [0.1, "0.100000001", 5], ["0.099999999", -1]),
        ("number", {"multipleOf": 0.01}, [0.07, "123456789012345678.99", -1], [0.001, "1.000000001"]),
        ("number", {"maximum": 10**20}, ["100000000000000000000"], ["100000000000000000000.000000001"]),
        ("number", {"maximum": 1.0e25}, ["10000000000000000000000000"], ["10000000000000000000000000.000000001"]),
        (
            "number",
            {"minimum": 12345678901234567890123456789, "maximum": 12345678901234567890123456790},
            ["12345678901234567890123456789", "12345678901234567890123456790"],
            ["12345678901234567890123456788.999999999", "12345678901234567890123456790.000000001"],
        ),
        ("number", {"multipleOf": 10**28 + 1}, ["10000000000000000000000000001"], ["10000000000000000000000000000"]),
        (
            "timestamp",
            {"minimum": "2026-01-01T00:00:00+01:00"},
            ["2025-12-31T23:00:00Z", None],
            ["2025-12-31T22:59:59Z"],
        ),
        ("date", {"exclusiveMaximum": "2026-01-02"}, ["2026-01-01"], ["2026-01-02"]),
        ("array", {"minItems": 1, "maxItems": 2}, [[1], [1, 2], None], [[], [1, 2, 3]]),
    ],
)
def test_limits(
    check: Check, event_contract: Make, logical: str, options: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    contract = event_contract({"name": "x", "logicalType": logical, "logicalTypeOptions": options})
    rows = check(contract, [GOOD | {"x": value} for value in [*good, *bad]])
    assert [row["reason"] for row in rows] == [None] * len(good) + ["outside_limits"] * len(bad)
    assert {(row["field"], row["rule"]) for row in rows[len(good) :]} <= {("x", f"x.{word}") for word in options}


def test_every_limit_says_which_it_is(check: Check, event_contract: Make) -> None:
    contract = event_contract(
        {"name": "x", "logicalType": "integer", "logicalTypeOptions": {"minimum": 0, "maximum": 9}}
    )
    plan = CheckPlan.compile(contract)
    [low, high] = check(contract, [GOOD | {"x": -1}, GOOD | {"x": 10}])
    assert [low["rule"], high["rule"]] == ["x.minimum", "x.maximum"]
    told = plan.told(low["reason"], low["field"], low["rule"])
    assert told == "Field 'x' is outside its limits: minimum is 0. Correct the record, or change the limit."


@pytest.mark.parametrize(
    ("logical", "options", "message"),
    [
        ("string", {"maxLenght": 5}, "maxLenght: is not checked of a field of type string. Did you mean 'maxLength'?"),
        ("boolean", {"minimum": 5}, "is not checked of a field of type boolean. Remove it"),
        ("object", {"minProperties": 5}, "is not checked"),
        ("timestamp", {"timezone": True}, "is not checked"),
        ("string", {"maxLength": -1}, "-1 is no length"),
        ("string", {"minLength": 3, "maxLength": 2}, "'minLength' is above 'maxLength'"),
        ("integer", {"minimum": 3, "maximum": 2}, "'minimum' is above 'maximum'"),
        ("string", {"pattern": "(?=a)"}, "at character 1, of groups only"),
        ("string", {"format": "e-mail"}, "Did you mean 'email'?"),
        ("integer", {"minimum": 1.5}, "no integer"),
        ("integer", {"minimum": "5"}, "'5' is no number"),
        ("number", {"multipleOf": 0}, "not above zero"),
        ("number", {"maximum": 10**29}, "is no number. 29 digits"),
        ("number", {"maximum": 1e300}, "is no number. 29 digits"),
        ("number", {"maximum": 1e-10}, "is no number. 29 digits"),
        ("number", {"maximum": 2**4000}, "The number has too many digits"),
        ("integer", {"maximum": 10**20}, "is no integer"),
        ("date", {"minimum": "yesterday"}, "no date"),
        ("timestamp", {"minimum": 5}, "no timestamp"),
    ],
)  # fmt: skip
def test_limits_that_are_none(event_text: Text, logical: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_contract(event_text({"name": "x", "logicalType": logical, "logicalTypeOptions": options}), "c.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("c.yaml: schema[0].properties[3].logicalTypeOptions")
    assert caught.value.hint


def test_rules_at_a_field_and_at_the_stream(check: Check, event_text: Text) -> None:
    text = _stream(
        event_text(
            {"name": "kind", "logicalType": "string"},
            {"name": "n", "logicalType": "number", "quality": [_rule("n <> 13", "lucky")]},
        ),
        _rule("kind <> 'refund' OR n <= 0", "refunds", description="a refund takes money back."),
        {"type": "text", "description": "Nice."},
    )
    contract = read_contract(text, "c.yaml")
    assert [(rule.name, rule.field, sorted(rule.uses)) for rule in contract.rules] == [
        ("lucky", "n", ["n"]),
        ("refunds", None, ["kind", "n"]),
    ]
    values = [
        ("sale", 5),
        ("refund", -5),
        ("refund", 5),
        ("sale", 13),
        ("refund", 13),
        ("refund", None),
        (None, 5),
        ("refund", "x"),
    ]
    rows = check(contract, [GOOD | {"kind": kind, "n": n} for kind, n in values])
    assert [(row["reason"], row["field"], row["rule"]) for row in rows] == [
        (None, None, None),
        (None, None, None),
        ("rule_failed", None, "refunds"),
        ("rule_failed", "n", "lucky"),
        ("rule_failed", "n", "lucky"),
        # What is null stands in nobody's way, and neither does a rule with a defect of a field.
        (None, None, None),
        (None, None, None),
        ("wrong_type", "n", None),
    ]
    plan = CheckPlan.compile(contract)
    assert plan.told(rows[2]["reason"], None, "refunds") == (
        "Rule 'refunds' does not hold: a refund takes money back. Correct the record, or change the rule."
    )
    assert "n <> 13" in plan.told(rows[3]["reason"], "n", "lucky")


def test_what_warns_lets_through_and_is_told(check: Check, event_text: Text) -> None:
    text = _stream(
        event_text(
            {"name": "n", "logicalType": "integer", "logicalTypeOptions": {"maximum": 10}, "limitSeverity": "warn"},
        ),
        _rule("n <> 13", "lucky", severity="warn"),
        _rule("n <> 99", "never"),
    )
    import yaml

    data = yaml.safe_load(text)
    field = data["schema"][0]["properties"][3]
    field["customProperties"] = [{"property": "limitSeverity", "value": field.pop("limitSeverity")}]
    contract = read_contract(yaml.safe_dump(data), "c.yaml")
    assert contract.fields["n"].limits == (Limit("maximum", "10", Severity.WARN),)
    plan = CheckPlan.compile(contract)
    assert plan.warned == (
        NamedCheck("n.maximum", "n", frozenset({"n"}), Reason.OUTSIDE_LIMITS),
        NamedCheck("lucky", None, frozenset({"n"}), Reason.RULE_FAILED),
    )
    rows = check(contract, [GOOD | {"n": n} for n in (5, 11, 13, 99, None)])
    assert [row["reason"] for row in rows] == [None, None, None, "rule_failed", None]
    failures = {warned.rule: failed.tolist() for warned, failed in plan.failures(pa.Table.from_pylist(rows))}
    assert failures == {
        "n.maximum": [False, True, True, True, False],
        "lucky": [False, False, True, False, False],
    }


@pytest.mark.parametrize(("rules", "told"), [(5, None), (6, "1 other check holds it"), (8, "3 other checks hold it")])
def test_not_all_that_holds_is_told_in_words(event_text: Text, rules: int, told: str | None) -> None:
    each = [_rule("event <> 'e'", f"rule_{n}", severity="hold", description=f"reason {n}") for n in range(rules)]
    plan = CheckPlan.compile(read_contract(_stream(event_text(), *each), "c.yaml"))
    message = plan.told_held(plan.holding)
    assert ("reason 4" in message, "reason 5" in message) == (True, False)
    assert told is None or told in message


def test_what_holds_is_no_defect_and_all_of_it_is_named(check: Check, event_text: Text) -> None:
    import yaml

    data = yaml.safe_load(
        _stream(
            event_text({"name": "n", "logicalType": "integer", "logicalTypeOptions": {"maximum": 10}}),
            _rule("n <> 13", "lucky", severity="hold", description="thirteen is rare"),
            _rule("n <> 99", "never"),
        )
    )
    data["schema"][0]["properties"][3]["customProperties"] = [{"property": "limitSeverity", "value": "hold"}]
    contract = read_contract(yaml.safe_dump(data), "c.yaml")
    plan = CheckPlan.compile(contract)
    rows = check(contract, [GOOD | {"n": n} for n in (5, 11, 13, 99, None)])
    assert [row["reason"] for row in rows] == [None, None, None, "rule_failed", None]
    checked = pa.Table.from_pylist(rows)
    held = held_rows(plan, checked)
    assert held.rows.tolist() == [False, True, True, False, False], "what has a defect is not held"
    assert [[one.rule for one in held.by(row)] for row in (1, 2)] == [["n.maximum"], ["n.maximum", "lucky"]]
    assert held_rows(plan, checked, {"n.maximum"}).rows.tolist() == [False, False, True, False, False]
    assert plan.told_held(held.by(2)) == (
        "Field 'n' is outside its limits: maximum is 10. Rule 'lucky' does not hold: thirteen is rare. "
        "Release the record if it is right; else fix or dismiss it."
    )


def test_what_a_policy_would_discard_is_held_before(check: Check, event_text: Text) -> None:
    import yaml

    data = yaml.safe_load(_stream(event_text(), _rule("event <> 'odd'", "odd", severity="hold")))
    data["schema"][0]["customProperties"].append({"property": "schemaChange", "value": {"new_field": "discard_row"}})
    contract = read_contract(yaml.safe_dump(data), "c.yaml")
    rows = check(contract, [GOOD | {"more": 1}, GOOD | {"more": 1, "event": "odd"}, GOOD | {"event": "odd"}])
    assert [row["reason"] for row in rows] == ["undeclared", "undeclared", None]
    held = held_rows(CheckPlan.compile(contract), pa.Table.from_pylist(rows))
    assert held.rows.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("old", "new", "breaking"),
    [("warn", "hold", True), ("hold", "quarantine", True), ("quarantine", "hold", False), ("hold", "warn", False)],
)
def test_a_stricter_severity_breaks_what_took_effect(
    event_text: Text,
    old: str,
    new: str,
    breaking: bool,  # noqa: FBT001 - a case
) -> None:
    before, after = (
        read_contract(_stream(event_text(), _rule("event <> 'odd'", "odd", severity=word)), "c.yaml")
        for word in (old, new)
    )
    [change] = compare_contracts(before, after)
    assert (change.code, change.breaking) == ("severity_changed", breaking)


def test_no_value_makes_a_plan_fail(check: Check, event_text: Text) -> None:
    """What no decimal holds is null, and null passes; neighbours are judged."""
    text = event_text(
        {"name": "n", "logicalType": "number", "quality": [_rule("n * n * n < 1000", "cube")]},
        {"name": "o", "logicalType": "object", "quality": [_rule("json_extract_string(o, '$.a') = 'x'", "a")]},
    )
    values: list[Any] = [("9" * 29, None), (20, None), (2, {"a": "x"}), (2, {"a": {"b": 1}}), (2, {})]
    rows = check(read_contract(text, "c.yaml"), [GOOD | {"n": n, "o": o} for n, o in values])
    assert [row["rule"] for row in rows] == [None, "cube", None, "a", None]


def test_tombstones_and_patches(check: Check, state_text: Text) -> None:
    text = state_text(
        {"name": "plan", "quality": [_rule("plan IS NOT NULL AND seats > 0", "seated")]},
        {"name": "seats", "logicalType": "integer", "logicalTypeOptions": {"maximum": 100}},
    )
    payloads = [
        {"account": "a", "plan": "p", "seats": 0},
        {"account": "a", "plan": "p", "seats": 0},
        {"account": "a", "seats": 0},
        {"account": "a", "plan": "p", "seats": 0},
        {"account": "a", "seats": 101},
    ]
    rows = check(read_contract(text, "c.yaml"), payloads, op=["upsert", "delete", "patch", "patch", "patch"])
    assert [row["rule"] for row in rows] == ["seated", None, None, "seated", "seats.maximum"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (_rule("evnt = 'a'"), ".implementation: In the rule, at line 1, column 1: there is no column 'evnt'. Did you mean 'event'?"),
        (_rule("event = 'a' AND\n  event IN (SELECT 1)"), "at line 2, column 3: IN takes a list. Subqueries are not allowed."),
        (_rule("read_text('/etc/passwd') = event"), "the function 'read_text' is not allowed"),
        (_rule("starts_wth(event, 'a')"), "Did you mean 'starts_with'?"),
        (_rule("row_number() OVER () = 1"), "a window over other rows is not allowed"),
        (_rule("event = ?"), "a parameter is not allowed"),
        (_rule("event"), "neither true nor false"),
        (_rule("1 = 1"), "names no field"),
        (_rule("event = 'a'", severity="holt"), ".severity: 'holt' is none of quarantine, hold, warn. Did you mean 'hold'?"),
        (_rule("event = 'a'", severity="warning"), "Did you mean 'warn'?"),
        (_rule("event = 'a'", name=None), ".name: None is no name of a rule"),
        (_rule("event = 'a'", name="Big"), "no name of a rule"),
        (_rule("event = 'a'", mustBe=0), ".mustBe: has no effect on a rule"),
        (_rule("event = 'a'", schedule="daily"), ".schedule: has no effect"),
        ({**_rule("event = 'a'"), "implementation": {"a": 1}}, "Write one SQL condition"),
        ({**_rule("event = 'a'"), "engine": "soda"}, "is a rule that is not checked"),
    ],
)  # fmt: skip
def test_rules_that_are_none(event_text: Text, rule: dict[str, Any], message: str) -> None:
    rule = {key: value for key, value in rule.items() if value is not None}
    for text, place in (
        (_stream(event_text(), rule), "schema[0].quality[0]"),
        (event_text({"name": "event", "quality": [rule]}), "schema[0].properties[1].quality[0]"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            read_contract(text, "c.yaml")
        assert str(caught.value).startswith(f"c.yaml: {place}")
        assert message in str(caught.value)
        assert caught.value.hint


def test_a_name_is_one_rules(event_text: Text) -> None:
    with pytest.raises(ConfigurationError, match="'r' is there twice"):
        read_contract(_stream(event_text(), _rule("event = 'a'"), _rule("event = 'b'")), "c.yaml")


def test_a_contract_without_rules_costs_what_it_did() -> None:
    plan = CheckPlan.compile(builtin_contracts()["usage_events"])
    assert plan.warned == plan.holding == ()
    assert "TRY(" not in plan.sql.replace("TRY_CAST(", "")
    assert not [name for name in plan.schema.names if name.startswith(("w_", "h_"))]


@pytest.mark.parametrize(("old", "new", "breaking"), [(10**28, 1e-9, False), (10**28 + 1, 2, True), (9, 3, False)])
def test_a_change_of_a_multiple_is_judged_exactly(event_contract: Make, old: float, new: float, breaking: bool) -> None:  # noqa: FBT001 - a case
    before, after = (
        event_contract({"name": "x", "logicalType": "number", "logicalTypeOptions": {"multipleOf": value}})
        for value in (old, new)
    )
    [change] = compare_contracts(before, after)
    assert change.breaking is breaking
