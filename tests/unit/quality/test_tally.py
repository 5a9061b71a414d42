"""Every count of a checked batch, against questions to the same rows that know nothing of contracts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from mainstem.contracts import RECORDS, CheckPlan, Contract, read_contract
from mainstem.contracts.duck import connect
from mainstem.model import Lane, sketch
from mainstem.quality import Refused, StreamCounts, Tally, joined

RETAIL = Path(__file__).parents[2] / "data" / "online_retail.csv.gz"
DAY = dt.datetime(2026, 1, 15, tzinfo=dt.UTC)


def _properties(**values: Any) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def _rule(name: str, condition: str, severity: str = "quarantine") -> dict[str, Any]:
    return {"name": name, "type": "custom", "engine": "mainstem", "implementation": condition, "severity": severity}


def _text(fields: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]], **custom: Any) -> str:
    stream = {
        "name": "things",
        "customProperties": _properties(**custom),
        "quality": list(rules),
        "properties": list(fields),
    }
    head = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "test", "version": "1.0.0", "schema": [stream]}
    return yaml.safe_dump(head, sort_keys=False)


LINES = _text(
    [
        {"name": "invoice", "logicalType": "string", "required": True, "logicalTypeOptions": {"pattern": "^C?[0-9]{6}$"}},
        {"name": "stock_code", "logicalType": "string", "required": True, "logicalTypeOptions": {"maxLength": 5}},
        {"name": "description", "logicalType": "string", "required": True, "logicalTypeOptions": {"minLength": 1}},
        {
            "name": "quantity",
            "logicalType": "integer",
            "logicalTypeOptions": {"minimum": 1},
            "customProperties": _properties(limitSeverity="warn"),
        },
        {"name": "invoiced_at", "logicalType": "timestamp", "required": True},
        {"name": "unit_price", "logicalType": "number", "quality": [_rule("priced", "unit_price > 0", "warn")]},
        {"name": "customer", "logicalType": "string", "required": True},
        {
            "name": "country",
            "logicalType": "string",
            "enum": [{"value": one} for one in ("United Kingdom", "Germany", "France", "EIRE")],
        },
    ],
    [
        _rule("small", "quantity * unit_price <= 100"),
        _rule("taken_back", "starts_with(invoice, 'C') OR quantity > 0", "warn"),
    ],
    source="retail",
    partitionKey="customer",
    occurredAt="invoiced_at",
    repeat="occurrence",
    grace="1h",
    mapping={
        "entity": "usage_event",
        "attributes": {"customer_id": "customer", "event": {"constant": "line"}, "occurred_at": "invoiced_at"},
    },
)  # fmt: skip

# The same in the words of the file: what is missing, what is wrong, what contradicts itself.
MISSING = {
    "invoice": "InvoiceNo IS NULL",
    "stock_code": "StockCode IS NULL",
    "description": "Description IS NULL",
    "quantity": "Quantity IS NULL",
    "invoiced_at": "InvoiceDate IS NULL",
    "unit_price": "UnitPrice IS NULL",
    "customer": "CustomerID IS NULL",
    "country": "Country IS NULL",
}
INVALID = {
    "invoice": "length(ltrim(InvoiceNo, 'C')) <> 6",
    "stock_code": "length(StockCode) > 5",
    "description": "false",
    "quantity": "Quantity::INT < 1",
    "invoiced_at": "InvoiceDate::TIMESTAMP + INTERVAL 7300 DAY < TIMESTAMP '2030-12-06 00:00:00'",
    "unit_price": "UnitPrice::DECIMAL(18, 6) <= 0",
    "customer": "false",
    "country": "Country NOT IN ('United Kingdom', 'Germany', 'France', 'EIRE')",
}
DEAR = "Quantity::INT * UnitPrice::DECIMAL(18, 6) > 100"
TAKEN_BACK = "InvoiceNo NOT LIKE 'C%' AND Quantity::INT <= 0"
INCONSISTENT = {
    "invoice": TAKEN_BACK,
    "quantity": f"({DEAR}) OR ({TAKEN_BACK})",
    "unit_price": DEAR,
}


def _records(payloads: Sequence[bytes], received: Sequence[dt.datetime], ops: Sequence[str] | None = None) -> pa.Table:
    count = len(payloads)
    at = pa.timestamp("us", tz="UTC")
    columns = {
        "n": pa.array(range(count), pa.int64()),
        "payload": pa.array(payloads, pa.binary()),
        "as_of": pa.array(received, at),
        "record_id": pa.nulls(count, pa.string()),
        "key": pa.nulls(count, pa.string()),
        "partition_key": pa.nulls(count, pa.string()),
        "op": pa.array(ops or ["event"] * count, pa.string()),
        "occurred_at": pa.nulls(count, at),
    }
    return pa.table(columns, schema=RECORDS)


def _counted(text: str | Contract, records: pa.Table, lane: Lane = Lane.LIVE) -> list[StreamCounts]:
    plan = CheckPlan.compile(text if isinstance(text, Contract) else read_contract(text, "test"))
    connection = connect()
    counted = Tally(plan, 7).count(connection, records, plan.run(connection, records), lane)
    return list(counted.of("s", "t", 1))


def _field(counts: StreamCounts, name: str) -> list[int]:
    column: list[int] = counts.counts[:, counts.fields.index(name)].tolist()
    return column


@pytest.fixture(scope="module")
def lines() -> duckdb.DuckDBPyConnection:
    """The real order lines as they stand in the file; each knows when it is received: a third the day after."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE line AS SELECT * FROM read_csv(?, all_varchar = true)", [str(RETAIL)])
    connection.execute("ALTER TABLE line ADD COLUMN n INTEGER")
    connection.execute("UPDATE line SET n = rowid")
    connection.execute("ALTER TABLE line ADD COLUMN received TIMESTAMP")
    connection.execute("UPDATE line SET received = TIMESTAMP '2030-12-06' + INTERVAL 1 DAY * (n % 3 // 2)")
    return connection


