"""Rules on the way of a record: quarantine with the rule's name, warnings counted with what they are of."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.main import main
from mainstem.intake import Delivery
from mainstem.testing.site import Site

CONTRACT = """
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
    quality:
      - {name: refunds, type: custom, engine: mainstem, implementation: "kind <> 'refund' OR amount <= 0", description: a refund takes money back}
      - {name: round, type: custom, engine: mainstem, implementation: amount % 1 = 0, severity: warn}
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: account, logicalType: string, required: true}
      - {name: kind, logicalType: string, required: true}
      - {name: at, logicalType: timestamp, required: true}
      - name: amount
        logicalType: number
        logicalTypeOptions: {maximum: 1000}
        customProperties: [{property: limitSeverity, value: warn}]
"""
AMOUNTS = [("sale", 5), ("sale", 5.5), ("refund", 5), ("refund", -5), ("sale", 1000.5), ("sale", None), ("sale", 2000)]


def test_rules_from_the_door_to_the_tables_and_again_from_the_lake(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.stand_at(dt.datetime(2026, 1, 14, 12, tzinfo=dt.UTC))
    records: list[dict[str, Any]] = [
        {"id": str(n), "account": f"a{n}", "kind": kind, "at": "2026-01-14T10:00:00Z", "amount": amount}
        for n, (kind, amount) in enumerate(AMOUNTS)
    ]
    with site.runtime() as runtime, runtime.door as door:
        runtime.registry.activate(CONTRACT, runtime.clock.wall())
        body = json.dumps(records).encode()
        for _ in range(2):
            assert door.submit(Delivery("shop", body, "application/json", stream="orders")).accepted == len(records)
    site.work()
    with site.runtime() as runtime, runtime.database.autocommit() as connection:
        quarantined = connection.execute(
            "SELECT reason, field, rule, message, contract_version FROM quarantine"
        ).fetchall()
        assert [row[:3] for row in quarantined] == [("rule_failed", None, "refunds")] * 2
        assert "a refund takes money back" in quarantined[0][3]
        warned = connection.execute(
            "SELECT source, stream, rule, field, count(DISTINCT day), sum(n)::int"
            " FROM rule_warning GROUP BY 1, 2, 3, 4 ORDER BY rule"
        ).fetchall()
        # Each copy that was checked counts, the second delivery's too.
        assert warned == [
            ("shop", "orders", "amount.maximum", "amount", 1, 4),
            ("shop", "orders", "round", None, 1, 4),
        ]
    site.fill_lake()
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    result = json.loads(capsys.readouterr().out)
    assert (status, result["identical"], result["tables"]["warning"]["rows"]) == (0, True, 2)


def test_a_rule_that_moves_from_the_stream_to_a_field_stays_one_rule(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.stand_at(dt.datetime(2026, 1, 14, 12, tzinfo=dt.UTC))
    rule = "{name: round, type: custom, engine: mainstem, implementation: amount % 1 = 0, severity: warn}"
    moved = CONTRACT.replace(f"      - {rule}\n", "") + f"        quality: [{rule}]\n"
    with site.runtime() as runtime, runtime.door as door:
        for n, text in enumerate([CONTRACT, moved]):
            runtime.registry.activate(text, runtime.clock.wall())
            record = {"id": str(n), "account": "a", "kind": "sale", "at": "2026-01-14T10:00:00Z", "amount": 5.5}
            body = json.dumps([record]).encode()
            assert door.submit(Delivery("shop", body, "application/json", stream="orders")).accepted == 1
    # Both versions are in one span, here and in the rebuild.
    site.work()
    with site.runtime() as runtime, runtime.database.autocommit() as connection:
        warned = connection.execute("SELECT rule, field, n FROM rule_warning").fetchall()
    assert warned == [("round", "amount", 2)]
    site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)]) == 0
    assert json.loads(capsys.readouterr().out)["identical"]
