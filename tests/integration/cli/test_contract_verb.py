"""`mainstem contract` on the files of the guide, changed for better and worse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.main import main
from mainstem.testing.samples import accounts_contract, state_contract

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guides/your-own-data.md").read_text()
EMAIL = "jane.doe@example.com"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, contents in re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents)
    return tmp_path / "shop"


@pytest.fixture
def contract(shop: Path) -> Path:
    return shop / "contracts/shop/orders.yaml"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    def call(*arguments: object) -> tuple[int, Any]:
        capsys.readouterr()
        status = main(["contract", *map(str, arguments), "--json"])
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if printed.out else printed.err

    return call


def test_a_good_contract(run: Any, contract: Path) -> None:
    status, result = run("check", contract)
    assert (status, result["contract"], result["ok"]) == (0, "shop.orders", True)


def test_an_attribute_that_looks_like_a_slip_is_told_and_kept(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "tests/data/entities/ticket.yaml").read_text()
    file = tmp_path / "tickets.yaml"
    file.write_text(text.replace("            priority: priority\n", "            prioritty: priority\n"))
    status, result = run("check", file)
    note = "'prioritty' is kept as an attribute of your own; ticket has one called 'priority'."
    assert (status, result["notes"]) == (0, [note])
    main(["contract", "check", str(file)])
    assert f"Perhaps a slip: {note}" in capsys.readouterr().out


def test_a_draft_of_tickets_is_one_of_tickets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = tmp_path / "tickets.ndjson"
    rows = [
        {"id": n, "organization_id": 7, "status": status, "created_at": "2026-01-09T22:55:29Z"}
        for n, status in enumerate(("new", "waiting", "solved"))
    ]
    sample.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["contract", "init", str(sample), "--source", "desk", "--stream", "tickets"]) == 0
    draft = tmp_path / "draft.yaml"
    draft.write_text(capsys.readouterr().out)
    assert "entity: ticket" in draft.read_text()
    assert main(["contract", "check", str(draft), "--sample", str(sample)]) == 0
    assert "3 of 3 records pass." in capsys.readouterr().out


def test_a_wrong_one_is_named_with_its_place(run: Any, contract: Path) -> None:
    contract.write_text(contract.read_text().replace("recordId", "recordID"))
    status, message = run("check", contract)
    assert status == 2
    assert f"{contract}: schema[0].customProperties[2]" in message
    assert "Did you mean 'recordId'?" in message


def test_checks_that_duckdb_does_not_take_are_an_error_of_the_contract(
    run: Any, contract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainstem.contracts._limits.portable_pattern", lambda pattern: pattern)
    contract.write_text(
        contract.read_text() + "\n      - {name: x, logicalType: string, logicalTypeOptions: {pattern: '[z-a]'}}\n"
    )
    status, message = run("check", contract)
    assert (status, f"{contract}: DuckDB does not take the contract's checks" in message) == (2, True)


def test_a_missing_file_and_a_missing_sample_are_unusable(run: Any, contract: Path) -> None:
    assert run("check", contract.parent / "none.yaml")[0] == 2
    assert run("check", contract, "--sample", contract.parent / "none.csv")[0] == 2
    assert run("check", contract, "--against", contract.parent / "none.yaml")[0] == 2


def test_a_sample_is_counted_by_reason_and_told_by_row(run: Any, contract: Path, capsys: Any) -> None:
    rule = "      - name: account\n        quality:\n          - {name: no_mail, type: custom, engine: mainstem, implementation: \"NOT contains(account, '@')\"}\n"
    contract.write_text(contract.read_text().replace("      - name: account\n", rule))
    sample = contract.parents[3] / "sample.csv"
    rows = [
        "o1,acme,2026-01-12T09:30:00Z,desk,1",
        f"o2,{EMAIL},2026-01-12T09:30:00Z,desk,1",
        "o3,acme,then,desk,1",
        "o4,acme,then,desk,1",
    ]
    sample.write_text("order_id,account,placed_at,product,amount\n" + "\n".join(rows) + "\n")
    status, result = run("check", contract, "--sample", sample)
    tried = result["sample"]
    assert (status, result["ok"], tried["rows"], tried["passed"]) == (1, False, 4, 1)
    assert tried["reasons"] == [
        {"reason": "invalid_time", "field": "placed_at", "rule": None, "count": 2},
        {"reason": "rule_failed", "field": "account", "rule": "no_mail", "count": 1},
    ]
    assert [(one["row"], one["rule"]) for one in tried["failed"]] == [(2, "no_mail"), (3, None), (4, None)]
    capsys.readouterr()
    assert main(["contract", "check", str(contract), "--sample", str(sample)]) == 1
    printed = capsys.readouterr().out
    assert "1 of 4 records pass." in printed
    assert "record 2: Rule 'no_mail' does not hold" in printed
    assert EMAIL not in printed + json.dumps(result)
    assert run("check", contract, "--sample", sample, "--rows", 1)[0] == 0


def test_what_a_policy_discards_is_told_apart(run: Any, contract: Path, capsys: Any) -> None:
    contract.write_text(
        contract.read_text().replace(
            "      - {property: partitionKey",
            "      - {property: schemaChange, value: {type_change: discard_row}}\n      - {property: partitionKey",
        )
    )
    sample = contract.parents[3] / "sample.csv"
    head = "order_id,account,placed_at,product,amount\n"
    sample.write_text(f"{head}o1,acme,then,desk,1\no2,acme,2026-01-12T09:30:00Z,,1\n")
    status, result = run("check", contract, "--sample", sample)
    tried = result["sample"]
    assert (status, tried["rows"], tried["discarded"]) == (1, 2, 1)
    capsys.readouterr()
    main(["contract", "check", str(contract), "--sample", str(sample)])
    assert "1 are discarded, as the contract says" in capsys.readouterr().out


def test_a_breaking_change_names_what_it_hits(run: Any, contract: Path) -> None:
    old = contract.parents[3] / "old.yaml"
    old.write_text(contract.read_text())
    contract.write_text(
        contract.read_text().replace("{name: amount, logicalType: number", "{name: amount, logicalType: integer")
    )
    status, result = run("check", contract, "--against", old)
    [change] = result["changes"]
    assert (status, change["code"], change["breaking"], change["fields"]) == (1, "type_changed", True, ["amount"])
    hits = {(hit["kind"], hit["name"]) for hit in change["hits"]}
    assert {("entity", "usage_event.quantity"), ("metric", "revenue"), ("health component", "shop.revenue")} <= hits
    assert ("health component", "shop.recency") not in hits


def test_a_key_that_other_contracts_of_the_project_refer_to_is_kept(run: Any, tmp_path: Path) -> None:
    refers = {"account": {"pii": "identifier", "relationships": [{"type": "foreignKey", "to": "accounts.id"}]}}
    people = state_contract("crm", "people", ("person", {"person_id": "id", "customer_id": "account"}), refers)
    old, new = tmp_path / "old.yaml", tmp_path / "crm/contracts/accounts.yaml"
    new.parent.mkdir(parents=True)
    new.with_name("people.yaml").write_text(people)
    new.write_text(accounts_contract("crm"))
    old.write_text(accounts_contract("crm"))
    assert run("check", new)[0] == 0
    new.write_text(accounts_contract("crm").replace("name: id\n", "name: key\n").replace(": id\n", ": key\n"))
    status, said = run("check", new)
    assert (status, "crm.people, whose field account refers to it" in said) == (2, True), said
    assert "'id' is not the primary key of crm.accounts" in said
    status, changes = run("diff", old, new)
    assert status == 1
    hits = [(hit["kind"], hit["name"], hit["by"]) for change in changes for hit in change["hits"]]
    assert ("contract", "crm.people", "refers to it: account") in hits


OLD = "{name: amount, logicalType: number, required: true}"
CHANGES = [
    ("{name: amount, logicalType: number, required: true, description: More.}", None, False),
    ("{name: amount, logicalType: number, required: true, physicalName: Amount}", "path_changed", True),
    ("{name: amount, logicalType: number}", "required_removed", False),
    ("{name: amount, logicalType: number, required: true, logicalTypeOptions: {minimum: 0}}", "limit_tightened", True),
    ("{name: amount, logicalType: number, required: true, logicalTypeOptions: {minimum: 0}, customProperties: [{property: limitSeverity, value: warn}]}", "limit_tightened", False),
    ("{name: amount, logicalType: number, required: true, enum: [{value: 1}]}", "allowed_narrowed", True),
    ("{name: amount, logicalType: number, required: true, quality: [{name: r, type: custom, engine: mainstem, implementation: amount > 0}]}", "rule_added", True),
    ("{name: amount, logicalType: number, required: true, quality: [{name: r, type: custom, engine: mainstem, implementation: amount > 0, severity: warn}]}", "rule_added", False),
    ("{name: amount, logicalType: number, required: true, customProperties: [{property: pii, value: sensitive}]}", "pii_changed", True),
    ("{name: amount, logicalType: number, required: true, customProperties: [{property: completeness, value: 0.9}]}", "objective_changed", False),
    (OLD + "\n      - {name: note, logicalType: string}", "field_added", False),
    (OLD + "\n      - {name: note, logicalType: string, required: true}", "field_added", True),
]  # fmt: skip


@pytest.mark.parametrize(("new", "code", "breaks"), CHANGES)
def test_changes_are_told_apart(run: Any, contract: Path, new: str, code: str | None, breaks: bool) -> None:  # noqa: FBT001 - an answer
    other = contract.with_name("new.yaml")
    other.write_text(contract.read_text().replace(OLD, new))
    status, changes = run("diff", contract, other)
    assert [change["code"] for change in changes] == ([] if code is None else [code])
    assert status == int(breaks)
    # The other way round what was added is removed again.
    if code == "field_added":
        _, [back] = run("diff", other, contract)
        assert (back["code"], back["breaking"]) == ("field_removed", True)
    if code == "limit_tightened":
        assert [(one["code"], one["breaking"]) for one in run("diff", other, contract)[1]] == [
            ("limit_loosened", False)
        ]
    if code == "allowed_narrowed":
        assert [one["code"] for one in run("diff", other, contract)[1]] == ["allowed_widened"]


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("value: order_id}", "value: account}", {"record_id_changed"}),
        ("object: product", "object: order_id", {"mapping_changed"}),
        ("            object: product\n", "", {"attribute_removed"}),
        ("repeat, value: id", "repeat, value: none", {"repeat_changed", "record_id_changed"}),
        ("value: 2, unit: d", "value: 3, unit: d", {"freshness_changed"}),
    ],
)
def test_changes_of_the_stream(run: Any, contract: Path, old: str, new: str, codes: set[str]) -> None:
    text = contract.read_text()
    assert old in text
    other = contract.with_name("new.yaml")
    other.write_text(
        text.replace(old, new).replace(
            "      - {property: recordId, value: order_id}\n",
            "" if "none" in new else "      - {property: recordId, value: order_id}\n",
        )
    )
    assert {change["code"] for change in run("diff", contract, other)[1]} == codes


def test_two_streams_are_not_versions_of_one(run: Any, contract: Path) -> None:
    other = contract.with_name("new.yaml")
    other.write_text(contract.read_text().replace("  - name: orders", "  - name: returns"))
    status, message = run("diff", contract, other)
    assert status == 2
    assert "shop.returns is no version of shop.orders" in message


def test_what_it_shows(run: Any, contract: Path, capsys: Any) -> None:
    status, said = run("show", contract)
    assert (status, said["entity"], said["partition_key"]) == (0, "usage_event", "account")
    fields = {field["name"]: field for field in said["fields"]}
    assert (fields["account"]["pii"], fields["amount"]["attributes"]) == ("identifier", ["quantity"])
    capsys.readouterr()
    assert main(["contract", "show", str(contract)]) == 0
    assert "placed_at" in capsys.readouterr().out


PEOPLE = [
    {"Account ID": f"acme-{n % 7}", "eventId": f"e{n}", "occurredAt": f"2026-01-{n % 28 + 1:02d}T10:00:00Z", "plan": ["free", "paid"][n % 2],
     "seats": n, "price": n + 0.5, "code": f"0{n}", "contact": f"p{n}@example.com", "Mobile": f"+43 1 234 56{n:02d}",
     "sales rep": ["Jane Doe", "John Roe", "Ann Poe"][n % 3] if n < 3 else None, "tags": [1], "extra": {"a": n}, "ok": True, "nick": None}
    for n in range(40)
]  # fmt: skip


def test_a_draft_takes_its_sample(shop: Path, capsys: Any, run: Any) -> None:
    sample = shop / "sample.ndjson"
    sample.write_text("".join(json.dumps(one) + "\n" for one in PEOPLE))
    capsys.readouterr()
    assert main(["contract", "init", str(sample), "--source", "shop", "--stream", "visits"]) == 0
    draft = shop / "contracts/shop/visits.yaml"
    draft.write_text(capsys.readouterr().out)
    assert "example.com" not in draft.read_text()
    status, result = run("check", draft, "--sample", sample)
    assert (status, result["sample"]["passed"]) == (0, 40)
    said = run("show", draft)[1]
    assert (said["kind"], said["partition_key"], said["record_id"], said["occurred_at"]) == (
        "event", "account_id", "event_id", "occurred_at",
    )  # fmt: skip
    fields = {field["name"]: field for field in said["fields"]}
    assert {name: field["type"] for name, field in fields.items()} == {
        "account_id": "string", "event_id": "string", "occurred_at": "timestamp", "plan": "string", "seats": "integer", "price": "number",
        "code": "string", "contact": "string", "mobile": "string", "sales_rep": "string", "tags": "array", "extra": "object", "ok": "boolean",
        "nick": "string",
    }  # fmt: skip
    assert {name: field["pii"] for name, field in fields.items() if field["pii"] != "none"} == {
        "account_id": "identifier", "contact": "email", "mobile": "phone", "sales_rep": "name",
    }  # fmt: skip
    assert fields["plan"]["allowed"] == ["free", "paid"]
    assert [name for name, field in fields.items() if not field["required"]] == ["sales_rep", "nick"]


def test_a_draft_of_a_table_is_of_customers(shop: Path, capsys: Any, run: Any) -> None:
    sample = shop / "customers.csv"
    sample.write_text("customer_id,full_name,seats\n" + "".join(f"c{n},Jane Doe {n},{n}\n" for n in range(9)))
    capsys.readouterr()
    assert main(["contract", "init", str(sample), "--source", "crm", "--stream", "customers"]) == 0
    draft = shop / "contracts/customers.yaml"
    draft.write_text(capsys.readouterr().out)
    assert run("check", draft, "--sample", sample)[0] == 0
    said = run("show", draft)[1]
    assert (said["kind"], said["key"]) == ("state", ["customer_id"])


def test_a_customer_with_gaps_is_still_the_customer(shop: Path, capsys: Any, run: Any) -> None:
    """And not the first column that has none; an id that a column with gaps made a fraction of stays as it is."""
    sample = shop / "lines.csv"
    lines = [f"{n // 3},2026-01-0{n % 9 + 1},{'' if n % 4 == 0 else f'{17850 + n % 5}.0'},{n}" for n in range(40)]
    sample.write_text("\n".join(["InvoiceNo,InvoiceDate,CustomerID,Quantity", *lines]) + "\n")
    capsys.readouterr()
    assert main(["contract", "init", str(sample), "--source", "shop", "--stream", "lines"]) == 0
    printed = capsys.readouterr()
    assert "10 of 40 records have no customer_id" in printed.err
    draft = shop / "contracts/shop/lines.yaml"
    draft.write_text(printed.out)
    said = run("show", draft)[1]
    assert (said["kind"], said["partition_key"]) == ("event", "customer_id")
    assert {field["name"]: field["type"] for field in said["fields"]}["customer_id"] == "string"
    status, result = run("check", draft, "--sample", sample)
    assert (status, result["sample"]["passed"]) == (1, 30)


def test_what_cannot_be_drafted(shop: Path, run: Any, capsys: Any) -> None:
    sample = shop / "none.ndjson"
    deep = b'{"customer_id":"c","x":' + b"[" * 5000 + b"]" * 5000 + b"}\n"
    for text in (b"", b'{"a": null}\n', b"[1]\n", b'{"customer_id":"\xff"}\n', b'{"customer_id":"c","\xff":1}\n', deep):
        sample.write_bytes(text)
        assert main(["contract", "init", str(sample), "--source", "crm", "--stream", "customers"]) == 2
        assert "mainstem: " in capsys.readouterr().err


@pytest.mark.parametrize("value", ["5 ", "6\u00a0", "\u0663", "\uff15", "1_000", "0x1A", "NaN", "007", "+5"])
def test_what_only_looks_like_a_number_is_drafted_as_a_text(
    shop: Path, capsys: Any, run: Any, tmp_path: Path, value: str
) -> None:
    sample, draft = tmp_path / "numbers.ndjson", shop / "contracts/numbers.yaml"
    rows = [{"customer_id": f"c{n}", "x": value, "y": f"{n}.5e3"} for n in range(3)]
    sample.write_text("".join(json.dumps(one) + "\n" for one in rows))
    capsys.readouterr()
    assert main(["contract", "init", str(sample), "--source", "crm", "--stream", "customers"]) == 0
    draft.write_text(capsys.readouterr().out)
    assert run("check", draft, "--sample", sample)[0] == 0
    assert [one["type"] for one in run("show", draft)[1]["fields"]] == ["string", "string", "number"]


def test_lines_that_no_draft_could_take_are_told(shop: Path, capsys: Any) -> None:
    sample = shop / "lines.csv"
    sample.write_text("customer_id,seats\nc1,1\nc2,2,3\nc3,3\n")
    capsys.readouterr()
    assert main(["contract", "init", str(sample), "--source", "crm", "--stream", "customers"]) == 0
    assert (
        f"1 line of the sample cannot be read, the first {sample}:3: more values than columns."
        in capsys.readouterr().err
    )