def _asked(lines: duckdb.DuckDBPyConnection, condition: str, day: str) -> int:
    [(count,)] = lines.execute(
        f"SELECT count(*) FROM line WHERE received::DATE = '{day}' AND coalesce(({condition}), false)"
    ).fetchall()
    return int(count)


def test_real_order_lines_are_counted_as_a_direct_query_counts_them(lines: duckdb.DuckDBPyConnection) -> None:
    names = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
    rows = lines.execute(f"SELECT received, {', '.join(names)} FROM line ORDER BY n").fetchall()
    payloads = [json.dumps(dict(zip(MISSING, row[1:], strict=True))).encode() for row in rows]
    records = _records(payloads, [row[0].replace(tzinfo=dt.UTC) for row in rows])
    days = _counted(LINES, records)
    assert [one.day.isoformat() for one in days] == ["2030-12-06", "2030-12-07"]
    assert sum(one.counts[1, one.fields.index("customer")] for one in days) == 745
    for one in days:
        day = one.day.isoformat()
        # Bounds of time move with the day.
        invalid = INVALID | {"invoiced_at": INVALID["invoiced_at"].replace("2030-12-06", day)}
        for name, absent in MISSING.items():
            expected = [
                _asked(lines, "true", day),
                _asked(lines, absent, day),
                _asked(lines, invalid[name], day),
                _asked(lines, INCONSISTENT.get(name, "false"), day),
            ]
            assert _field(one, name) == expected, (day, name)
        lacking = " OR ".join(MISSING[name] for name in MISSING if name not in {"quantity", "unit_price", "country"})
        assert one.record.tolist() == [
            _asked(lines, "true", day),
            _asked(lines, lacking, day),
            _asked(lines, " OR ".join(f"coalesce({each}, false)" for each in invalid.values()), day),
            _asked(lines, f"coalesce({DEAR}, false) OR coalesce({TAKEN_BACK}, false)", day),
            _asked(lines, "InvoiceDate IS NOT NULL", day),
            _asked(lines, "received - InvoiceDate::TIMESTAMP > INTERVAL 1 HOUR", day),
        ], day
        # The question is worth nothing where the answer is.
        assert all(_field(one, "country")[kind] for kind in (0, 2))
        assert all(one.record.tolist()), one


def test_only_what_comes_live_can_be_late() -> None:
    payload = b'{"customer": "c", "invoiced_at": "2026-01-14T22:00:00Z", "invoice": "123456", "stock_code": "1", "description": "d"}'
    prompt = payload.replace(b"22:00", b"23:30")
    records = _records([payload, prompt, payload], [DAY] * 3)
    [live] = _counted(LINES, records)
    [bulk] = _counted(LINES, records, Lane.BULK)
    assert (live.record[4:].tolist(), bulk.record[4:].tolist()) == ([3, 2], [0, 0])


