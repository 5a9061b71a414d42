"""What a field may refer to, as a contract says it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from mainstem.contracts import Parent, compare_contracts, described, read_contract
from mainstem.errors import ConfigurationError

Text = Callable[..., str]
WAIT = [{"property": "wait", "value": "2d"}]


def field(*relationships: Any, kind: str = "string") -> dict[str, Any]:
    return {"name": "ticket", "logicalType": kind, "relationships": list(relationships)}


def test_a_foreign_key_waits_an_hour_or_as_long_as_it_says(event_text: Text) -> None:
    text = event_text(field({"to": "tickets.id"}), {**field({"type": "foreignKey", "to": "orders.nr", "customProperties": WAIT}, kind="integer"), "name": "order"})  # fmt: skip
    contract = read_contract(text, "c.yaml")
    assert contract.fields["ticket"].parent == Parent("tickets", "id", dt.timedelta(hours=1))
    assert contract.fields["order"].parent == Parent("orders", "nr", dt.timedelta(days=2))
    assert contract.fields["ticket"].foreign_key == "ticket.foreignKey"
    told = {one["name"]: one["refers_to"] for one in described(contract)["fields"]}
    assert told["ticket"] == {"stream": "tickets", "field": "id", "wait_seconds": 3600.0}
    assert told["event"] is None


@pytest.mark.parametrize(
    ("given", "where", "says"),
    [
        (field(), "relationships", "holds 0"),
        (field({"to": "a.b"}, {"to": "c.d"}), "relationships", "holds 2"),
        (field({"to": "a"}), "relationships[0].to", "'a' is no field of a stream"),
        (field({"to": "a.b.c"}), "relationships[0].to", "no field of a stream"),
        (field({"to": ["a.b"]}), "relationships[0].to", "no field of a stream"),
        (field({}), "relationships[0].to", "None is no field of a stream"),
        (field({"to": "a.b", "type": "composition"}), "relationships[0].type", "is 'composition'"),
        (field({"to": "a.b", "from": "c.d"}), "relationships[0].from", "no effect"),
        (field({"to": "a.b"}, kind="number"), "relationships[0]", "a field of type number"),
        (
            field({"to": "a.b", "customProperties": [{"property": "wiat", "value": "1h"}]}),
            "relationships[0].customProperties[0]",
            "'wiat' is unknown",
        ),
        (
            field({"to": "a.b", "customProperties": [{"property": "wait", "value": 5}]}),
            "relationships[0].customProperties[0].value (wait)",
            "no span of time",
        ),
    ],
)
def test_what_would_not_be_checked_is_an_error(event_text: Text, given: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as error:
        read_contract(event_text(given), "c.yaml")
    assert f"c.yaml: schema[0].properties[3].{where}" in str(error.value)


def test_relationships_of_the_whole_stream_are_an_error(event_text: Text) -> None:
    text = event_text().replace("- name: things", "- name: things\n  relationships: [{from: a.b, to: c.d}]")
    with pytest.raises(ConfigurationError, match="not read here"):
        read_contract(text, "c.yaml")


def test_who_refers_from_now_on_or_to_something_else_breaks_a_contract(event_text: Text) -> None:
    without = read_contract(event_text({"name": "ticket", "logicalType": "string"}), "c.yaml")
    given = read_contract(event_text(field({"to": "tickets.id"})), "c.yaml")
    patient = read_contract(event_text(field({"to": "tickets.id", "customProperties": WAIT})), "c.yaml")
    other = read_contract(event_text(field({"to": "cases.id"})), "c.yaml")

    def breaking(old: Any, new: Any) -> list[bool]:
        return [change.breaking for change in compare_contracts(old, new)]

    assert (breaking(without, given), breaking(given, other)) == ([True], [True])
    assert (breaking(given, without), breaking(given, patient)) == ([False], [False])
