"""What a condition may say."""

from __future__ import annotations

import pytest

from mainstem.contracts import Column, Kind, compile_condition
from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError

KINDS = {
    "event": Kind.TEXT,
    "object": Kind.TEXT,
    "quantity": Kind.NUMBER,
    "count": Kind.INTEGER,
    "good": Kind.BOOLEAN,
    "occurred_at": Kind.TIMESTAMP,
    "day": Kind.DATE,
    "person": Kind.REFERENCE,
    "properties": Kind.OBJECT,
}
COLUMNS = {name: Column(kind, name, name) for name, kind in KINDS.items()}


@pytest.mark.parametrize(
    "text",
    [
        "event = 'login'",
        "lower(event) LIKE 'log%' AND NOT (quantity <= -1.5 OR quantity IS NULL)",
        "object IN ('a', 'b') OR object NOT IN ('c')",
        "abs(quantity) BETWEEN 1 AND 29",
        "coalesce(object, '') <> ''",
        "person IS NOT NULL AND properties IS NULL",
        "json_extract_string(properties, '$.plan.name') = 'pro'",
        "occurred_at >= '2024-01-01'",
        "event = 'a' -- and this is a remark",
        " AND ".join(["quantity > 1"] * 90),
        "CASE WHEN event = 'refund' THEN quantity <= 0 ELSE quantity >= 0 END",
        "good AND NOT good IS FALSE",
        "count = quantity AND count % 2 = 0",
        "event || object <> 'ab' AND event NOT LIKE 'a%'",
        "date_diff('day', day, occurred_at) <= 30",
        "CAST(occurred_at AS DATE) >= day AND occurred_at >= day",
        "quantity * 1.2 - count + 3 IS DISTINCT FROM 5",
        r"regexp_matches(event, '^(?:[A-Z]{2}\d+|x\.y)$')",
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert compile_condition(text, COLUMNS, where="metric").columns <= set(COLUMNS)


def test_the_columns_it_names_are_told() -> None:
    assert compile_condition("event = 'a' OR person IS NULL", COLUMNS, where="x").columns == {"event", "person"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evnt = 'x'", "line 1, column 1: there is no column 'evnt'. Did you mean 'event'?"),
        ("event = 'x'\n  AND evnt = 'y'", "line 2, column 7: there is no column 'evnt'"),
        ("other.event = 'x'", "no column 'other.event'"),
        ("event =", "cannot be read at line 1, column 7"),
        ("event", "neither true nor false"),
        ("event = 'x'; DROP TABLE cell", "line 1, column 25: a second statement is not allowed"),
        ("event IN (SELECT event FROM cell)", "IN takes a list. Subqueries are not allowed."),
        ("EXISTS (SELECT 1)", "a subquery is not allowed"),
        ("quantity = (SELECT 1)", "a subquery is not allowed"),
        ("sum(quantity) OVER () > 1", "line 1, column 1: a window over other rows is not allowed"),
        ("quantity / 2 > 1", "a division is not allowed. Multiply the other side instead"),
        ("now() > occurred_at", "the function 'now' is not allowed"),
        ("current_date > day", "no column 'current_date'"),
        ("occurred_at > occurred_at - INTERVAL 1 DAY", "an interval is not allowed. Compare the result of date_diff"),
        ("list_filter(event, x -> x > 1)", "the function 'list_filter' is not allowed"),
        ("date_diff('dya', day, occurred_at) > 1", "the unit of date_diff is none. Did you mean 'day'?"),
        ("regexp_matches(event, '(?i)a')", "at character 1, of groups only"),
        ("regexp_matches(event, 'a**')", "nothing is there for '*' to repeat"),
        ("regexp_matches(event, object)", "is not a literal"),
        ("substring(event, 0) = 'a'", "the first character is at place 1"),
        ("round(quantity, 10) = 1", "Write a whole number up to 9."),
        ("length(event, event) = 1", "2 arguments are given. Write length(text)."),
        ("read_csv('/etc/passwd') = 'x'", "the function 'read_csv' is not allowed"),
        ("getenv('HOME') = 'x'", "the function 'getenv' is not allowed"),
        ("uper(event) = 'X'", "Did you mean 'upper'?"),
        ("CAST(event AS int) = 1", "a cast is not allowed"),
        ("CASE WHEN event = 'a' THEN 1 ELSE 'b' END = 1", "number is compared with text"),
        ("event = $1", "a parameter is not allowed"),
        ("event = ?", "a parameter is not allowed"),
        ("event LIKE object", "pattern of LIKE is not a literal"),
        ("event IS true", "this is text where boolean is expected"),
        ("quantity > 'abc'", "number is compared with text"),
        ("lower(event) > 5", "number is compared with text"),
        ("coalesce(object, 1) = 1", "number is compared with text"),
        ("occurred_at > 'yesterday'", "text is compared with timestamp"),
        ("abs(event) > 1", "this is text where number is expected"),
        ("NOT quantity", "this is number where boolean is expected"),
        ("quantity = 1e400", "the number 1e400 is out of range"),
        ("person = 'x'", "'person' is a reference. It can only be tested"),
        ("properties = 'x'", "'properties' is an object. Look into it: json_extract_string(properties, '$.key')."),
        ("json_extract_string(object, '$.a') = 'x'", "looks into an object only. Known are: properties."),
        ("json_extract_string(properties, '$[*]') = 'x'", "not a literal like '$.plan.name'"),
        ("json_extract_string(properties, event) = 'x'", "not a literal like '$.plan.name'"),
        ("NOT " * 300 + "event = 'a'", "nested too deeply"),
        ("(" * 26 + "event = 'a'" + ")" * 26, "nested too deeply"),
        ("(" * 1900 + "event = 'a'" + ")" * 1900, "nested too deeply"),
        ("CASE WHEN true THEN " * 26 + "true" + " END" * 26, "nested too deeply"),
        ("quantity" + "+1" * 1900 + " = 1", "too long a row of operators"),
        ("event" + "||event" * 9 + " = 'a'", "line 1, column 1: || is there more than 8 times"),
        (
            "lower(event || event || event) = event || event || event || event || event || event || event || event",
            "more than 8",
        ),
        ("properties ->> event = 'x'", "not a literal like '$.plan.name'"),
        ("properties ->> '$[0]' = 'x'", "not a literal like '$.plan.name'"),
        ("properties ->> '$.plan name' = 'x'", "not a literal like '$.plan.name'"),
        ("event ->> 'a' = 'x'", "looks into an object only. Known are: properties."),
        ("json_extract_path_text(properties, 'a', 'b') = 'x'", "Write json_extract_string(object, path)."),
        ("(" * 5000 + "event = 'a'", "longer than"),
        ("", "cannot be read"),
    ],
)
def test_what_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        compile_condition(text, COLUMNS, where="metrics/x.yaml: where")
    assert str(refusal.value).startswith("metrics/x.yaml: where: ")
    assert message in str(refusal.value)


@pytest.mark.parametrize("word", ["AND", "OR"])
def test_a_long_row_of_conditions_is_not_deep(word: str) -> None:
    terms = ["event = 'a'"] * 200
    condition = compile_condition(f" {word} ".join(terms), COLUMNS, where="rule")
    assert condition.duckdb == "(" + f" {word} ".join(["(event = 'a')"] * 200) + ")"
    mixed = compile_condition(" AND ".join(["(event = 'a' OR object = 'b')"] * 100), COLUMNS, where="rule")
    with connect() as connection:
        asked = f"SELECT {condition.duckdb}, {mixed.duckdb} FROM (SELECT 'a' AS event, 'c' AS object)"
        assert connection.execute(asked).fetchall() == [(True, True)]


def test_a_reader_deep_in_the_stack_says_the_same() -> None:
    nested = "(" * 25 + "event = 'a'" + ")" * 25

    def deep(frames: int, text: str) -> str:
        return deep(frames - 1, text) if frames else compile_condition(text, COLUMNS, where="rule").duckdb

    assert deep(0, nested) == deep(200, nested) == "(event = 'a')"
    # Where even Python's own stack is nearly full it is an error of ours all the same.
    for frames in (700, 900):
        with pytest.raises(ConfigurationError, match="nested too deeply"):
            deep(frames, nested)