ACCOUNTS = _text(
    [
        {"name": "account", "logicalType": "string", "required": True, "primaryKey": True},
        {"name": "plan", "logicalType": "string", "required": True, "enum": [{"value": "a"}, {"value": "b"}]},
        {"name": "seats", "logicalType": "integer"},
    ],
    [_rule("room", "plan <> 'a' OR seats <= 5")],
    source="crm",
    partitionKey="account",
    mapping={"entity": "customer", "attributes": {"customer_id": "account", "plan": "plan"}},
)


def test_of_an_entity_only_what_a_record_has_to_say_is_asked_for() -> None:
    said: list[tuple[str, dict[str, Any]]] = [
        ("upsert", {"account": "1", "plan": "a", "seats": 5}),
        ("upsert", {"account": "2", "plan": "a"}),
        ("upsert", {"account": "3", "seats": "many"}),
        ("upsert", {"account": "4", "plan": "a", "seats": 6}),
        ("patch", {"account": "1", "seats": 7}),
        ("patch", {"account": "1", "plan": "z"}),
        ("delete", {"account": "1"}),
        ("delete", {}),
    ]
    records = _records([json.dumps(payload).encode() for _, payload in said], [DAY] * 8, [op for op, _ in said])
    [counts] = _counted(ACCOUNTS, records)
    assert _field(counts, "account") == [8, 1, 0, 0]
    assert _field(counts, "plan") == [5, 1, 1, 1]
    assert _field(counts, "seats") == [5, 1, 1, 1]
    assert counts.record.tolist() == [8, 2, 2, 1, 0, 0]


def test_a_payload_that_cannot_be_read_counts_against_the_record_and_no_field() -> None:
    good = b'{"account": "1", "plan": "a", "seats": 1}'
    payloads = [good, b"{", b"[]", b'{"account": "1", "plan": "a", "plan": "a", "seats": 1}']
    [counts] = _counted(ACCOUNTS, _records(payloads, [DAY] * 4, ["upsert"] * 4))
    assert counts.record.tolist() == [4, 0, 3, 0, 0, 0]
    assert [_field(counts, name) for name in counts.fields] == [[2, 0, 0, 0]] * 3


def test_of_several_key_fields_none_is_needed_beside_the_envelopes_key() -> None:
    contract = dataclasses.replace(read_contract(ACCOUNTS, "test"), key=("account", "seats"))
    payloads = [b'{"account": "1", "plan": "b", "seats": 1}', b'{"account": "1", "plan": "b"}', b'{"account": "1"}']
    for own, expected in (("k", [1, 0, 0, 0]), (None, [3, 2, 0, 0])):
        records = _records(payloads, [DAY] * 3, ["upsert"] * 3)
        key = pa.array([None, own, own], pa.string())
        [counts] = _counted(contract, records.set_column(records.schema.get_field_index("key"), "key", key))
        assert _field(counts, "seats") == expected
        assert _field(counts, "plan") == [3, 1, 0, 0]


@pytest.mark.parametrize("policy", ["evolve", "discard_value", "discard_row", "quarantine", "freeze"])
def test_a_policy_changes_what_becomes_of_a_value_and_not_whether_it_is_valid(policy: str) -> None:
    contract = yaml.safe_load(ACCOUNTS)
    contract["schema"][0]["customProperties"] += _properties(schemaChange=policy)
    payloads = [
        b'{"account": "1", "plan": "a", "seats": 1}',
        b'{"account": "2", "plan": "new", "seats": 1}',
        b'{"account": "3", "plan": "a", "seats": "many"}',
        b'{"account": "4", "seats": 1}',
        b'{"account": "5", "plan": "a", "seats": 1, "color": "red"}',
    ]
    [counts] = _counted(yaml.safe_dump(contract), _records(payloads, [DAY] * 5, ["upsert"] * 5))
    assert _field(counts, "plan") == [5, 1, 1, 0]
    assert _field(counts, "seats") == [5, 0, 1, 0]
    undeclared = policy not in {"evolve", "discard_value"}
    assert counts.record[:4].tolist() == [5, 1, 3 if undeclared else 2, 0]


