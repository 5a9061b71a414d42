"""The guide's files, exactly as they stand in it, do what it says."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstem.access import Role
from mainstem.intake import Delivery
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.web import application
from mainstem.testing.site import Site

GUIDE = Path(__file__).parents[3] / "docs/guides/your-own-data.md"
ORDERS = "orders.ndjson"


def _files(guide: str) -> dict[str, str]:
    """The files of the guide: a line with the name alone, then a block with the contents."""
    return dict(re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, contents in _files(GUIDE.read_text()).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents)
    return tmp_path


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
