"""The contracts and the event that tests of whole installations use when any will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

__all__ = ["SAMPLE_AT", "accounts_contract", "state_contract", "usage"]

SAMPLE_AT = "2026-01-10T09:00:00Z"
"""When sample events occurred."""


def state_contract(
    source: str,
    stream: str,
    mapping: tuple[str, Mapping[str, str]],
    fields: Mapping[str, Mapping[str, Any]],
    *,
    partition_key: str = "id",
    rules: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The contract of a stream of entities with the key `id`, versioned by `updated_at`.

    `mapping` is the canonical entity and from which field it takes each attribute; `fields` are those beside the two, with
    what differs from an optional string, their PII class as `pii`; `rules` have at least a name and an implementation.
    """
    entity, attributes = mapping
    key = {"required": True, "primaryKey": True, "primaryKeyPosition": 1, "pii": "identifier"}
    every = {"id": key, **fields, "updated_at": {"logicalType": "timestamp", "required": True}}
    custom = {
        "kind": "state",
        "partitionKey": partition_key,
        "entityVersion": "updated_at",
        "mapping": {"entity": entity, "attributes": dict(attributes)},
    }
    text = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": f"{source}-{stream}",
        "name": stream.title(),
        "version": "1.0.0",
        "status": "active",
        "customProperties": _custom(source=source),
        "schema": [
            {
                "name": stream,
                "logicalType": "object",
                "customProperties": _custom(**custom),
                "properties": [_property(name, **field) for name, field in every.items()],
                "quality": [{"type": "custom", "engine": "mainstem", **rule} for rule in rules],
            }
        ],
    }
    return yaml.safe_dump(text, sort_keys=False)


def accounts_contract(
    source: str, *, named: bool = False, plan_required: bool = False, held_plan: str | None = None
) -> str:
    """The contract of the stream `accounts`: customers with a plan and, if `named`, a name; those of `held_plan` are held."""
    fields: dict[str, dict[str, Any]] = {"name": {"pii": "name"}} if named else {}
    fields["plan"] = {"required": True} if plan_required else {}
    attributes = {"customer_id": "id", **{field: field for field in fields}}
    rules = [{"name": "plan_is_known", "severity": "hold", "implementation": f"plan <> '{held_plan}'"}]
    return state_contract(source, "accounts", ("customer", attributes), fields, rules=rules if held_plan else ())


def usage(number: int, **payload: Any) -> dict[str, Any]:
    """A usage event of one of seven customers, its id by its number; `payload` says what is otherwise."""
    sample = {"id": f"e{number}", "customer_id": f"c{number % 7}", "event": "opened", "occurred_at": SAMPLE_AT}
    return {"stream": "usage_events", "payload": {**sample, **payload}}


def _property(name: str, *, pii: str | None = None, **differs: Any) -> dict[str, Any]:
    classified = {"customProperties": _custom(pii=pii)} if pii else {}
    return {"name": name, "logicalType": "string", **differs, **classified}


def _custom(**properties: Any) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in properties.items()]
