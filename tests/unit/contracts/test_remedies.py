"""Remedies one by one: what each makes of values, what it leaves alone, and what a contract cannot declare."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from mainstem.contracts import (
    CheckPlan,
    Contract,
    RemedyEffect,
    compare_contracts,
    described,
    json_schema,
    read_contract,
)
from mainstem.contracts._reference_tables import with_reference_tables
from mainstem.contracts._remedy_sql import _SPACE
from mainstem.errors import ConfigurationError

Make = Callable[..., Contract]
Check = Callable[..., list[dict[str, Any]]]

HOSTILE = [
    "\0",
    "a\0b",
    "😀" * 50,
    "x" * 100_000,
    " " * 100_000,
    "שלום",
    "\u202eabc",
    "'; DROP TABLE records; --",
    "{}",
]
PLANS = "plan,seats,active,label\nfree,5,true,Fü\npro,50,FALSE,\n"


def event(*fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"logicalType": "string", **field} for field in fields]


def payload(**values: Any) -> dict[str, Any]:
    return {"customer": "c", "event": "e", "at": "2026-01-15", **values}


@pytest.fixture
def made(event_contract: Make, check: Check) -> Callable[..., list[Any]]:
    """What values of a field `x` become by its remedies; `also` are its further keys."""

    def run(values: Sequence[Any], *remedies: Mapping[str, Any], **also: Any) -> list[Any]:
        contract = event_contract(*event({"name": "x", "remedies": list(remedies), **also}))
        return [row["f_x"] for row in check(contract, [payload(x=value) for value in values])]

    return run


def test_a_contract_without_remedies_is_compiled_as_ever(event_contract: Make) -> None:
    plain, remedied = (
        CheckPlan.compile(event_contract(*event({"name": "x", **more})))
        for more in ({}, {"remedies": [{"standardise": "trim"}]})
    )
    assert (plain.remedied, plain.functions) == ((), {})
    assert not [name for name in plain.schema.names if name[:2] in {"o_", "r_"}]
    assert not re.search(r"\b[orn]\d+\b", plain.sql)
    # All that differs lies around the typed values, and in two columns of the result.
    columns = ", o3 AS o_x, coalesce(op <> 'delete' AND r0 AND v3 IS DISTINCT FROM o3, false) AS r_0"
    trimmed = f"trim(regexp_replace(v3, '{_SPACE}+', ' ', 'g'))"
    around = (
        f"SELECT * EXCLUDE (n0) REPLACE (n0 AS v3), n0 IS DISTINCT FROM v3 AS r0 FROM (SELECT *, ({trimmed})::VARCHAR AS n0"
        " FROM (SELECT *, v3 AS o3 FROM ("
    )
    assert (remedied.sql.count(columns), remedied.sql.count(around)) == (1, 1)
    without = remedied.sql.replace(columns, "").replace(around, "")
    assert len(without) - len(plain.sql) == len(")))")
    assert without.replace(")", "") == plain.sql.replace(")", "")


@pytest.mark.parametrize(
    ("remedy", "values"),
    [
        (
            {"standardise": "trim"},
            {"  a \t\n b ": "a b", "a": "a", " \u00a0\u2003 ": "", "a\u00a0b": "a b", "e\u0301 ": "e\u0301"},
        ),
        ({"standardise": "lower"}, {"ÄB": "äb", "İ": "i̇"[:1], "ß": "ß"}),
        ({"standardise": "upper"}, {"äb": "ÄB", "ß": "ß"}),
        (
            {"standardise": "email"},
            {" Ann.Lee@EXAMPLE.Com\n": "Ann.Lee@example.com", "no address": "no address", "a@b": "a@b", "a b@c.de": "a b@c.de"},
        ),
        ({"standardise": "email", "localPart": "lower"}, {"Ann@EXAMPLE.com": "ann@example.com"}),
        (
            {"standardise": "phone", "region": "PT"},
            {
                "912 345 678": "+351912345678",
                "+1 (202) 456-1111": "+12024561111",
                "00351 912345678": "+351912345678",
                "12": "12",
                "912 345 678 ext 5": "912 345 678 ext 5",
                "call me": "call me",
            },
        ),
        ({"standardise": "phone"}, {"+351 912 345 678": "+351912345678", "912 345 678": "912 345 678"}),
        (
            {"standardise": "country", "languages": ["de", "pt"]},
            {
                "us": "US", "USA": "US", "840": "US", "United States": "US", "Deutschland": "DE", "estados  unidos": "US",
                "Côte d\u2019Ivoire": "CI", "Cote d'Ivoire": "CI", "UK": "GB", "Narnia": "Narnia", "EU": "EU", "XK": "XK",
                "Congo": "Congo", "Türkiye": "TR", "turkey": "TR", "SUN": "SUN",
            },
        ),
        (
            {"standardise": "currency"},
            {"usd": "USD", "US dollars": "USD", "Euro": "EUR", "€": "EUR", "$": "$", "zł": "PLN", "kr": "kr", "dollar": "dollar"},
        ),
        (
            {"standardise": "time_zone"},
            {
                "europe/lisbon": "Europe/Lisbon", "W. Europe Standard Time": "Europe/Berlin", "utc": "UTC",
                "america/new york": "America/New_York", "nowhere": "nowhere",
            },
        ),
    ],
)  # fmt: skip
def test_standard_forms(made: Callable[..., list[Any]], remedy: dict[str, Any], values: dict[str, str]) -> None:
    assert dict(zip(values, made(list(values), remedy), strict=True)) == values
    assert made([None], remedy) == [None]


@pytest.mark.parametrize("form", ["trim", "lower", "upper", "email", "phone", "country", "currency", "time_zone"])
def test_hostile_values_neither_break_nor_become_something_else(event_contract: Make, check: Check, form: str) -> None:
    contract = event_contract(*event({"name": "x", "remedies": [{"standardise": form}]}))
    rows = check(contract, [payload(x=value) for value in HOSTILE])
    assert [row["reason"] for row in rows] == ["nul_character"] * 2 + [None] * (len(HOSTILE) - 2)
    expected: dict[str, Callable[[str], str]] = {"trim": str.strip, "upper": str.upper, "lower": str.lower}
    assert [row["f_x"] for row in rows] == [expected.get(form, str)(value) for value in HOSTILE]
    assert [row["o_x"] for row in rows] == HOSTILE


def test_remedies_are_done_in_order_and_each_is_marked(event_contract: Make, check: Check) -> None:
    contract = event_contract(*event({"name": "x", "remedies": [{"standardise": "trim"}, {"standardise": "upper"}]}))
    rows = check(contract, [payload(x=value) for value in (" a", "a", " A", "A")])
    assert [row["f_x"] for row in rows] == ["A"] * 4
    assert [(row["r_0"], row["r_1"]) for row in rows] == [(True, True), (False, True), (True, False), (False, False)]
    assert [one.effect for one in CheckPlan.compile(contract).remedied] == [RemedyEffect.STANDARDISED] * 2


@pytest.mark.parametrize(
    ("kind", "impute", "value"),
    [
        ("string", {"constant": "none"}, "none"),
        ("integer", {"constant": 3}, 3),
        ("number", {"constant": 2.5}, Decimal("2.5")),
        ("boolean", {"constant": False}, False),
        ("date", {"constant": "2026-02-01"}, "2026-02-01"),
        ("string", {"field": "event"}, "e"),
        ("string", {"expression": "customer || '-' || event"}, "c-e"),
        ("integer", {"expression": "length(event) * 4"}, 4),
        ("integer", {"expression": "length(event) * 0.5"}, None),
        ("number", {"expression": "CASE WHEN event = 'e' THEN 0.25 ELSE 1 END"}, Decimal("0.25")),
        ("date", {"expression": "CAST(at AS DATE)"}, "2026-01-15"),
        ("timestamp", {"field": "at"}, "2026-01-15 00:00:00+00:00"),
    ],
)
def test_a_missing_value_is_imputed(
    event_contract: Make, check: Check, kind: str, impute: dict[str, Any], value: Any
) -> None:
    contract = event_contract({"name": "x", "logicalType": kind, "pii": "identifier", "remedies": [{"impute": impute}]})
    [missing, null] = check(contract, [payload(), payload(x=None)])
    assert missing == {**null, "n": 0, "surplus": missing["surplus"]}
    found = missing["f_x"]
    assert (found if found is None or not isinstance(value, str) else str(found)) == value
    assert (missing["o_x"], missing["r_0"]) == (None, value is not None)


def test_what_cannot_be_read_is_a_defect_and_not_missing(event_contract: Make, check: Check) -> None:
    contract = event_contract({"name": "x", "logicalType": "integer", "remedies": [{"impute": {"constant": 1}}]})
    [row] = check(contract, [payload(x="many")])
    assert (row["reason"], row["field"], row["r_0"]) == ("wrong_type", "x", False)


def test_a_required_field_is_imputed_and_the_checks_see_the_value(event_contract: Make, check: Check) -> None:
    field = {"name": "x", "required": True, "enum": [{"value": "a"}], "remedies": [{"impute": {"field": "event"}}]}
    contract = event_contract(*event({**field, "pii": "identifier"}))
    rows = check(contract, [payload(event="a"), payload(event="b")])
    assert [(row["reason"], row["f_x"]) for row in rows] == [(None, "a"), ("not_allowed", "b")]


def test_nothing_is_made_up_for_a_patch_and_nothing_told_of_a_tombstone(state_contract: Make, check: Check) -> None:
    remedies = [{"standardise": "trim"}, {"impute": {"constant": "free"}}]
    contract = state_contract({"name": "plan", "remedies": remedies})
    rows = check(
        contract, [{"account": "a"}, {"account": "a"}, {"account": "a", "plan": " x"}], op=["patch", "delete", "patch"]
    )
    assert [(row["f_plan"], row["r_0"], row["r_1"]) for row in rows[::2]] == [(None, False, False), ("x", True, False)]
    assert (rows[1]["r_0"], rows[1]["r_1"]) == (False, False)


def test_numbers_are_clipped_or_flagged_by_segment(event_contract: Make, check: Check) -> None:
    bounds = {"by": "event", "bounds": {"a": [0, 5], "b": [None, 9]}, "min": 1, "max": 2}
    contract = event_contract(
        {"name": "x", "logicalType": "integer", "remedies": [{"clip": bounds}]},
        {"name": "y", "logicalType": "number", "remedies": [{"flag": {"max": 0.5}}]},
    )
    cases = [
        ("a", 7, 5),
        ("a", -1, 0),
        ("a", 3, 3),
        ("b", 10, 9),
        ("b", -(2**62), -(2**62)),
        ("c", 0, 1),
        ("c", 3, 2),
        ("c", None, None),
    ]
    rows = check(contract, [payload(event=name, x=value, y=value) for name, value, _ in cases])
    assert [row["f_x"] for row in rows] == [clipped for _, _, clipped in cases]
    assert [row["r_0"] for row in rows] == [value != clipped for _, value, clipped in cases]
    assert [row["f_y"] for row in rows] == [value for _, value, _ in cases]
    assert [row["r_1"] for row in rows] == [value is not None and value > 0.5 for _, value, _ in cases]


def _enriched(event_text: Callable[..., str], *fields: Mapping[str, Any], table: str = PLANS) -> Contract:
    text = event_text({"name": "plan", "logicalType": "string", "remedies": [{"standardise": "lower"}]}, *fields)
    return read_contract(with_reference_tables(text, "t", lambda _: table), "t")


def _from_table(name: str, kind: str, column: str) -> dict[str, Any]:
    return {
        "name": name,
        "logicalType": kind,
        "remedies": [{"enrich": {"table": "plans", "key": "plan", "column": column}}],
    }


def test_a_reference_table_fills_what_is_missing(event_text: Callable[..., str], check: Check) -> None:
    fields = (
        _from_table("seats", "integer", "seats"),
        _from_table("active", "boolean", "active"),
        _from_table("label", "string", "label"),
    )
    contract = _enriched(event_text, *fields)
    rows = check(
        contract, [payload(plan=plan) for plan in ("FREE", "pro", "gold", None)] + [payload(plan="free", seats=1)]
    )
    assert [row["f_seats"] for row in rows] == [5, 50, None, None, 1]
    assert [row["f_active"] for row in rows] == [True, False, None, None, True]
    assert [row["f_label"] for row in rows] == ["Fü", None, None, None, "Fü"]
    # The text holds the table: it is read without any file, and another table is another version.
    assert read_contract(contract.text, "t") == contract
    assert _enriched(event_text, *fields, table=PLANS.replace("50", "51")).fingerprint != contract.fingerprint


def test_what_functions_give_is_whole_in_batches_of_any_length(event_text: Callable[..., str], check: Check) -> None:
    labels = {f"p{n}": f"the label of plan number {n}, which is long enough to lie by itself" for n in range(500)}
    table = "plan,label\n" + "".join(f'{plan},"{label}"\n' for plan, label in labels.items())
    phone = {"name": "phone", "logicalType": "string", "remedies": [{"standardise": "phone", "region": "PT"}]}
    contract = _enriched(event_text, _from_table("label", "string", "label"), phone, table=table)
    plans = [f"P{n % 600}" for n in range(20_000)]
    rows = check(contract, [payload(plan=plan, phone=f"9123 {n % 10_000:05d}") for n, plan in enumerate(plans)])
    assert [row["f_label"] for row in rows] == [labels.get(plan.lower()) for plan in plans]
    assert [row["f_phone"] for row in rows] == [f"+3519123{n % 10_000:05d}" for n in range(20_000)]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("plan,seats\n", "holds no rows"),
        ("plan,seats\nfree\n", r"plans.csv:2: has 1 values and 2 columns"),
        ("plan,seats\nfree,1\nfree,2\n", r"plans.csv:3: 'free' is there twice"),
        ("plan,seats\nfree,many\n", r"plans.csv:2: seats: 'many' is no integer"),
        ("plan,seat\nfree,1\n", "has no column 'seats'.*seat"),
        ("Plan,seats\nfree,1\n", "'Plan' is no name of a column"),
        ("plan,seats\nfr\0ee,1\n", "NUL"),
        ('plan,seats\n"free,1\n', "is no CSV"),
        ("plan,seats\n" + "".join(f"p{n},1\n" for n in range(10_001)), "has 10,001 rows"),
        ("plan,seats\n" + "".join(f"{'p' * 200}{n},1\n" for n in range(6_000)), "have 1,2[0-9,]* bytes"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_with_its_line(
    event_text: Callable[..., str], table: str, told: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _enriched(event_text, _from_table("seats", "integer", "seats"), table=table)
    assert re.search(told, f"{raised.value} {raised.value.hint}")


def test_fields_see_one_another_with_their_remedies_done(event_contract: Make, check: Check) -> None:
    # Declared the other way round: what counts is who looks at whom.
    contract = event_contract(
        *event(
            {"name": "phone", "remedies": [{"standardise": "phone", "regionFrom": "country"}]},
            {"name": "country", "remedies": [{"impute": {"field": "home"}}, {"standardise": "country"}]},
            {"name": "home", "remedies": [{"standardise": "trim"}]},
        )
    )
    [row] = check(contract, [payload(phone="912 345 678", home=" Portugal ")])
    assert (row["f_phone"], row["f_country"], row["f_home"]) == ("+351912345678", "PT", "Portugal")


TRIM = {"standardise": "trim"}


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ({"remedies": "trim"}, "no list of remedies"),
        ({"remedies": []}, "no list of remedies"),
        ({"remedies": [TRIM] * 21}, "no list of remedies"),
        ({"remedies": [{"standardize": "trim"}]}, "no remedy.*standardise"),
        ({"remedies": [{"standardise": "emial"}]}, "'emial'.*email"),
        ({"remedies": [{"standardise": "trim", "region": "PT"}]}, "'region' is unknown"),
        ({"remedies": [{"standardise": "phone", "region": "Portugal"}]}, "`region` is 'Portugal'"),
        ({"remedies": [{"standardise": "phone", "regionFrom": "evnt"}]}, "'evnt', which is no field.*event"),
        ({"remedies": [{"standardise": "phone", "region": "PT", "regionFrom": "event"}]}, "both there"),
        ({"remedies": [{"standardise": "country", "languages": ["klingon"]}]}, "'klingon' is no language"),
        ({"remedies": [{"standardise": "email", "localPart": "upper"}]}, "`localPart` is 'upper'"),
        ({"remedies": [TRIM, TRIM]}, "'standardise.trim' is there twice"),
        ({"logicalType": "integer", "remedies": [TRIM]}, "`standardise` is not for a field of type integer"),
        ({"remedies": [{"clip": {"max": 1}}]}, "`clip` is not for a field of type string"),
        ({"logicalType": "object", "remedies": [{"impute": {"field": "event"}}]}, "not for a field of type object"),
        ({"remedies": [{"impute": "x"}]}, "`impute` is 'x'"),
        ({"remedies": [{"impute": {"constant": "a", "field": "event"}}]}, "2 values"),
        ({"remedies": [{"impute": {"constant": 5}}]}, "5 is no string"),
        ({"remedies": [{"impute": {"constant": "b"}}], "enum": [{"value": "a"}]}, "none of the allowed values"),
        ({"logicalType": "timestamp", "remedies": [{"impute": {"constant": "2026-01-01"}}]}, "every record one time"),
        ({"remedies": [{"impute": {"field": "at"}}]}, "is timestamp and not string"),
        ({"remedies": [{"impute": {"field": "x"}}]}, "looks at the field that it is of"),
        ({"remedies": [{"impute": {"expression": "x || 'a'"}}]}, "looks at the field that it is of"),
        ({"remedies": [{"impute": {"expression": "length(event)"}}]}, "is integer, and the field string"),
        ({"remedies": [{"impute": {"expression": "now()"}}]}, "'now' is not allowed"),
        ({"remedies": [{"impute": {"expression": "NULL"}}]}, "never a value"),
        ({"remedies": [{"impute": {"field": "customer"}}]}, "out of 'customer', which is identifier"),
        ({"logicalType": "integer", "remedies": [{"clip": {}}]}, "no bounds"),
        ({"logicalType": "integer", "remedies": [{"clip": {"min": 2, "max": 1}}]}, "2 is above 1"),
        ({"logicalType": "integer", "remedies": [{"clip": {"max": 1.5}}]}, "1.5 is no bound"),
        ({"logicalType": "integer", "remedies": [{"flag": {"max": 2**64 - 1}}]}, "18446744073709551615 is no bound"),
        ({"logicalType": "integer", "remedies": [{"clip": {"min": -(2**63) - 1}}]}, "is no bound"),
        (
            {"logicalType": "integer", "remedies": [{"clip": {"by": "customer", "bounds": {"a": [0, 5]}}}]},
            "lies in clear",
        ),
        ({"logicalType": "integer", "remedies": [{"clip": {"most": 1}}]}, "'most' is unknown"),
        ({"logicalType": "integer", "remedies": [{"clip": {"by": "event"}}]}, "one of `by` and `bounds`"),
        ({"logicalType": "integer", "remedies": [{"clip": {"by": "event", "bounds": {"a": 5}}}]}, "\\[least, most\\]"),
        ({"remedies": [{"enrich": {"table": "plans", "key": "event", "column": "c"}}]}, "no such table"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(event_contract: Make, field: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        event_contract(*event({"name": "x", **field}))
    error = raised.value
    assert re.search(told, f"{error} {error.hint}"), error
    assert "schema[0].properties[3].customProperties" in str(error)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ({"name": "customer", "remedies": [TRIM]}, "'customer' identifies, and cannot have `remedies`"),
        ({"name": "at", "remedies": [{"impute": {"expression": "at"}}]}, "looks at the field that it is of"),
        ({"name": "at", "remedies": [{"impute": {"field": "then"}}]}, "`occurredAt`, and cannot have `remedies`"),
    ],
)
def test_what_identifies_or_orders_cannot_be_remedied(event_contract: Make, field: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        event_contract(field, {"name": "then", "logicalType": "timestamp"})


def test_a_circle_is_told(event_contract: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"looks at.*: a circle"):
        event_contract(
            *event(
                {"name": "x", "remedies": [{"impute": {"field": "y"}}]},
                {"name": "y", "remedies": [{"impute": {"field": "x"}}]},
            )
        )


def test_remedies_are_shown_and_compared(event_contract: Make) -> None:
    field = {"name": "x", "required": True, "maxLength": None}
    plain = event_contract(*event(field))
    remedied = event_contract(*event({**field, "remedies": [TRIM, {"impute": {"constant": "a"}}]}))
    assert described(remedied)["fields"][3]["remedies"] == [
        {"remedy": "standardise.trim"},
        {"remedy": "impute", "constant": "a"},
    ]
    [change] = compare_contracts(plain, remedied)
    assert (change.code, change.breaking, change.fields) == ("remedies_changed", True, ("x",))
    assert change.message == "'x': remedies were none and are standardise.trim, impute"
    assert "x" in json_schema(plain)["required"]
    assert "x" not in json_schema(remedied)["required"]


def test_numbers_of_a_reference_table_are_exact(event_text: Callable[..., str], check: Check) -> None:
    field = {
        "name": "x",
        "logicalType": "number",
        "remedies": [{"enrich": {"table": "t", "key": "event", "column": "v"}}],
    }
    text = with_reference_tables(event_text(*event(field)), "c.yaml", lambda _: "event,v\ne,12345678901234567.125\n")
    [row] = check(read_contract(text, "c.yaml"), [payload()])
    assert row["f_x"] == Decimal("12345678901234567.125")


def test_of_a_value_that_is_let_go_nothing_is_told(event_contract: Make, check: Check) -> None:
    contract = event_contract(
        *event(
            {"name": "x", "enum": [{"value": "a"}], "remedies": [TRIM, {"impute": {"field": "event"}}]},
            {"name": "n", "logicalType": "integer", "enum": [{"value": 1}], "remedies": [{"flag": {"max": 5}}]},
        ),
        schemaChange={"enum_growth": "discard_value"},
    )
    rows = check(contract, [payload(x=" a ", n=1), payload(x=" gold ", n=9), payload()])
    assert [(row["reason"], row["f_x"], row["f_n"]) for row in rows] == [
        (None, "a", 1),
        (None, None, None),
        (None, None, None),
    ]
    assert [[row[f"r_{n}"] for n in range(3)] for row in rows] == [[True, False, False], [False] * 3, [False] * 3]
