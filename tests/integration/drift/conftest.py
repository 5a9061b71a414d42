"""An installation with a stream whose contract says what is done about drift."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mainstem.testing.site import Site

NOW = dt.datetime(2026, 1, 14, 12, tzinfo=dt.UTC)


def contract(*fields: Mapping[str, Any], policy: Any = None, version: str = "1.0.0", **attributes: str) -> str:
    """The text of shop.orders: an event with customer, kind, time, amount and plan, and `fields` besides or instead.

    A field's `policy` and `path`, and the stream's `policy`, are written as custom properties.
    """
    own: dict[str, dict[str, Any]] = {
        "id": {"logicalType": "string", "required": True},
        "account": {"logicalType": "string", "required": True},
        "kind": {"logicalType": "string", "required": True},
        "at": {"logicalType": "timestamp", "required": True},
        "amount": {"logicalType": "integer", "required": True},
        "plan": {"logicalType": "string", "enum": [{"value": "free"}, {"value": "paid"}]},
        "city": {"logicalType": "string", "path": "shipping.city"},
    }
    for field in fields:
        own[field["name"]] = {**own.get(field["name"], {}), **{k: v for k, v in field.items() if k != "name"}}
    mapping = {"customer_id": "account", "event": "kind", "occurred_at": "at", "quantity": "amount", "object": "plan"}
    custom: dict[str, Any] = {
        "source": "shop",
        "partitionKey": "account",
        "recordId": "id",
        "occurredAt": "at",
        "mapping": {"entity": "usage_event", "attributes": mapping | attributes},
    }
    if policy is not None:
        custom["schemaChange"] = policy
    return yaml.safe_dump(
        {
            "apiVersion": "v3.2.0",
            "kind": "DataContract",
            "id": "shop-orders",
            "version": version,
            "schema": [
                {
                    "name": "orders",
                    "customProperties": _properties(custom),
                    "properties": [_field(name, one) for name, one in own.items()],
                }
            ],
        },
        sort_keys=False,
    )


def _field(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    words = {"policy": "schemaChange", "path": "path", "pii": "pii"}
    custom = {words[key]: value for key, value in one.items() if key in words}
    rest = {key: value for key, value in one.items() if key not in words}
    return {"name": name, **rest, **({"customProperties": _properties(custom)} if custom else {})}


def _properties(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def order(number: int, **payload: Any) -> dict[str, Any]:
    """A payload of shop.orders; `None` takes a key away."""
    whole = {
        "id": f"o{number}",
        "account": f"c{number % 7}",
        "kind": "sale",
        "at": f"2026-01-14T10:{number % 60:02}:00Z",
        "amount": number % 5 + 1,
        "plan": "free",
        "shipping": {"city": "Riga"},
        **payload,
    }
    return {name: value for name, value in whole.items() if value is not None}


class Orders:
    """What is done to the installation, a step at a time."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def declare(self, *fields: Mapping[str, Any], **more: Any) -> None:
        self.site.declare("contracts/shop/orders.yaml", contract(*fields, **more))

    def send(self, *payloads: Mapping[str, Any]) -> None:
        self.site.send("shop", [{"stream": "orders", "payload": one} for one in payloads])

    def work(self, *payloads: Mapping[str, Any]) -> None:
        """Send, and let it take effect."""
        if payloads:
            self.send(*payloads)
        self.site.work()

    def terms(self) -> dict[str, int]:
        """Of shop.orders: every term of the ledger that is not nought, over all days."""
        lines = [line for line in self.site.status() if line.source == "shop"]
        names = ("received", "accepted", "duplicate", "quarantined", "held", "discarded", "pending")
        summed = {name: sum(getattr(one, name) for one in lines) for name in names}
        return {name: n for name, n in summed.items() if n}

    def counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Records by kind of drift and path, and those discarded for it."""
        rows = self.site.query(
            "SELECT kind, path, sum(n)::int, sum(discarded)::int FROM drift_count GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return {(kind, path): (n, discarded) for kind, path, n, discarded in rows}

    def findings(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Findings by kind, path and what was observed: their evidence, and the types."""
        rows = self.site.query("SELECT kind, path, observed, types, evidence FROM drift_finding")
        return {(kind, path, seen): {**evidence, "types": types} for kind, path, seen, types, evidence in rows}

    def told(self) -> list[tuple[str, str, str]]:
        """The changes of kind drift, in order."""
        rows = self.site.query("SELECT body FROM change WHERE kind = 'drift' ORDER BY channel, sequence")
        return [(body["kind"], body["path"], body["observed"]) for (body,) in rows]

    def amounts(self) -> int:
        """The sum of what took effect."""
        [(total,)] = self.site.query(
            "SELECT coalesce(sum(value), 0)::bigint FROM cell JOIN series USING (series)"
            " WHERE metric = 'quantity' AND source = 'shop'"
        )
        return int(total)

    def rebuild(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """Bring everything to the lake and rebuild from it; what the command told."""
        from mainstem.cli.main import main

        self.site.fill_lake()
        capsys.readouterr()
        status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(self.site.data_dir)])
        told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert status == 0, told
        return told


@pytest.fixture
def orders(migrated_dsn: str, tmp_path: Path) -> Orders:
    """Fresh, nothing declared; data time stands still."""
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.stand_at(NOW)
    return Orders(site)


def payloads(count: int, first: int = 0, **more: Any) -> Sequence[dict[str, Any]]:
    """Orders with consecutive numbers."""
    return [order(first + n, **more) for n in range(count)]
