"""What a condition may say."""

from __future__ import annotations

import pytest

from mainstem.errors import ConfigurationError
from mainstem.metrics.expression import compile_condition

COLUMNS = {
    "event": "text",
    "object": "text",
    "quantity": "number",
    "occurred_at": "timestamp",
    "person": "reference",
    "properties": "object",
}


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
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert compile_condition(text, COLUMNS, where="metric")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evnt = 'x'", "line 1, column 1: there is no column 'evnt'. Did you mean 'event'?"),
        ("event = 'x'\n  AND evnt = 'y'", "line 2, column 7: there is no column 'evnt'"),
        ("other.event = 'x'", "no column 'other.event'"),
        ("event =", "cannot be read at line 1, column 7"),
        ("event", "neither true nor false"),
        ("event = 'x'; DROP TABLE cell", "is not allowed"),
        ("event IN (SELECT event FROM cell)", "IN takes a list. Subqueries are not allowed."),
        ("EXISTS (SELECT 1)", "is not allowed"),
        ("read_csv('/etc/passwd') = 'x'", "the function 'read_csv' is not allowed"),
        ("getenv('HOME') = 'x'", "the function 'getenv' is not allowed"),
        ("uper(event) = 'X'", "Did you mean 'upper'?"),
        ("CAST(event AS int) = 1", "'cast' is not allowed"),
        ("CASE WHEN event = 'a' THEN true END", "'case' is not allowed"),
        ("event || 'x' = 'y'", "'DPipe' is not allowed"),
        ("event = $1", "'Placeholder' is not allowed"),
        ("event LIKE object", "pattern of LIKE is not a literal"),
        ("event IS true", "IS takes NULL"),
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
