"""What a condition may say."""

from __future__ import annotations

import pytest

from mainstem.contracts import Column, Kind, compile_condition
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
        ("(" * 5000 + "event = 'a'", "longer than"),
        ("", "cannot be read"),
    ],
)
def test_what_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        compile_condition(text, COLUMNS, where="metrics/x.yaml: where")
    assert str(refusal.value).startswith("metrics/x.yaml: where: ")
    assert message in str(refusal.value)
