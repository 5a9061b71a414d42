"""Remedies on the way of a record: what takes effect, what is kept of how it came, what is counted, and again from the lake."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstem.access import ApiKeys, Role
from mainstem.cli.main import main
from mainstem.intake import Delivery
from mainstem.runtime.web import application
from mainstem.testing.samples import state_contract
from mainstem.testing.site import Site

AT = "2026-01-14T10:00:00Z"
PLANS = "plan,seats,region\nfree,5,\npro,50,emea\n"


def remedies(*entries: dict[str, Any], **custom: Any) -> list[dict[str, Any]]:
    return [
        {"property": "remedies", "value": list(entries)},
        *({"property": name, "value": value} for name, value in custom.items()),
    ]


FIELDS: dict[str, dict[str, Any]] = {
    "name": {"customProperties": remedies({"standardise": "trim"}, pii="name")},
    "plan": {
        "required": True,
        "enum": [{"value": "free"}, {"value": "pro"}],
        "customProperties": remedies(
            {"standardise": "trim"}, {"standardise": "lower"}, {"impute": {"constant": "free"}}
        ),
    },
    "country": {"customProperties": remedies({"standardise": "country"})},
    "region": {"customProperties": remedies({"enrich": {"table": "plans", "key": "plan", "column": "region"}})},
    "discount": {
        "logicalType": "number",
        "customProperties": remedies({"clip": {"by": "plan", "bounds": {"free": [0, 0]}, "min": 0, "max": 100}}),
    },
    "logins": {"logicalType": "integer", "customProperties": remedies({"flag": {"max": 1000}})},
}
MAPPING = ("customer", {"customer_id": "id", **{name: name for name in FIELDS}})
CONTRACT = state_contract("crm", "accounts", MAPPING, FIELDS)
PLAIN = state_contract(
    "crm",
    "accounts",
    MAPPING,
    {
        name: {key: value for key, value in field.items() if key not in {"customProperties", "enum"}}
        | ({"pii": "name"} if name == "name" else {})
        for name, field in FIELDS.items()
    },
)

ACCOUNTS: list[dict[str, Any]] = [
    {"id": "a", "name": "  Ann \t Lee ", "plan": " Pro", "country": "Germany", "discount": 120.5, "logins": 5000},
    {"id": "b", "name": "Bo", "country": "PT", "discount": 3},
    {"id": "c", "name": "Cy", "plan": "pro", "country": "Narnia", "region": "apac", "discount": 7, "logins": 3},
    {"id": "d", "name": "Di", "plan": "gold", "country": "US"},
]


def activate(site: Site, text: str, plans: str = PLANS) -> None:
    folder = site.data_dir.parent / f"project-{uuid.uuid4().hex}"
    for path, content in (("contracts/crm/accounts.yaml", text), ("reference/plans.csv", plans)):
        file = folder / path
        file.parent.mkdir(parents=True)
        file.write_text(content)
    assert main(["activate", str(folder), "--data-dir", str(site.data_dir)]) == 0


def send(site: Site, *records: dict[str, Any], op: str = "upsert", at: str = AT) -> None:
    with site.runtime() as runtime, runtime.door as door:
        body = [{"stream": "accounts", "op": op, "payload": {"updated_at": at, **record}} for record in records]
        receipt = door.submit(Delivery("crm", json.dumps(body).encode()))
        assert receipt.accepted == len(records), receipt
    site.work()


def ask(site: Site, path: str, role: Role = Role.ANALYST, status: int = 200) -> Any:
    async def fetch() -> Any:
        with site.runtime() as runtime, runtime.door:
            key = ApiKeys(runtime.database, runtime.clock).create(uuid.uuid4().hex, role)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(application(runtime)),
                base_url="http://mainstem.test",
                headers={"Authorization": f"Bearer {key}"},
            ) as client:
                answer = await client.get(f"/api/v1/{path}")
        assert answer.status_code == status, answer.text
        return answer.json()["data"] if status == 200 else answer.json()

    return asyncio.run(fetch())


def customer(site: Site, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(site, f"analytics/customer-health/crm:{name}")["customer"]
    return found


def changes(told: dict[str, Any]) -> dict[str, Any]:
    return {name: (one["from"], one["by"]) for name, one in told["remedied"].items()}


def kept(site: Site, country: str) -> dict[str, Any]:
    """What lies beside the attributes without personal data of the only account of a country."""
    [(remedied,)] = site.query("SELECT remedied FROM entity WHERE attributes ->> 'country' = %s", country)
    return changes({"remedied": remedied})


@pytest.fixture
def site(migrated_dsn: str, tmp_path: Path) -> Site:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.stand_at(dt.datetime(2026, 1, 14, 12, tzinfo=dt.UTC))
    activate(site, CONTRACT)
    return site


def rebuild(site: Site, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    site.fill_lake()
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (status, result["identical"]) == (0, True), result
    return result


def test_values_are_remedied_and_told_with_how_they_came(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    send(site, *ACCOUNTS)
    told = customer(site, "a")
    assert (told["name"], told["plan"], told["region"]) == ("Ann Lee", "pro", "emea")
    assert changes(told) == {
        "name": ("  Ann \t Lee ", ["standardise.trim"]),
        "plan": (" Pro", ["standardise.trim", "standardise.lower"]),
        "region": (None, ["enrich.plans"]),
    }
    # What the API does not serve lies there all the same.
    assert kept(site, "DE") == {
        "plan": (" Pro", ["standardise.trim", "standardise.lower"]),
        "country": ("Germany", ["standardise.country"]),
        "region": (None, ["enrich.plans"]),
        "discount": (120.5, ["clip"]),
        "logins": (5000, ["flag"]),
    }
    observed = site.query("SELECT observed_at FROM entity WHERE attributes ->> 'country' = 'DE'")[0][0]
    assert {dt.datetime.fromisoformat(one["at"]) for one in told["remedied"].values()} == {observed}
    assert changes(customer(site, "b")) == {"plan": (None, ["impute"])}
    assert kept(site, "PT") == {"plan": (None, ["impute"]), "discount": (3, ["clip"])}
    # What nobody knows stays as it came, and what the source says is not enriched.
    assert changes(customer(site, "c")) == {}
    assert (customer(site, "c")["region"], customer(site, "c")["remedied"]) == ("apac", {})
    # What checks say of the remedied value goes for it.
    assert site.query("SELECT reason, field FROM quarantine") == [("not_allowed", "plan")]
    before = [customer(site, name) for name in "abc"]
    result = rebuild(site, capsys)
    assert result["tables"]["remedy"]["rows"] == 8
    assert [customer(site, name) for name in "abc"] == before


def test_the_original_of_what_is_personal_lies_sealed(site: Site) -> None:
    send(site, ACCOUNTS[0])
    for table in ("entity", "entity_version"):
        [(clear, sealed)] = site.query(f"SELECT row_to_json(one)::text, remedied_sealed FROM {table} AS one")
        assert "Ann" not in clear
        assert "Germany" in clear
        assert sealed is not None
        assert b"Ann" not in sealed


def test_quality_counts_what_was_wrong_before_it_was_remedied(site: Site) -> None:
    send(site, *ACCOUNTS)
    found = {one["field"]: one for one in ask(site, "data/quality/metrics")["fields"]}
    assert found["plan"]["remedied"] == {
        "standardised": 2,
        "imputed": 1,
        "clipped": 0,
        "flagged": 0,
        "enriched": 0,
        "remedies": [
            {"remedy": "impute", "records": 1},
            {"remedy": "standardise.lower", "records": 1},
            {"remedy": "standardise.trim", "records": 1},
        ],
    }
    # One of four had no plan, whatever was put there.
    assert (found["plan"]["scores"]["completeness"]["good"], found["plan"]["scores"]["completeness"]["of"]) == (3, 4)
    assert found["discount"]["remedied"]["clipped"] == 2
    assert (found["discount"]["scores"]["validity"]["good"], found["discount"]["scores"]["validity"]["of"]) == (1, 3)
    assert (found["logins"]["remedied"]["flagged"], found["logins"]["scores"]["validity"]["good"]) == (1, 1)
    assert site.query("SELECT kind, n::int FROM drift_count ORDER BY kind") == [
        ("enum_growth", 1),
        ("missing_field", 1),
    ]
    assert site.query("SELECT sum(records)::int, sum(incomplete)::int, sum(invalid)::int FROM quality_count") == [
        (4, 1, 3)
    ]


def test_a_patch_is_remedied_and_nothing_is_made_up_for_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    send(site, ACCOUNTS[0])
    send(site, {"id": "a", "country": " us "}, op="patch", at="2026-01-14T11:00:00Z")
    told = customer(site, "a")
    assert told["plan"] == "pro"
    assert kept(site, "US")["country"] == (" us ", ["standardise.country"])
    assert changes(told)["name"] == ("  Ann \t Lee ", ["standardise.trim"])
    send(site, {"id": "a", "country": "FR"}, op="patch", at="2026-01-14T11:30:00Z")
    assert "country" not in kept(site, "FR")
    rebuild(site, capsys)


def test_the_same_record_again_is_a_duplicate_and_another_original_a_version(site: Site) -> None:
    for record in (ACCOUNTS[2], ACCOUNTS[2], {**ACCOUNTS[2], "plan": "Pro"}, ACCOUNTS[2]):
        send(site, record)
    [line] = [one for one in site.status() if one.stream == "accounts"]
    assert (line.accepted, line.duplicate) == (3, 1)


def test_the_contract_without_remedies_takes_them_back_as_records_come_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    send(site, ACCOUNTS[0], ACCOUNTS[2])
    activate(site, PLAIN)
    assert customer(site, "a")["plan"] == "pro"
    send(site, ACCOUNTS[0], ACCOUNTS[2])
    told = customer(site, "a")
    assert (told["plan"], told["name"], told["remedied"]) == (" Pro", "  Ann \t Lee ", {})
    # Of what nothing had been remedied in nothing changed.
    [line] = [one for one in site.status() if one.stream == "accounts"]
    assert (line.accepted, line.duplicate) == (3, 1)
    rebuild(site, capsys)
    assert customer(site, "a") == told


EVENTS = """
apiVersion: v3.2.0
kind: DataContract
id: shop-orders
version: 1.0.0
customProperties: [{property: source, value: shop}]
schema:
  - name: orders
    customProperties:
      - {property: partitionKey, value: account}
      - {property: recordId, value: id}
      - {property: occurredAt, value: at}
      - property: mapping
        value:
          entity: usage_event
          attributes: {customer_id: account, event: kind, occurred_at: at, quantity: amount}
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: account, logicalType: string, required: true}
      - {name: kind, logicalType: string, required: true, customProperties: [{property: remedies, value: [{standardise: lower}]}]}
      - {name: at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number, customProperties: [{property: remedies, value: [{impute: {constant: 1}}, {clip: {max: 9}}]}]}
