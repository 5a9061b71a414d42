"""Real order lines through the door: what the API says of them is what a direct query of the file says."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from mainstem.access import ApiKeys, Role
from mainstem.cli.main import main
from mainstem.intake import Delivery
from mainstem.quality import find_breaches
from mainstem.runtime.web import application
from mainstem.testing.site import Site

RETAIL = Path(__file__).parents[2] / "data" / "online_retail.csv.gz"
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: retail-lines
version: 1.0.0
customProperties: [{property: source, value: retail}]
schema:
  - name: lines
    customProperties:
      - {property: partitionKey, value: customer}
      - {property: occurredAt, value: invoiced_at}
      - {property: repeat, value: body}
      - property: mapping
        value:
          entity: usage_event
          attributes: {customer_id: customer, event: kind, occurred_at: invoiced_at, quantity: quantity, object: stock_code}
    quality:
      - {name: small, type: custom, engine: mainstem, implementation: quantity * unit_price <= 100}
    properties:
      - {name: kind, logicalType: string, required: true}
      - {name: stock_code, logicalType: string, required: true}
      - {name: description, logicalType: string, customProperties: [{property: completeness, value: 0.999}]}
      - {name: quantity, logicalType: integer, required: true, logicalTypeOptions: {minimum: 1}}
      - {name: invoiced_at, logicalType: timestamp, required: true}
      - {name: unit_price, logicalType: number, required: true}
      - {name: customer, logicalType: string, required: true}
"""
DEAR = "Quantity::INT * UnitPrice::DECIMAL(18, 6) > 100"

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def lines() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE line AS SELECT * FROM read_csv(?, all_varchar = true)", [str(RETAIL)])
    return connection


@pytest.fixture
def site(migrated_dsn: str, tmp_path: Path, lines: duckdb.DuckDBPyConnection) -> Site:
    """An installation in which the lines are in effect, and all of them once more."""
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/retail/lines.yaml", CONTRACT)
    rows = lines.execute(
        "SELECT 'line', StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID FROM line"
    ).fetchall()
    names = ("kind", "stock_code", "description", "quantity", "invoiced_at", "unit_price", "customer")
    body = json.dumps([dict(zip(names, row, strict=True)) for row in rows]).encode()
    with site.runtime() as runtime, runtime.door as door:
        for _ in range(2):
            assert door.submit(Delivery("retail", body, "application/json", stream="lines")).accepted == len(rows)
    site.work()
    return site


@pytest.fixture
def ask(site: Site) -> Ask:
    """Asks the API as an analyst would."""

    def asked(path: str, status: int = 200, **parameters: Any) -> Any:
        async def fetch() -> Any:
            with site.runtime() as runtime, runtime.door:
                key = ApiKeys(runtime.database, runtime.clock).create(uuid.uuid4().hex, Role.ANALYST)
                async with httpx.AsyncClient(
                    transport=httpx.ASGITransport(application(runtime)),
                    base_url="http://mainstem.test",
                    headers={"Authorization": f"Bearer {key}"},
                ) as client:
                    answer = await client.get(f"/api/v1/data/quality/{path}", params=parameters)
            assert answer.status_code == status, answer.text
            return answer.json().get("data", answer.json())

        return asyncio.run(fetch())

    return asked


