"""Two systems that know the same companies: a CRM and a billing system, with records through the door."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mainstem.quality.agreements import Evaluation, evaluate_now
from mainstem.testing.site import Site

CRM = """
apiVersion: v3.2.0
kind: DataContract
id: crm-accounts
version: 1.0.0
customProperties: [{property: source, value: crm}]
schema:
  - name: accounts
    customProperties:
      - {property: partitionKey, value: id}
      - {property: entityVersion, value: rev}
      - property: mapping
        value:
          entity: customer
          attributes: {customer_id: id, name: name, plan: plan, seats: seats, mail: mail, started_at: since, revenue: revenue}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true, customProperties: [{property: pii, value: identifier}]}
      - {name: name, logicalType: string, customProperties: [{property: pii, value: name}]}
      - {name: mail, logicalType: string, customProperties: [{property: pii, value: email}]}
      - {name: plan, logicalType: string}
      - {name: seats, logicalType: integer}
      - {name: since, logicalType: timestamp}
      - {name: revenue, logicalType: number}
      - {name: rev, logicalType: integer}
"""
BILLING = """
apiVersion: v3.2.0
kind: DataContract
id: billing-customers
version: 1.0.0
customProperties: [{property: source, value: billing}]
schema:
  - name: customers
    customProperties:
      - {property: partitionKey, value: number}
      - property: mapping
        value:
          entity: customer
          attributes: {customer_id: number, name: title, tier: tier, places: places, contact: contact, begun: begun, paid: paid, crm_id: crm_id}
    properties:
      - {name: number, logicalType: string, required: true, primaryKey: true, customProperties: [{property: pii, value: identifier}]}
      - {name: title, logicalType: string, customProperties: [{property: pii, value: name}]}
      - {name: contact, logicalType: string, customProperties: [{property: pii, value: email}]}
      - {name: crm_id, logicalType: string}
      - {name: tier, logicalType: string}
      - {name: places, logicalType: integer}
      - {name: begun, logicalType: date}
      - {name: paid, logicalType: number}
"""
AGREEMENT = """
name: crm_and_billing
description: What sales believes a customer has, beside what it pays for.
left: {source: crm, stream: accounts}
right: {source: billing, stream: customers}
match: {left: mail, right: contact}
truth: right
compare:
  - {left: name, right: name, as: ignore_case}
  - {left: plan, right: tier, values: {ent: enterprise, pro: professional}}
  - {left: seats, right: places, as: number}
  - {left: revenue, right: paid, as: number, tolerance: 1%}
  - {left: started_at, right: begun, as: time, tolerance: 36h}
"""


@dataclasses.dataclass
class Systems:
    """An installation with both contracts, and what is done to it."""

    site: Site

    @staticmethod
    def account(number: int, **more: Any) -> dict[str, Any]:
        """A record of the CRM."""
        return {
            "id": f"A{number}", "name": f"Company {number}", "mail": f"c{number}@example.org", "plan": "ent", "seats": number,
            "since": "2025-03-01T18:00:00Z", "revenue": 1000, "rev": 1, **more,
        }  # fmt: skip

    @staticmethod
    def customer(number: int, **more: Any) -> dict[str, Any]:
        """The record of the same company in billing, which agrees with it."""
        return {
            "number": f"{number}", "title": f"COMPANY {number} ", "contact": f"C{number}@Example.org", "tier": "enterprise",
            "places": number, "begun": "2025-03-01", "paid": 1005.5, "crm_id": f"A{number}", **more,
        }  # fmt: skip

    def send(self, source: str, payloads: Sequence[dict[str, Any]], **envelope: Any) -> None:
        """Bring records of the source's stream into effect."""
        stream = {"crm": "accounts", "billing": "customers"}[source]
        self.site.send(source, [{"stream": stream, "payload": payload, **envelope} for payload in payloads])
        self.site.work()

    def declare(self, text: str = AGREEMENT) -> None:
        """Put an agreement into force."""
        self.site.declare("agreements/one.yaml", text)

    def evaluate(self, name: str = "crm_and_billing", later: dt.timedelta = dt.timedelta(0)) -> Evaluation:
        """Evaluate it, as if so much later, and keep what it comes to."""
        with self.site.runtime() as runtime:
            [one] = [one for one in runtime.agreements() if one.agreement.name == name]
            return evaluate_now(runtime.agreement_parts, one, runtime.clock.wall() + later)

    def ref(self, source: str, value: str) -> bytes:
        """The reference of one of its customers."""
        with self.site.runtime() as runtime:
            return runtime.keyring.references.ref(source, "customer", value)


@pytest.fixture
def systems(migrated_dsn: str, tmp_path: Path) -> Systems:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/crm.yaml", CRM)
    site.declare("contracts/billing.yaml", BILLING)
    return Systems(site)


@pytest.fixture
def agreement_text() -> str:
    return AGREEMENT


@pytest.fixture
def crm_text() -> str:
    return CRM
