"""Whatever a value is: a remedy done twice is done once, and nothing is marked that was left alone."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mainstem.contracts import RECORDS, CheckPlan, read_contract
from mainstem.contracts.duck import connect

TEXTS: dict[str, list[dict[str, Any]]] = {
    "trim": [{"standardise": "trim"}],
    "lower": [{"standardise": "lower"}],
    "upper": [{"standardise": "upper"}],
    "email": [{"standardise": "email", "localPart": "lower"}],
    "phone": [{"standardise": "phone", "region": "PT"}],
    "country": [{"standardise": "country", "languages": ["de", "fr", "pt", "tr"]}],
    "currency": [{"standardise": "currency", "languages": ["de", "fr"]}],
    "time_zone": [{"standardise": "time_zone"}],
    "several": [{"standardise": "trim"}, {"standardise": "lower"}, {"standardise": "country"}],
}
NUMBERS: dict[str, list[dict[str, Any]]] = {
    "clip": [{"clip": {"min": -3, "max": 1000}}],
    "impute": [{"impute": {"constant": 7}}, {"clip": {"max": 5}}],
}


def _field(name: str, kind: str, remedies: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "logicalType": kind, "customProperties": [{"property": "remedies", "value": remedies}]}


CONTRACT = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "t",
    "version": "1",
    "schema": [
        {
            "name": "t",
            "customProperties": [
                {"property": "source", "value": "s"},
                {"property": "partitionKey", "value": "id"},
                {"property": "mapping", "value": {"entity": "customer", "attributes": {"customer_id": "id"}}},
            ],
            "properties": [
                {"name": "id", "logicalType": "string", "required": True, "primaryKey": True},
                *(_field(name, "string", remedies) for name, remedies in TEXTS.items()),
                *(_field(name, "integer", remedies) for name, remedies in NUMBERS.items()),
            ],
        }
    ],
}
PLAN = CheckPlan.compile(read_contract(json.dumps(CONTRACT), "t"))


@pytest.fixture(scope="module")
def run() -> Any:
    with connect() as connection:

        def checked(row: dict[str, Any]) -> dict[str, Any]:
            columns = {
                "n": [0],
                "payload": [json.dumps({"id": "a", **row}).encode()],
                "as_of": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)],
                "op": ["upsert"],
            }
            table = pa.table([pa.array(columns.get(one.name, [None]), one.type) for one in RECORDS], schema=RECORDS)
            [found] = PLAN.run(connection, table).to_pylist()
            return dict(found)

        yield checked


_texts = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.from_regex(r"\A[ ]?[A-Za-z.+]{1,8}@[A-Za-z]{1,8}\.[A-Za-z]{2,3}[ ]?\Z"),
    st.from_regex(r"\A(\+|00)?[0-9 ()\-]{6,16}\Z"),
    st.sampled_from(
        ["Deutschland", "TÜRKİYE", "Congo", "ǅ", "ŉ", "ΐ", "İstanbul", "\u017f", "K", "US Dollar", "gmt", "utc "]
    ),
)


@settings(max_examples=150, deadline=None)
@given(text=_texts, number=st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)))
@example(text="İ", number=None)
def test_a_remedy_done_twice_is_done_once(run: Any, text: str, number: int | None) -> None:
    once = run({**dict.fromkeys(TEXTS, text), **dict.fromkeys(NUMBERS, number)})
    values = {name: once[f"f_{name}"] for name in (*TEXTS, *NUMBERS)}
    twice = run(values)
    assert {name: twice[f"f_{name}"] for name in values} == values
    assert not [PLAN.remedied[n] for n in range(len(PLAN.remedied)) if twice[f"r_{n}"]]
    for n, one in enumerate(PLAN.remedied):
        if len(PLAN.contract.fields[one.field].remedies) == 1:
            assert once[f"r_{n}"] == (once[f"o_{one.field}"] != once[f"f_{one.field}"])