"""


def test_events_are_remedied_and_counted_by_day(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.declare("contracts/shop/orders.yaml", EVENTS)
    amounts = [5, None, 20, 20.5, None, "many"]
    body = [
        {"id": str(n), "account": "a", "kind": "SALE", "at": AT, "amount": amount} for n, amount in enumerate(amounts)
    ]
    with site.runtime() as runtime, runtime.door as door:
        for _ in range(2):
            delivery = Delivery("shop", json.dumps(body).encode(), "application/json", stream="orders")
            assert door.submit(delivery).accepted == len(amounts)
    site.work()
    counted = site.query(
        "SELECT field, remedy, count(DISTINCT day), sum(n)::int FROM remedy_count GROUP BY 1, 2 ORDER BY 1, 2"
    )
    # Each copy that was checked counts, the second delivery's too; those that go to quarantine do not.
    assert counted == [("amount", "clip", 1, 4), ("amount", "impute", 1, 4), ("kind", "standardise.lower", 1, 10)]
    found = {one["field"]: one for one in ask(site, "data/quality/metrics?source=shop")["fields"]}
    assert (found["amount"]["remedied"]["imputed"], found["amount"]["remedied"]["clipped"]) == (4, 4)
    completeness, validity = (found["amount"]["scores"][name] for name in ("completeness", "validity"))
    assert (completeness["good"], completeness["of"], validity["good"], validity["of"]) == (8, 12, 2, 8)
    rebuild(site, capsys)
    assert site.query("SELECT sum(n)::int FROM remedy_count") == [(18,)]


def test_a_table_of_the_largest_size_is_activated_and_read_again_from_the_lake(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    label = "x" * 80
    table = "plan,seats,region\n" + "".join(f"p{n},{n},{label}{n}\n" for n in range(9_999)) + f"pro,1,{label}\n"
    activate(site, CONTRACT, table)
    send(site, {"id": "a", "plan": "Pro"}, {"id": "b", "plan": "free"})
    assert (customer(site, "a")["region"], customer(site, "b")["region"]) == (label, None)
    rebuild(site, capsys)
    assert customer(site, "a")["region"] == label


REVENUE = """
name: revenue
entity: usage_event
measure: sum
value: quantity
where: event = 'sale'
bucket: day
unit: euros
imputed: ignore
"""
HEALTH = """
name: sales
components:
  - {name: revenue, kind: frequency, metric: revenue, window: 7d, weight: 1, imputed: ignore, curve: [[0, 0], [10, 100]]}