def test_the_answer_says_what_the_file_says(site: Site, ask: Ask, lines: duckdb.DuckDBPyConnection) -> None:
    def count(condition: str) -> int:
        # Every line came twice.
        return 2 * len(lines.execute(f"SELECT 1 FROM line WHERE {condition}").fetchall())

    total = count("true")
    found = ask("metrics", order="worst")
    fields: Mapping[str, Any] = {one["field"]: one for one in found["fields"]}
    expected = {
        "customer": (count("CustomerID IS NULL"), 0),
        "description": (count("Description IS NULL"), 0),
        "quantity": (0, count("Quantity::INT < 1")),
        "stock_code": (0, 0),
        "unit_price": (0, 0),
        "invoiced_at": (0, 0),
        "kind": (0, 0),
    }
    told = {
        name: tuple(one["scores"][kind]["of"] - one["scores"][kind]["good"] for kind in ("completeness", "validity"))
        for name, one in fields.items()
    }
    assert told == expected
    assert fields["unit_price"]["scores"]["consistency"]["good"] == total - count(DEAR)
    # Lines of years ago are late, all of them; next to that it is customers that are missing.
    assert [(one["field"], one["worst"]) for one in found["fields"][:2]] == [
        ("invoiced_at", "timeliness"),
        ("customer", "completeness"),
    ]
    assert (fields["customer"]["grade"], fields["kind"]["grade"]) == ("poor", "good")
    [stream] = found["streams"]
    assert stream["scores"]["completeness"]["of"] == total
    assert stream["scores"]["completeness"]["good"] == total - count("CustomerID IS NULL")
    [accepted, duplicate] = [
        int(site.query(f"SELECT sum(n) FROM ledger WHERE source = 'retail' AND term = '{term}'")[0][0])
        for term in ("accepted", "duplicate")
    ]
    assert stream["scores"]["uniqueness"]["of"] == accepted + duplicate
    assert stream["scores"]["uniqueness"]["good"] == accepted
    assert stream["scores"]["timeliness"]["good"] == 0
    # What was there before is there still.
    assert stream["completeness"]["of"] == stream["records"] == total
    assert stream["freshness"]["met"] is False
    assert "accuracy" not in stream["scores"]
    assert "truth" in found["overall"]["unmeasured"]["accuracy"]


def test_filters_narrow_and_a_field_has_its_days(ask: Ask) -> None:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    one = ask("metrics", source="retail", stream="lines", field="customer", dimension="completeness")
    [field] = one["fields"]
    assert set(field["scores"]) == {"completeness"}
    [day] = field["days"]
    assert day["completeness"] == field["scores"]["completeness"]["value"]
    assert day["breached"] is True
    assert field["scores"]["completeness"]["objective"] == 0.95
    assert ask("metrics", 404, source="nobody")["detail"] == "Nothing was ever received from 'nobody'."
    assert "customer" in ask("metrics", 404, field="custommer")["hint"]
    assert len(ask("metrics", limit=2)["fields"]) == 2
    assert ask("metrics", limit=2)["fields_total"] == 7
    assert ask("metrics", to="2020-01-10")["fields"] == []
    assert today <= ask("metrics")["to"]
    for wrong in (
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"form": "x"},
    ):
        assert ask("metrics", 422, **wrong)["type"] == "/problems/invalid"
    assert ask("metrics", 422, dimension="beauty")["type"] == "/problems/invalid"


def test_impact_names_who_and_what_rests_on_it(ask: Ask, lines: duckdb.DuckDBPyConnection) -> None:
    found = ask("impact")
    [stream] = found["streams"]
    bad = f"Quantity::INT < 1 OR {DEAR}"
    [(customers,)] = lines.execute(f"SELECT count(DISTINCT CustomerID) FROM line WHERE {bad}").fetchall()
    [(nobody,)] = lines.execute("SELECT 2 * count(*) FROM line WHERE CustomerID IS NULL").fetchall()
    assert (stream["customers"], found["customers"], stream["unattributed"]) == (customers, customers, nobody)
    assert "events" in stream["metrics"]
    assert found["metrics"] == stream["metrics"]
    assert found["components"]
    # Nothing is made of a description.
    assert {one["field"] for one in stream["fields"]} == {"customer"}
    assert {"kind": "metric", "name": "events"} in stream["fields"][0]["uses"]
    assert ask("impact", 404, source="nobody")["type"] == "/problems/not-found"


def test_breaches_are_told_and_a_rebuild_counts_alike(site: Site, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    with site.runtime() as runtime:
        new = find_breaches(runtime.database, runtime.registry, runtime.config.quality, runtime.clock)
    assert sorted(one.field for one in new) == ["customer", "description"]
    before = ask("metrics")
    assert sorted(one["field"] for one in before["breaches"]) == ["customer", "description"]
    site.fill_lake()
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    result = json.loads(capsys.readouterr().out)
    assert (status, result["identical"], result["tables"]["field_quality"]["rows"]) == (0, True, 7)
    assert ask("metrics")["fields"] == before["fields"]
    with site.runtime() as runtime:
        assert not find_breaches(runtime.database, runtime.registry, runtime.config.quality, runtime.clock)
