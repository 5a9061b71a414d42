"""An audit and the plan it stands beside: what one lets pass the other finds nothing wrong with, whatever is sent."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.contracts import RECORDS, Audit, CheckPlan, Contract, RemedyEffect, read_contract
from mainstem.contracts.duck import connect
from mainstem.model import Lane
from mainstem.quality import Tally

AS_OF = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
TYPES = ("string", "integer", "number", "boolean", "timestamp", "date", "object", "array")


def _rule(name: str, condition: str) -> dict[str, Any]:
    return {"name": name, "type": "custom", "engine": "mainstem", "implementation": condition}


def _remedied(field: dict[str, Any], *remedies: dict[str, Any]) -> dict[str, Any]:
    return field | {
        "customProperties": [
            {"property": "remedies", "value": list(remedies)},
            {"property": "pii", "value": "identifier"},
        ]
    }


def _contract(entity: str) -> Contract:
    event = entity == "usage_event"
    attributes = {"customer_id": "who"} | ({"event": "what", "occurred_at": "at"} if event else {"name": "what"})
    custom = {"source": "s", "partitionKey": "who", "mapping": {"entity": entity, "attributes": attributes}}
    if event:
        custom |= {"occurredAt": "at", "recordId": "id", "oldest": "30d"}
    fields: list[dict[str, Any]] = [
        {"name": "who", "logicalType": "string", "required": True, "primaryKey": not event},
        {
            "name": "what",
            "logicalType": "string",
            "required": True,
            "enum": [{"value": "a"}, {"value": "b"}, {"value": ""}],
        },
        {"name": "at", "logicalType": "timestamp", "required": True},
        {"name": "id", "logicalType": "string", "logicalTypeOptions": {"maxLength": 3}},
        {
            "name": "n",
            "logicalType": "integer",
            "logicalTypeOptions": {"minimum": 0},
            "quality": [_rule("odd", "n % 2 = 1")],
        },
        {"name": "z", "logicalType": "integer", "quality": [_rule("asked", "z IS NOT NULL")]},
        {"name": "u", "logicalType": "integer", "quality": [_rule("wished", "u IS NOT NULL") | {"severity": "warn"}]},
        _remedied({"name": "q", "logicalType": "string", "required": True}, {"impute": {"field": "id"}}),
        _remedied(
            {"name": "r", "logicalType": "integer"}, {"impute": {"constant": 12}}, {"clip": {"min": 0, "max": 9}}
        ),
        _remedied({"name": "f", "logicalType": "number"}, {"flag": {"max": 5}}),
        *({"name": f"x_{name}", "logicalType": name, "physicalName": "x"} for name in TYPES[:4]),
        *({"name": f"y_{name}", "logicalType": name, "physicalName": "y"} for name in TYPES[4:]),
    ]
    stream = {
        "name": "t",
        "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
        "quality": [_rule("both", "n < 100 OR what = 'a'"), _rule("there", "x_string IS NOT NULL OR n <> 7")],
        "properties": fields,
    }
    head = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "t", "version": "1", "schema": [stream]}
    return read_contract(json.dumps(head), "t")


_BEYOND = (RemedyEffect.CLIPPED, RemedyEffect.FLAGGED)
CONNECTION = connect()
CONTRACTS = {entity: _contract(entity) for entity in ("usage_event", "customer")}
PLANS = {entity: CheckPlan.compile(contract) for entity, contract in CONTRACTS.items()}
AUDITS = {entity: Audit.compile(contract) for entity, contract in CONTRACTS.items()}

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 120), st.floats(-10, 10), st.text(max_size=4),
    st.sampled_from(["", " ", "a", "b", "7", "1e400", "\0", "2026-01-15", "2026-01-15T11:00:00Z", "1999-01-01", "true"]),
    st.lists(st.integers(), max_size=1), st.dictionaries(st.sampled_from(["k", "x"]), st.integers(), max_size=1),
)  # fmt: skip
GOOD = {"who": "c", "what": "a", "at": "2026-01-15T11:00:00Z", "z": 1, "u": 2, "q": "q"}
PAYLOADS = st.one_of(
    st.builds(
        lambda some, gone: json.dumps({k: v for k, v in (GOOD | some).items() if k not in gone}).encode(),
        st.dictionaries(
            st.sampled_from(["who", "what", "at", "id", "n", "x", "y", "z", "u", "q", "r", "f", "other"]),
            VALUES,
            max_size=4,
        ),
        st.sampled_from([(), (), ("z",), ("u",), ("who",), ("what",), ("at", "u"), ("q",), ("q",)]),
    ),
    st.binary(max_size=6),
    st.sampled_from([b'{"who": "c", "who": "d"}', b"{}", b"[]"]),
)


def _records(entity: str, sent: list[tuple[bytes, str]]) -> pa.Table:
    ops = ["event" if entity == "usage_event" and op != "patch" else op for _, op in sent]
    columns: dict[str, Any] = {
        "n": range(len(sent)), "payload": [payload for payload, _ in sent], "as_of": [AS_OF] * len(sent), "op": ops,
    }  # fmt: skip
    arrays = [pa.array(columns.get(field.name, [None] * len(sent)), field.type) for field in RECORDS]
    return pa.table(arrays, schema=RECORDS)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.lists(st.tuples(PAYLOADS, st.sampled_from(["upsert", "upsert", "patch", "delete"])), min_size=1, max_size=8),
)
def test_an_audit_finds_something_exactly_where_the_plan_does(entity: str, sent: list[tuple[bytes, str]]) -> None:
    records = _records(entity, sent)
    plan, audit = PLANS[entity], AUDITS[entity]
    checked = plan.run(CONNECTION, records)
    whole = np.zeros(4, np.int64)
    fields = audit.nothing()
    for row, reason, field in zip(
        range(len(sent)), *(checked[name].to_pylist() for name in ("reason", "field")), strict=True
    ):
        [found] = audit.run(CONNECTION, records.slice(row, 1))
        wrong = found.record[1:].any()
        warned = any(failed[row] for _, failed in plan.failures(checked))
        # What a remedy made good was wrong.
        made = any(mask[row] for *_, mask in plan.marks(checked))
        beyond = any(done[row] for _, one, done in plan.remedies(checked) if one.effect in _BEYOND)
        assert bool(wrong) is (reason is not None or warned or made or beyond), (sent[row], reason, field, found)
        if field is not None:
            assert found.fields[1:, list(CONTRACTS[entity].fields).index(field)].any(), (sent[row], reason, field)
        whole, fields = whole + found.record, fields + found.fields
    # A batch at once, plain rows by their columns alone, comes to the same as record by record.
    [counts] = Tally(plan, 7).count(CONNECTION, records, checked, Lane.BULK).of("s", "t", 1)
    assert counts.record.tolist() == [*whole.tolist(), 0, 0]
    assert counts.counts.tolist() == fields.tolist()