@pytest.mark.parametrize("schema_change", [None, "evolve"])
def test_a_value_that_is_warned_of_and_cannot_be_summed_is_wrong_once(schema_change: str | None) -> None:
    """Once more, and nothing of one record would be minus one of one."""
    own = {"limitSeverity": "warn"} | ({} if schema_change is None else {"schemaChange": schema_change})
    fields: list[dict[str, Any]] = [
        {"name": "who", "logicalType": "string", "required": True},
        {"name": "at", "logicalType": "timestamp", "required": True},
        {
            "name": "n",
            "logicalType": "number",
            "logicalTypeOptions": {"maximum": 10},
            "customProperties": _properties(**own),
            **({} if schema_change is None else {"enum": [{"value": 1}, {"value": 2}]}),
        },
    ]
    attributes = {"customer_id": "who", "event": {"constant": "e"}, "occurred_at": "at", "quantity": "n"}
    contract = read_contract(
        _text(
            fields, [], source="s", partitionKey="who", occurredAt="at",
            mapping={"entity": "usage_event", "attributes": attributes},
        ),
        "test",
    )  # fmt: skip
    payloads = [json.dumps({"who": "a", "at": "2026-01-14T10:00:00Z", "n": n}).encode() for n in ("1e25", "2")]
    records, plan, connection = _records(payloads, [DAY] * 2), CheckPlan.compile(contract), connect()
    tally, checked = Tally(plan, 7), plan.run(connection, records)
    counted = tally.count(connection, records, checked, Lane.BULK)
    tally.refuse(counted, records["as_of"], checked, [Refused(0, "n", missing=False), Refused(1, "n", missing=False)])
    [counts] = counted.of("s", "t", 1)
    assert counts.record.tolist() == [2, 0, 2, 0, 0, 0]
    assert _field(counts, "n") == [2, 0, 2, 0]


@pytest.mark.parametrize("severity", ["quarantine", "warn"])
def test_a_record_lacks_what_a_rule_about_one_field_asks_for(severity: str) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "who", "logicalType": "string", "required": True},
        {"name": "at", "logicalType": "timestamp", "required": True},
        {"name": "n", "logicalType": "integer", "quality": [_rule("there", "coalesce(n, -1) >= 0", severity)]},
    ]
    attributes = {"customer_id": "who", "event": {"constant": "e"}, "occurred_at": "at"}
    mapping = {"entity": "usage_event", "attributes": attributes}
    text = _text(fields, [], source="s", partitionKey="who", occurredAt="at", mapping=mapping)
    payloads = [json.dumps({"who": "a", "at": "2026-01-14T10:00:00Z", "n": n}).encode() for n in (1, None, -5)]
    [counts] = _counted(text, _records(payloads, [DAY] * 3), Lane.BULK)
    assert counts.record.tolist() == [3, 1, 1, 0, 0, 0]
    assert _field(counts, "n") == [3, 1, 1, 0]


def test_counts_of_one_key_are_added_up() -> None:
    [one] = _counted(ACCOUNTS, _records([b'{"account": "1"}'], [DAY], ["upsert"]))
    [both] = joined([one, one])
    assert both.record.tolist() == (one.record * 2).tolist()
    assert both.counts.tolist() == (one.counts * 2).tolist()


def test_different_values_are_counted_by_day_whatever_became_of_their_records() -> None:
    fields: list[dict[str, Any]] = [
        {"name": "n", "logicalType": "integer", "logicalTypeOptions": {"maximum": 5}},
        {"name": "who", "logicalType": "string", "required": True},
        {"name": "all", "logicalType": "object"},
    ]
    payloads = [json.dumps({"n": n % 10, "who": f"w{n}", "all": {"n": n}}).encode() for n in range(40)]
    days = [DAY] * 30 + [DAY + dt.timedelta(days=1)] * 10
    mapping = {
        "entity": "usage_event",
        "attributes": {"customer_id": "who", "event": {"constant": "e"}, "occurred_at": "at"},
    }
    text = _text(
        [*fields, {"name": "at", "logicalType": "timestamp", "required": True}],
        [],
        source="s",
        partitionKey="who",
        occurredAt="at",
        mapping=mapping,
    )
    first, second = _counted(text, _records([*payloads[:39], b"no JSON"], days))
    found = [[round(float(n)) for n in sketch.estimates(one.distinct)] for one in (first, second)]
    # What is beyond its limit is a value; what cannot be read is none. Of objects it is not counted.
    assert [one[2:] for one in found] == [[0, 0], [0, 0]]
    assert abs(found[0][0] - 10) <= 1
    assert abs(found[1][0] - 9) <= 1
    assert abs(found[0][1] - 30) <= 5
    assert abs(found[1][1] - 9) <= 1
    both = [dataclasses.replace(second, day=first.day), first]
    [whole] = joined(both)
    assert abs(float(sketch.estimates(whole.distinct)[1]) - 39) <= 6
