"""Metrics over states as they are declared."""

from __future__ import annotations

import pytest

from mainstem.errors import ConfigurationError
from mainstem.metrics import Gauge, Metric, attributes_used, read_declared

OPEN = "name: open_tickets\nentity: ticket\nmeasure: count\n"
REVENUE = "name: mrr\nentity: subscription\nmeasure: sum\nvalue: monthly_amount\n"


def _read(text: str) -> Gauge:
    gauge = read_declared(text)
    assert isinstance(gauge, Gauge)
    return gauge


def test_a_metric_over_a_state_is_a_gauge() -> None:
    gauge = _read(OPEN + "where: status IN ('new', 'open') AND escalated\nunit: tickets\n")
    assert (gauge.name, gauge.label, gauge.unit, gauge.value, gauge.amount) == (
        "open_tickets", "Open tickets", "tickets", None, None,
    )  # fmt: skip
    assert attributes_used(gauge) == {"customer_id": "cells", "status": "where", "escalated": "where"}
    assert isinstance(read_declared(OPEN.replace("ticket\n", "usage_event\n") + "bucket: day\n"), Metric)


def test_a_sum_of_money_says_in_which_currency() -> None:
    gauge = _read(REVENUE + "where: status IN ('active', 'past_due') AND currency = 'EUR'\n")
    assert attributes_used(gauge)["monthly_amount"] == "value"
    assert gauge.meaning() == _read(gauge.text).meaning()
    with pytest.raises(ConfigurationError, match="amounts of several currencies make no sum"):
        read_declared(REVENUE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OPEN.replace("ticket\n", "tickt\n"), "Did you mean 'ticket'?"),
        (OPEN.replace("ticket\n", "benchmark\n"), "'benchmark' is not known here."),
        (OPEN.replace("count", "max"), "Known are: count, sum."),
        (OPEN + "bucket: hour\n", "Known are: day."),
        (OPEN + "value: replies\n", "A count counts each ticket and takes no value."),
        (OPEN + "imputed: ignore\n", "imputed: A gauge is over what entities are, imputed or not"),
        (OPEN + "rollup: false\n", "'rollup' is not known here."),
        (OPEN.replace("count", "sum"), "The measure sum needs a `value`."),
        (OPEN.replace("count", "sum") + "value: replys\n", "Did you mean 'replies'?"),
        (OPEN.replace("count", "sum") + "value: subject\n", "'subject' is no number of the entity ticket."),
        (OPEN + "where: statsu = 'open'\n", "there is no column"),
        (OPEN + "where: person_id IS NULL\n", "there is no column"),
        (OPEN + "where: replies = 'two'\n", "where:"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_declared(text)
    assert message in str(refusal.value)


def test_attributes_of_ones_own_are_looked_into() -> None:
    gauge = _read(OPEN + "where: attributes ->> '$.brand' = 'b1' AND created_at >= '2026-01-01'\n")
    assert "#>>" in str(gauge.condition)
    assert attributes_used(gauge)["created_at"] == "where"
