"""How a source writes its values: forms of time, zones, words for nothing, codes, units, what is left out."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from mainstem.contracts import Contract, DoorPlan, compare_contracts, described, json_schema, read_contract
from mainstem.errors import ConfigurationError
from mainstem.model import Op

Check = Callable[..., list[dict[str, Any]]]
Make = Callable[..., Contract]
Text = Callable[..., str]

GOOD = {"customer": "c", "event": "e", "at": "2026-01-15T11:00:00Z"}


def _read(check: Check, make: Make, field: Mapping[str, Any], values: list[Any]) -> list[Any]:
    """The field's value of each payload, or where there is none the reason, or None where it is well without one."""
    rows = check(make({"name": "x", **field}), [GOOD if value is ... else GOOD | {"x": value} for value in values])
    assert all(row["reason"] is None or row["field"] == "x" for row in rows)
    return [row["f_x"] if row["reason"] is None else row["reason"] for row in rows]


def _at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("d/M/yyyy HH:mm", "29/2/2016 01:16", _at(2016, 2, 29, 1, 16)),
        ("d/M/yyyy HH:mm", "09/12/2016 23:59", _at(2016, 12, 9, 23, 59)),
        ("d/M/yyyy HH:mm", "2/29/2016 01:16", None),
        ("d/M/yyyy HH:mm", "29/2/2016 01:16:00", None),
        ("d/M/yyyy HH:mm", "29/2/2015 01:16", None),
        ("d/M/yyyy HH:mm", "2016-02-29T01:16:00Z", None),
        ("dd/MM/yyyy HH:mm", "9/2/2016 01:16", None),
        ("MM/dd/yyyy hh:mm:ss a", "01/05/2015 12:40:41 PM", _at(2015, 1, 5, 12, 40, 41)),
        ("MM/dd/yyyy hh:mm:ss a", "01/05/2015 12:40:41 am", _at(2015, 1, 5, 0, 40, 41)),
        ("MM/dd/yyyy hh:mm:ss a", "01/05/2015 13:40:41 PM", None),
        ("dd MMM yyyy", "05 Jan 2015", _at(2015, 1, 5)),
        ("MMMM d, yyyy", "January 5, 2015", _at(2015, 1, 5)),
        ("MMMM d, yyyy", "Januar 5, 2015", None),
        ("d.M.yy", "5.1.69", _at(2069, 1, 5)),
        ("d.M.yy", "29.2.96", _at(2096, 2, 29)),
        ("yyyyMMdd'T'HHmmss", "20160229T011659", _at(2016, 2, 29, 1, 16, 59)),
        ("yyyyMMdd", "20160229", _at(2016, 2, 29)),
        ("uuuu-MM-dd HH:mm:ss.SSS", "2016-02-29 01:16:59.250", _at(2016, 2, 29, 1, 16, 59, 250000)),
        ("uuuu-MM-dd HH:mm:ss.SSS", "2016-02-29 01:16:59.25", None),
        ("d/M/yyyy HH:mmXXX", "29/2/2016 01:16+02:00", _at(2016, 2, 28, 23, 16)),
        ("d/M/yyyy HH:mm XXX", "29/2/2016 01:16 Z", _at(2016, 2, 29, 1, 16)),
        ("d/M/yyyy HH:mm xx", "29/2/2016 01:16 -0330", _at(2016, 2, 29, 4, 46)),
        ("h 'o''clock' a d/M/yyyy", "3 o'clock PM 1/2/2016", _at(2016, 2, 1, 15)),
        ("yyyy[MM](dd)", "2016[02](29)", _at(2016, 2, 29)),
        ("yyyy%MM%dd", "2016%02%29", _at(2016, 2, 29)),
        ("d·M·yyyy 🙂", "9·2·2016 🙂", _at(2016, 2, 9)),
        ("yyyyMMddHHmmssSSS", "20160229011659250", _at(2016, 2, 29, 1, 16, 59, 250000)),
        ("d/M/yy HH:mmXXX", "1/1/00 00:30+01:00", _at(1999, 12, 31, 23, 30)),
        ("d/M/yy HH:mmXXX", "31/12/99 23:30-01:00", _at(2100, 1, 1, 0, 30)),
        ("d/M/yyyy HH:mmXX", "1/2/2016 10:00+9900", None),
        ("d/M/yyyy HH:mmX", "1/2/2016 10:00+0199", None),
        ("d/M/yyyy HH:mm", "1/2/2016 24:00", None),
        ("d/M/yyyy HH:mm:ss", "30/6/2015 23:59:60", None),
        ("d/M/yyyy", "1/2/0000", None),
    ],
)
def test_a_declared_form_of_time_is_the_only_one_that_is_read(
    check: Check, event_contract: Make, pattern: str, text: str, expected: dt.datetime | None
) -> None:
    field = {"logicalType": "timestamp", "logicalTypeOptions": {"format": pattern}}
    assert _read(check, event_contract, field, [text]) == [expected or "invalid_time"]
    if expected is not None and not (expected.hour or expected.minute):
        field = {"logicalType": "date", "logicalTypeOptions": {"format": pattern}}
        assert _read(check, event_contract, field, [text, None]) == [expected.date(), None]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("dd/mm/yyyy", "it has no month"),
        ("d/M HH:mm", "it has no year"),
        ("d/M/yyyy hh:mm", "h and a go together"),
        ("d/M/yyyy HH:mm a", "h and a go together"),
        ("d/M/yyyy mm:ss", "it has no hour"),
        ("d/M/yyyy XXX HH:mm", "an offset does not stand last"),
        ("d/M/yyyy 'at HH:mm", "a quote does not end"),
        ("d/M/yyyy dd", "'dd' says what another letter says already"),
        ("EEE, d MMM yyyy", "'EEE' is not read"),
        ("dMyyyy", "nobody can tell where 'd' ends"),
        ("d/M/yyyy Hmm", "nobody can tell where 'H' ends"),
        ("d/M'0'yyyy", "nobody can tell where 'M' ends"),
        ("d/M/yyyy yy", "'yy' says what another letter says already"),
        ("d MMM M yyyy", "it has the month twice"),
        ("d/M/yyyy\0", "no text holds a U+0000"),
        (7, "7 is no form of time"),
    ],
)
def test_patterns_that_are_none(event_text: Text, pattern: object, message: str) -> None:
    field = {"name": "x", "logicalType": "timestamp", "logicalTypeOptions": {"format": pattern}}
    with pytest.raises(ConfigurationError) as caught:
        read_contract(event_text(field), "c.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("c.yaml: schema[0].properties[3].logicalTypeOptions.format")


def test_times_without_an_offset_are_of_the_declared_zone(check: Check, event_contract: Make) -> None:
    field = {"logicalType": "timestamp", "logicalTypeOptions": {"defaultTimezone": "America/New_York"}}
    values = ["2016-07-01T10:00:00", "2016-01-01 10:00", "2016-07-01", "2016-07-01T10:00:00Z", "2016-07-01T10:00+02:00"]
    assert _read(check, event_contract, field, values) == [
        _at(2016, 7, 1, 14), _at(2016, 1, 1, 15), _at(2016, 7, 1, 4), _at(2016, 7, 1, 10), _at(2016, 7, 1, 8),
    ]  # fmt: skip
    both = {"format": "d/M/yyyy HH:mm", "defaultTimezone": "Europe/Lisbon"}
    field = {"logicalType": "timestamp", "logicalTypeOptions": both}
    assert _read(check, event_contract, field, ["1/7/2016 10:00", "1/12/2016 10:00"]) == [
        _at(2016, 7, 1, 9),
        _at(2016, 12, 1, 10),
    ]
    # An hour that comes twice is its second; one that is left out, as if it were not.
    assert _read(check, event_contract, field, ["27/10/2024 01:30", "31/3/2024 01:30"]) == [
        _at(2024, 10, 27, 1, 30),
        _at(2024, 3, 31, 1, 30),
    ]


def test_words_for_nothing_are_no_value(check: Check, event_contract: Make) -> None:
    field = {"logicalType": "integer", "missing": ["?", "N/A", "-1"]}
    assert _read(check, event_contract, field, ["?", "N/A", -1, 5, "n/a", None]) == [
        None,
        None,
        None,
        5,
        "wrong_type",
        None,
    ]
    required = field | {"required": True}
    assert _read(check, event_contract, required, ["?", 5]) == ["missing", 5]


def test_as_many_words_and_codes_as_a_contract_may_have(check: Check, event_contract: Make) -> None:
    field = {
        "logicalType": "integer",
        "missing": [f"w{n}" for n in range(100)],
        "codes": {f"c{n}": n for n in range(1000)},
    }
    assert _read(check, event_contract, field, ["w0", "w99", "c0", "c999", 5]) == [None, None, 0, 999, 5]


def test_a_date_that_the_contract_says_need_not_be_of_the_sources_form(check: Check, event_contract: Make) -> None:
    form = {"logicalType": "date", "logicalTypeOptions": {"format": "d/M/yyyy"}}
    values = ["1/2/2016", "never", None, "1970-01-02"]
    field = form | {"codes": {"never": "1970-01-01"}, "default": "1980-01-01"}
    assert _read(check, event_contract, field, values) == [
        dt.date(2016, 2, 1), dt.date(1970, 1, 1), dt.date(1980, 1, 1), "invalid_time",
    ]  # fmt: skip


def test_an_empty_string_is_no_value_and_gets_the_default(check: Check, event_contract: Make) -> None:
    for kind, default in (("integer", 7), ("boolean", True), ("date", "2016-02-01")):
        field = {"logicalType": kind, "default": default}
        given, missing = _read(check, event_contract, field, ["", ...])
        assert given == missing
        assert given is not None
    assert _read(check, event_contract, {"logicalType": "string", "default": "none"}, ["", ...]) == ["", "none"]


def test_codes_mean_what_the_contract_says(check: Check, event_contract: Make) -> None:
    field: dict[str, Any] = {"logicalType": "string", "codes": {"1": "high", "2": "low"}}
    field["enum"] = [{"value": "high"}, {"value": "low"}]
    assert _read(check, event_contract, field, ["1", 2, "high", "3", None]) == [
        "high", "low", "high", "not_allowed", None,
    ]  # fmt: skip
    field = {"logicalType": "boolean", "codes": {"Y": True, "N": False, "0": False}}
    assert _read(check, event_contract, field, ["Y", "N", 0, True, "y"]) == [True, False, False, True, "wrong_type"]
    field = {"logicalType": "integer", "codes": {"none": 0}, "missing": ["?"], "default": 7}
    assert _read(check, event_contract, field, ["none", "?", ..., 3]) == [0, 7, 7, 3]


def test_a_factor_brings_a_number_to_its_unit(check: Check, event_contract: Make) -> None:
    field = {"logicalType": "number", "factor": 0.01}
    values = [12345, "1", 0.5, None, "1e28", "abc"]
    assert _read(check, event_contract, field, values) == [
        Decimal("123.45"), Decimal("0.01"), Decimal("0.005"), None, 10**26, "wrong_type",
    ]  # fmt: skip
    cases = ((1000, "-1e25", -(10**28)), (1000, "1e28", "out_of_range"), (-0.5, "3", Decimal("-1.5")))
    for factor, value, expected in cases:
        assert _read(check, event_contract, field | {"factor": factor}, [value]) == [expected]


def test_a_default_is_not_what_a_patch_leaves_out(check: Check, state_contract: Make) -> None:
    contract = state_contract({"name": "x", "logicalType": "string", "default": "none"})
    rows = check(contract, [{"account": "a", "plan": "p"}, {"account": "a", "plan": "p"}], op=["upsert", "patch"])
    assert [row["f_x"] for row in rows] == ["none", None]


def test_a_word_for_nothing_holds_in_every_field_when_it_stands_at_the_stream(
    event_contract: Make, check: Check
) -> None:
    contract = event_contract({"name": "x", "logicalType": "number"}, missing=["?"])
    good, lost = check(contract, [GOOD | {"x": "?"}, GOOD | {"customer": "?"}])
    assert (good["reason"], good["f_x"]) == (None, None)
    assert (lost["reason"], lost["field"]) == ("no_partition_key", "customer")


def test_the_door_leaves_to_the_check_plan_what_it_cannot_read(event_contract: Make) -> None:
    contract = event_contract({"name": "at", "logicalTypeOptions": {"format": "d/M/yyyy HH:mm"}}, missing=["?"])
    payloads = [json.dumps(GOOD | {"customer": name, "at": "1/2/2026 10:00"}).encode() for name in ("c", "?")]
    picked = DoorPlan.compile(contract).pick(payloads)
    assert picked.partition_key == ["c", None]
    assert picked.occurred_at is not None
    assert picked.occurred_at.to_pylist() == [None, None]


def test_the_door_and_the_check_plan_take_the_same_words_for_nothing(event_contract: Make, check: Check) -> None:
    contract = event_contract({"name": "id", "logicalType": "integer"}, recordId="id", missing=["0", "-1"])
    payloads: list[dict[str, Any]] = [{**GOOD, "customer": value, "id": value} for value in (0, "0", -1, "a", 10)]
    picked = DoorPlan.compile(contract).pick([json.dumps(one).encode() for one in payloads])
    assert picked.partition_key == [None, None, None, "a", "10"]
    assert picked.record_id == [None, None, None, "a", "10"]
    late = DoorPlan.compile(contract).pick([json.dumps({**GOOD, "at": value}).encode() for value in (0, 1)])
    assert late.occurred_at is not None
    assert late.occurred_at.to_pylist() == [None, _at(1970, 1, 1, 0, 0, 1)]
    assert [row["partition_key"] for row in check(contract, payloads)] == [None, None, None, "a", "10"]


def test_a_tombstone_is_what_the_codes_say_it_is(state_contract: Make, check: Check) -> None:
    turned = {"name": "gone", "logicalType": "boolean", "path": "active", "codes": {"true": False, "false": True}}
    numbers = {"name": "gone", "logicalType": "boolean", "codes": {"1": True, "0": False}, "missing": ["true"]}
    cases: list[tuple[dict[str, Any], list[Any], list[bool]]] = [
        (turned, [True, "true", False, "false", None], [False, False, True, True, False]),
        (numbers, [1, "1", 0, True, None], [True, True, False, False, False]),
    ]
    for field, values, expected in cases:
        contract = state_contract(field, deleted="gone")
        name = contract.fields["gone"].path[0]
        payloads = [{"account": "a", "plan": "p", name: value} for value in values]
        picked = DoorPlan.compile(contract).pick([json.dumps(one).encode() for one in payloads])
        assert picked.op is not None
        assert picked.op == [Op.DELETE if gone else Op.UPSERT for gone in expected]
        rows = check(contract, payloads, op=[str(op.value) for op in picked.op])
        assert [row["op"] == "delete" for row in rows] == expected


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"logicalType": "timestamp", "logicalTypeOptions": {"defaultTimezone": "Europe/Lisboa"}}, "Europe/Lisbon"),
        ({"logicalType": "string", "missing": "?"}, "Write a list of texts"),
        ({"logicalType": "object", "missing": ["?"]}, "not for a field of type object"),
        ({"logicalType": "string", "factor": 2}, "not for a field of type string"),
        ({"logicalType": "number", "factor": 0}, "0 is no factor"),
        ({"logicalType": "boolean", "codes": {"Y": "yes"}}, "'yes' is no boolean"),
        ({"logicalType": "integer", "codes": {"Y": 1.5}}, "1.5 is no integer"),
        ({"logicalType": "string", "codes": {"Y": "true"}}, "something else than a text"),
        ({"logicalType": "string", "required": True, "default": "a"}, "Keep one of them"),
        ({"logicalType": "string", "enum": [{"value": "a"}], "default": "b"}, "`default` of 'x' is 'b'"),
        ({"logicalType": "string", "enum": [{"value": "a"}], "codes": {"1": "a", "2": "b"}}, "`codes` of 'x' is 'b'"),
        ({"logicalType": "number", "enum": [{"value": 2}], "default": 2, "factor": 0.5}, "`default` of 'x' is '2'"),
    ],
)
def test_forms_that_cannot_be(event_text: Text, field: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_contract(event_text({"name": "x", **field}), "c.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("c.yaml: schema[0].properties[3]")


def test_forms_within_the_allowed_values(event_contract: Make) -> None:
    for field in (
        {"logicalType": "string", "enum": [{"value": "a"}, {"value": "b"}], "codes": {"1": "a"}, "default": "b"},
        {"logicalType": "number", "enum": [{"value": 1.0}], "default": 2, "factor": 0.5},
        {"logicalType": "integer", "enum": [{"value": 1}], "codes": {"one": 1}},
    ):
        assert event_contract({"name": "x", **field}).fields["x"].allowed


def test_what_identifies_has_no_codes(event_text: Text) -> None:
    with pytest.raises(ConfigurationError, match="'customer' identifies, and cannot have `codes`"):
        read_contract(event_text({"name": "customer", "codes": {"1": "acme"}}), "c.yaml")


def test_a_form_is_told_and_its_change_breaks(event_contract: Make) -> None:
    plain = event_contract({"name": "x", "logicalType": "number"})
    cents = event_contract({"name": "x", "logicalType": "number", "factor": 0.01})
    [change] = compare_contracts(plain, cents)
    assert (change.code, change.breaking) == ("factor_changed", True)
    [told] = [field for field in described(cents)["fields"] if field["name"] == "x"]
    assert told["form"] == {"factor": "0.01"}
    assert json_schema(cents)["properties"]["x"] == {}
