"""Metrics as they are declared."""

from __future__ import annotations

import pytest

from mainstem.contracts.duck import connect
from mainstem.errors import ConfigurationError
from mainstem.metrics import Bucket, Measure, attributes_used, builtin_metrics, read_metric

GOOD = "name: logins\nentity: usage_event\nmeasure: count\nbucket: hour\n"


def test_a_metric_is_read() -> None:
    metric = read_metric(GOOD + "where: event = 'login'\nunit: logins\nrollup: false\n")
    assert metric.name == "logins"
    assert metric.measure is Measure.COUNT
    assert metric.bucket is Bucket.HOUR
    assert metric.condition == "(event = 'login')"
    assert metric.label == "Logins"
    assert not metric.rollup
    assert [grain.value for grain in metric.grains()] == ["hour", "day"]


def test_a_metric_may_leave_out_what_rests_on_imputed_values() -> None:
    amount = GOOD.replace("count", "sum") + "value: quantity\nwhere: event = 'sale'\nimputed: ignore\n"
    metric = read_metric(amount)
    left_out = metric.left_out()
    assert left_out is not None
    assert (left_out.name, left_out.measure, left_out.value, left_out.rollup) == (
        "logins.imputed",
        "count",
        None,
        False,
    )
    rows = [(["quantity"], 1), (["event"], 1), (["object"], 1), (None, 1), (None, None), (["event"], None)]
    told = ", ".join(
        f"({imputed or 'NULL'}::VARCHAR[], {quantity or 'NULL'}::DECIMAL(38, 9), 'sale')" for imputed, quantity in rows
    )
    with connect() as connection:
        found = [
            connection.execute(
                f"SELECT coalesce(({one.condition}), false) FROM (VALUES {told}) AS t(imputed, quantity, event)"
            ).fetchall()
            for one in (metric, left_out)
        ]
    assert [[one for (one,) in column] for column in found] == [
        [False, False, True, True, True, False],
        [True, True, False, False, False, False],
    ]
    # Another meaning needs another name; and a count of every event rests on nothing that can be imputed.
    assert metric.meaning() != read_metric(amount.replace("ignore", "count")).meaning()
    assert read_metric(GOOD + "imputed: ignore\n").left_out() is None


def test_those_built_in() -> None:
    assert [metric.name for metric in builtin_metrics()] == [
        "active_people",
        "events",
        "milestones",
        "objects",
        "quantity",
    ]
    assert all(metric.description and metric.unit for metric in builtin_metrics())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "were: event = 'x'\n", "metric: 'were' is not known here. Did you mean 'where'?"),
        (GOOD.replace("name: logins\n", ""), "metric: 'name' is missing."),
        (GOOD.replace("logins", "Log Ins"), "metric: name: 'Log Ins' cannot be a metric's name."),
        (
            GOOD.replace("usage_event", "usage_events"),
            "metric: entity: 'usage_events' is not known here. Did you mean 'usage_event'?",
        ),
        (GOOD.replace("usage_event", "customer"), "Known are: engagement, milestone, revenue_transaction,"),
        (GOOD.replace("count", "cuont"), "Did you mean 'count'?"),
        (GOOD.replace("hour", "minute"), "Known are: day, hour."),
        (GOOD + "value: quantity\n", "A count counts events and takes no value."),
        (GOOD.replace("count", "sum"), "The measure sum needs a `value`."),
        (GOOD.replace("count", "sum") + "value: quantty\n", "Did you mean 'quantity'?"),
        (GOOD.replace("count", "sum") + "value: object\n", "'object' is no number"),
        (GOOD.replace("count", "distinct") + "value: customer\n", "'customer' cannot be measured"),
        (GOOD + "rollup: 1\n", "metric: rollup: True or false is expected here."),
        (GOOD + "name: again\n", "'name' is there twice"),
        (GOOD + "unit: &a x\nlabel: *a\n", "aliases are not allowed"),
        (GOOD + "where: evnt = 'x'\n", "metric: where: In the condition, at line 1, column 1: there is no column"),
        ("- name: x\n", "A mapping of names to values is expected."),
        ("name: [\n", "not the YAML expected at line 2, column 1"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_metric(text)
    assert message in str(refusal.value)


def test_an_entity_calls_the_shape_of_events_by_its_own_words() -> None:
    text = "name: refunds\nentity: revenue_transaction\nmeasure: sum\nvalue: amount\nbucket: day\nwhere: "
    metric = read_metric(f"{text}kind = 'refund' AND currency = 'EUR' AND tax > 1\n")
    assert metric.value == "quantity"
    assert attributes_used(metric) == {
        "customer_id": "cells", "occurred_at": "buckets", "kind": "where", "currency": "where", "tax": "where", "amount": "value",
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="amounts of several currencies make no sum"):
        read_metric(f"{text}kind = 'refund'\n")


def test_attributes_beside_the_shape_are_looked_up_in_the_properties() -> None:
    metric = read_metric(
        "name: clicks\nentity: engagement\nmeasure: count\nbucket: day\nwhere: event = 'clicked' AND channel = 'email'\n"
    )
    with connect() as connection:
        query = f"SELECT {metric.condition} FROM (SELECT 'clicked' AS event, ? AS properties)"
        assert [
            connection.execute(query, [text]).fetchall()
            for text in ('{"channel":"email"}', '{"channel":"sms"}', "{}", None)
        ] == [[(True,)], [(False,)], [(None,)], [(None,)]]
