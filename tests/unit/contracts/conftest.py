"""Contracts written short, and records run through their check plans."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from mainstem.contracts import RECORDS, CheckPlan, Contract, read_contract
from mainstem.contracts.duck import connect

AS_OF = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)

_OWN = ("pii", "path", "formerPaths", "missing", "codes", "factor", "default", "remedies")
_EVENT = {
    "source": "shop",
    "partitionKey": "customer",
    "occurredAt": "at",
    "mapping": {
        "entity": "usage_event",
        "attributes": {"customer_id": "customer", "event": "event", "occurred_at": "at"},
    },
}
_EVENT_FIELDS = (
    {"name": "customer", "logicalType": "string", "required": True},
    {"name": "event", "logicalType": "string", "required": True},
    {"name": "at", "logicalType": "timestamp", "required": True},
)
_STATE = {
    "source": "crm",
    "partitionKey": "account",
    "mapping": {"entity": "customer", "attributes": {"customer_id": "account", "plan": "plan"}},
}
_STATE_FIELDS = (
    {"name": "account", "logicalType": "string", "required": True, "primaryKey": True},
    {"name": "plan", "logicalType": "string", "required": True},
)


def _custom(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: field[name] for name in _OWN if name in field}
    rest = {name: value for name, value in field.items() if name not in _OWN}
    return {**rest, "customProperties": _custom(own)} if own else rest


def _text(fields: Sequence[Mapping[str, Any]], custom: Mapping[str, Any], top: Mapping[str, Any]) -> str:
    head = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "test", "version": "1.0.0"}
    stream = {"name": "things", "customProperties": _custom(custom), "properties": [_field(one) for one in fields]}
    return yaml.safe_dump({**head, "schema": [stream], **top}, sort_keys=False)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@pytest.fixture
def event_text() -> Callable[..., str]:
    """The text of an event contract: (fields that replace those of their name or come on top, custom properties,
    top-level keys)."""
    return lambda *fields, top=None, **custom: _merged(_EVENT_FIELDS, _EVENT, fields, custom, top or {})


@pytest.fixture
def state_text() -> Callable[..., str]:
    """The same of a state contract."""
    return lambda *fields, top=None, **custom: _merged(_STATE_FIELDS, _STATE, fields, custom, top or {})


def _merged(
    base: Sequence[Mapping[str, Any]],
    base_custom: Mapping[str, Any],
    fields: Sequence[Mapping[str, Any]],
    custom: Mapping[str, Any],
    top: Mapping[str, Any],
) -> str:
    """None takes a custom property or a key of a field away."""
    by_name = {one["name"]: dict(one) for one in base}
    for field in fields:
        by_name[field["name"]] = _without_none({**by_name.get(field["name"], {}), **field})
    return _text(list(by_name.values()), _without_none({**base_custom, **custom}), top)


@pytest.fixture
def event_contract(event_text: Callable[..., str]) -> Callable[..., Contract]:
    return lambda *fields, **custom: read_contract(event_text(*fields, **custom), "test.yaml")


@pytest.fixture
def state_contract(state_text: Callable[..., str]) -> Callable[..., Contract]:
    return lambda *fields, **custom: read_contract(state_text(*fields, **custom), "test.yaml")


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


@pytest.fixture
def check(connection: duckdb.DuckDBPyConnection) -> Callable[..., list[dict[str, Any]]]:
    """Checked rows of payloads (JSON values, or bytes as they are); further columns of the envelope by name."""

    def run(contract: Contract, payloads: Sequence[Any], **envelope: Sequence[Any]) -> list[dict[str, Any]]:
        count = len(payloads)
        columns: dict[str, Sequence[Any]] = {
            "n": range(count),
            "payload": [p if isinstance(p, bytes) else json.dumps(p).encode() for p in payloads],
            "as_of": [AS_OF] * count,
            "op": ["event" if contract.kind == "event" else "upsert"] * count,
            **envelope,
        }
        table = pa.table([pa.array(columns.get(f.name, [None] * count), f.type) for f in RECORDS], schema=RECORDS)
        plan = CheckPlan.compile(contract)
        result = plan.run(connection, table)
        assert result.schema == plan.schema
        rows: list[dict[str, Any]] = result.to_pylist()
        assert [row["n"] for row in rows] == list(range(count))
        return rows

    return run
