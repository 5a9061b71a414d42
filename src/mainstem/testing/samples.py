"""The contract and the event that tests of whole installations use when any will do."""

from __future__ import annotations

from typing import Any

__all__ = ["SAMPLE_AT", "accounts_contract", "usage"]

SAMPLE_AT = "2026-01-10T09:00:00Z"
"""When sample events occurred."""

_NAME = """\
      - name: name
        logicalType: string
        customProperties: [{property: pii, value: name}]
"""
_ACCOUNTS = """
apiVersion: v3.2.0
kind: DataContract
id: SOURCE-accounts
name: Accounts
version: 1.0.0
status: active
customProperties:
  - {property: source, value: SOURCE}
schema:
  - name: accounts
    logicalType: object
    customProperties:
      - {property: kind, value: state}
      - {property: partitionKey, value: id}
      - {property: entityVersion, value: updated_at}
      - property: mapping
        value: {entity: customer, attributes: {customer_id: id, planATTRIBUTES}}
    properties:
      - name: id
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        customProperties: [{property: pii, value: identifier}]
FIELDS      - {name: plan, logicalType: string}
      - {name: updated_at, logicalType: timestamp, required: true}
"""


def accounts_contract(source: str, *, named: bool = False, plan_required: bool = False) -> str:
    """The contract of the stream `accounts`: customers with a plan and, if `named`, a name."""
    text = _ACCOUNTS.replace("SOURCE", source)
    text = text.replace("planATTRIBUTES", "plan: plan, name: name" if named else "plan: plan")
    text = text.replace("FIELDS", _NAME if named else "")
    if plan_required:
        text = text.replace("{name: plan, logicalType: string}", "{name: plan, logicalType: string, required: true}")
    return text


def usage(number: int, **payload: Any) -> dict[str, Any]:
    """A usage event of one of seven customers, its id by its number; `payload` says what is otherwise."""
    sample = {"id": f"e{number}", "customer_id": f"c{number % 7}", "event": "opened", "occurred_at": SAMPLE_AT}
    return {"stream": "usage_events", "payload": {**sample, **payload}}