bands: [{name: all, from: 0}]
"""


def test_a_score_leaves_imputed_inputs_out(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for path, text in (
        ("contracts/shop/orders.yaml", EVENTS),
        ("metrics/revenue.yaml", REVENUE),
        ("health/sales.yaml", HEALTH),
    ):
        site.declare(path, text)
    ordered: dict[str, list[int | None]] = {"a": [5, 2, None, None], "b": [5, 2]}
    body = [
        {"id": f"{account}{n}", "account": account, "kind": "SALE", "at": AT, "amount": amount}
        for account, amounts in ordered.items()
        for n, amount in enumerate(amounts)
    ]
    with site.runtime() as runtime, runtime.door as door:
        delivery = Delivery("shop", json.dumps(body).encode(), "application/json", stream="orders")
        assert door.submit(delivery).accepted == len(body)
    site.work()
    site.score()

    def told(name: str) -> Any:
        answer = ask(site, f"analytics/customer-health/shop:{name}")
        [one] = answer["contributions"]
        return one["input"]["value"], one["input"]["grade"], one["reason"], one["points"]

    expected = [
        (7, "partial", "7 euros in 7 days. 2 inputs imputed, left out.", 70),
        (7, "fresh", "7 euros in 7 days.", 70),
    ]
    assert [told(name) for name in "ab"] == expected
    rebuild(site, capsys)
    assert site.query(
        "SELECT metric, sum(value)::int FROM cell JOIN series ON cell.series = series.series"
        " WHERE metric LIKE 'revenue%%' GROUP BY 1 ORDER BY 1"
    ) == [("revenue", 14), ("revenue.imputed", 2)]
    site.score()
    assert [told(name) for name in "ab"] == expected


ORIGINALS = "data/quality/remedies/originals?source=crm&stream=accounts"


def test_remedies_are_listed_with_their_share_and_originals_shown_to_who_may_see_them(site: Site) -> None:
    send(site, *ACCOUNTS)
    found = ask(site, "data/quality/remedies?source=crm")
    told = {(one["field"], one["remedy"]): one for one in found["remedies"]}
    assert (found["total"], len(told)) == (8, 8)
    day = found["to"]
    assert told["region", "enrich.plans"] == {
        "source": "crm",
        "stream": "accounts",
        "field": "region",
        "remedy": "enrich.plans",
        "effect": "enriched",
        "records": 1,
        "of": 4,
        "share": 0.25,
        "latest": day,
        "kept": True,
    }
    assert found["remedies"][0]["records"] == 2
    assert ask(site, "data/quality/remedies?source=crm&to=2026-01-02")["remedies"] == []
    for field, remedy, expected in (
        ("country", "standardise.country", [("crm:a", "Germany", "DE")]),
        ("name", "standardise.trim", [("crm:a", "  Ann \t Lee ", "Ann Lee")]),
        ("discount", "clip", [("crm:b", 3, 0), ("crm:a", 120.5, 100)]),
        ("plan", "standardise.trim", [("crm:a", " Pro", "pro")]),
        ("plan", "impute", [("crm:b", None, "free")]),
        ("id", "impute", []),
    ):
        shown = ask(site, f"{ORIGINALS}&field={field}&remedy={remedy}", Role.ADMIN)["originals"]
        assert sorted((one["id"], one["from"], one["value"]) for one in shown) == sorted(expected)
    assert ask(site, f"{ORIGINALS}&field=discount&remedy=clip&limit=1", Role.ADMIN)["originals"][0]["by"] == ["clip"]
    refused = ask(site, f"{ORIGINALS}&field=name&remedy=standardise.trim", Role.ENGINEER, 403)
    assert "quarantine:reveal" in refused["detail"]
    other = ORIGINALS.replace("accounts", "orders") + "&field=amount&remedy=impute"
    assert "No contract" in ask(site, other, Role.ADMIN, 404)["detail"]
    site.declare("contracts/shop/orders.yaml", EVENTS)
    events = other.replace("crm", "shop")
    assert "events, which keep no originals" in ask(site, events, Role.ADMIN, 422)["detail"]
