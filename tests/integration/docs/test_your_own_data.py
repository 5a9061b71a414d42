"""The guide's files, exactly as they stand in it, do what it says."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from mainstem.access import Role
from mainstem.contracts import read_contract
from mainstem.intake import Delivery
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.web import application
from mainstem.testing.site import Site

from .conftest import blocks

ORDERS = "orders.ndjson"


async def _ask(site: Site, *questions: str) -> list[Any]:
    with site.runtime() as runtime, runtime.door:
        headers = {"Authorization": f"Bearer {runtime.api_keys.create('me', Role.ANALYST)}"}
        transport = httpx.ASGITransport(application(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://mainstem.test", headers=headers) as client:
            return [(await client.get(question)).raise_for_status().json()["data"] for question in questions]


def test_what_the_guide_says_comes_true(migrated_dsn: str, folder: Path) -> None:
    site = Site.begin(folder / "data", migrated_dsn)
    site.stand_at(dt.datetime(2026, 1, 14, tzinfo=dt.UTC))
    with site.runtime() as runtime, runtime.door as door:
        assert len([one for one in activate_folder(runtime, folder / "shop") if one.new]) == 3
        for _ in range(2):
            delivery = Delivery("shop", (folder / ORDERS).read_bytes(), "application/x-ndjson", stream="orders")
            assert door.submit(delivery).accepted == 4
    site.work()
    site.score()

    health, trend, status = asyncio.run(
        _ask(
            site,
            "/api/v1/analytics/customer-health/shop:acme?as_of=2026-01-14T00:00:00Z",
            "/api/v1/analytics/usage-trends/12m?metric=revenue&customer_id=shop:acme",
            "/api/v1/data/status/shop",
        )
    )
    assert {one["component"] for one in health["contributions"]} == {"recency", "revenue"}
    assert sum(point["value"] for point in trend["points"]) == pytest.approx(680.5)
    assert [status[term] for term in ("received", "accepted", "duplicate", "quarantined")] == [8, 3, 3, 2]
    assert status["balanced"]


def test_the_fields_that_the_guide_shows_are_read(folder: Path) -> None:
    """As exports write them: forms of time, cents, codes, words for nothing."""
    [shown] = [block for block in blocks("your-own-data.md", "yaml") if "defaultTimezone" in block]
    contract = yaml.safe_load((folder / "shop/contracts/shop/orders.yaml").read_text())
    contract["schema"][0]["properties"] += yaml.safe_load(shown)
    fields = read_contract(yaml.safe_dump(contract), "guide").fields
    assert (fields["ordered"].form.time_format, fields["ordered"].form.zone) == ("d/M/yyyy HH:mm", "Europe/Lisbon")
    assert str(fields["cents"].form.factor) == "0.01"
    assert dict(fields["paid"].form.codes) == {"Y": "true", "N": "false"}
    assert fields["coupon"].form.missing == ("?", "N/A")
