"""What an agreement may say, and what is said of one that says something else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from mainstem.contracts import Contract, read_contract
from mainstem.errors import ConfigurationError
from mainstem.quality.agreements import Truth, Way, check_agreement, read_agreement

TEXT = """
name: both
left: {source: crm, stream: accounts}
right: {source: billing, stream: customers}
match: {left: key, right: crm_id}
compare:
  - {left: plan, right: plan}
  - {left: seats, right: seats, as: number, tolerance: 0.5}
"""
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: one
version: 1.0.0
customProperties: [{property: source, value: SOURCE}]
schema:
  - name: STREAM
    customProperties:
      - {property: partitionKey, value: id}
      - property: mapping
        value: {entity: customer, attributes: {customer_id: id, plan: plan, seats: seats, crm_id: other, since: since, started_at: at, whole: whole}}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: plan, logicalType: string}
      - {name: seats, logicalType: integer}
      - {name: other, logicalType: string}
      - {name: since, logicalType: date}
      - {name: at, logicalType: timestamp}
      - {name: whole, logicalType: object}
"""


class Known:
    """Both streams."""

    def __init__(self) -> None:
        names = [("crm", "accounts"), ("billing", "customers")]
        self._read = {
            (source, stream): read_contract(CONTRACT.replace("SOURCE", source).replace("STREAM", stream), "contract")
            for source, stream in names
        }

    def active(self, source: str, stream: str) -> Contract | None:
        return self._read.get((source, stream))

    def versions(self, source: str, stream: str) -> list[Contract]:
        found = self.active(source, stream)
        return [] if found is None else [found]

    def streams(self) -> list[tuple[str, str]]:
        return sorted(self._read)


def test_what_is_said_is_read() -> None:
    found = read_agreement(TEXT + "truth: right\nsettle: 2h\nseverity: warn\n")
    assert (found.truth, found.settle, found.label) == (Truth.RIGHT, dt.timedelta(hours=2), "Both")
    plan, seats = found.comparisons
    assert (plan.way, plan.tolerance, plan.relative) == (Way.EXACT, Decimal(0), False)
    assert (seats.way, seats.tolerance, seats.relative) == (Way.NUMBER, Decimal("0.5"), False)
    assert check_agreement(found, Known())[0].stream == "accounts"
    none = read_agreement(TEXT.replace("tolerance: 0.5", "tolerance: 0%")).comparisons[1]
    assert (none.tolerance, none.relative) == (Decimal(0), False)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: both", "name: Both!", "cannot be a name"),
        ("compare:", "compares: []\ncompare:", "'compares' is not known"),
        ("right: plan}", "rigth: plan}", "Did you mean 'right'"),
        ("as: number, tolerance", "as: numbr, tolerance", "Did you mean 'number'"),
        ("tolerance: 0.5", "tolerance: 120%", "is no tolerance"),
        ("tolerance: 0.5", "tolerance: -1", "no less than 0"),
        ("tolerance: 0.5", "tolerance: 0.0000000001", "nine decimal places"),
        ("as: number, tolerance: 0.5", "tolerance: 0.5", "Only numbers and times"),
        ("as: number, tolerance: 0.5", "as: time, tolerance: 5", "Text is expected"),
        ("as: number, tolerance: 0.5", "as: time, tolerance: 5 hours", "span of time"),
        ("as: number, tolerance: 0.5", "as: number, values: {a: b}", "stand for others only"),
        ("right: plan}", "right: plan, values: {}}", "1 to 1,000 values"),
        ("left: seats", "left: plan", "'plan' of the left is compared twice"),
        ("source: billing, stream: customers", "source: crm, stream: accounts", "always agrees with itself"),
        ("match: {left: key, right: crm_id}\n", "", "'match' is missing"),
        ("match: {left: key,", "match: {", "'left' is missing"),
        ("compare:", "truth: both\ncompare:", "Known are: left, neither, right"),
        ("compare:", "severity: hold\ncompare:", "'hold' is not known"),
        ("compare:", "settle: soon\ncompare:", "span of time"),
    ],
)
def test_what_cannot_be_meant_is_said(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError) as raised:
        read_agreement(TEXT.replace(old, new), where="agreements/both.yaml")
    assert says in str(raised.value)
    assert "agreements/both.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("stream: accounts", "stream: acounts", "Did you mean 'crm.accounts'"),
        ("right: crm_id", "right: crmid", "Did you mean 'crm_id'"),
        ("left: plan", "left: plann", "Did you mean 'plan'"),
        ("{left: plan, right: plan}", "{left: plan, right: plan, as: number}", "not compared `as: number`"),
        ("{left: plan, right: plan}", "{left: whole, right: plan}", "objects are not compared"),
        ("{left: plan, right: plan}", "{left: since, right: started_at}", "Write `as: time`"),
        ("{left: plan, right: plan}", "{left: since, right: plan}", "never alike"),
        ("as: number, tolerance: 0.5", "as: ignore_case", "not compared `as: ignore_case`"),
    ],
)
def test_what_the_contracts_do_not_bear_is_said(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError) as raised:
        check_agreement(read_agreement(TEXT.replace(old, new)), Known(), where="both.yaml")
    assert says in str(raised.value)


def test_a_stream_of_events_has_no_state() -> None:
    class Events(Known):
        def active(self, source: str, stream: str) -> Any:
            import dataclasses

            from mainstem.model import EntityKind

            found = super().active(source, stream)
            return found and dataclasses.replace(found, kind=EntityKind.EVENT)

    with pytest.raises(ConfigurationError, match="stream of events"):
        check_agreement(read_agreement(TEXT), Events())


def test_keys_of_other_entities_than_customers_and_persons_cannot_be_matched_by() -> None:
    """They are kept as references only, so that nothing would ever match."""
    text = CONTRACT.replace(
        "entity: customer, attributes: {customer_id: id, plan",
        "entity: ticket, attributes: {ticket_id: id, status: {constant: open}, plan",
    )

    class Tickets(Known):
        def active(self, source: str, stream: str) -> Contract:
            return read_contract(text.replace("SOURCE", source).replace("STREAM", stream), "c.yaml")

        def streams(self) -> list[tuple[str, str]]:
            return [("crm", "accounts"), ("billing", "customers")]

    with pytest.raises(ConfigurationError, match="kept as references only") as error:
        check_agreement(read_agreement(TEXT), Tickets())
    assert "ticket_id" in str(error.value)
