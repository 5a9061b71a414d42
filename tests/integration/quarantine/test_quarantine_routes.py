"""Quarantine over the API: causes, records, payloads for those who may, and deciding."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog.testing

from mainstem.access import Role
from mainstem.runtime.web import application

from .conftest import Shop, contract, holding, view

BASE = "/api/v1/data/quarantine"
SECRET = "anna.secret@example.org"


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """Of an administrator; three views of an unknown plan and one without a time are in quarantine."""
    shop.site.send("shop", [view(0), *(view(n, plan="trial") for n in range(1, 4))])
    shop.site.send("shop", [view(4, at=None, customer=SECRET)])
    shop.site.work()
    with shop.site.runtime() as runtime, runtime.door:
        runtime.worker.start()
        headers = {"Authorization": f"Bearer {runtime.api_keys.create('boss', Role.ADMIN)}"}
        transport = httpx.ASGITransport(application(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://mainstem.test", headers=headers) as client:
            client.headers["x-engineer"] = runtime.api_keys.create("engineer", Role.ENGINEER)
            client.headers["x-bound"] = runtime.api_keys.create("bound", Role.ENGINEER, sources=["crm"])
            yield client
        runtime.worker.stop()


async def _example(client: httpx.AsyncClient, reason: str) -> str:
    data = (await client.get(BASE, params={"reason": reason})).json()["data"]
    return str(data["reasons"][0]["example"])


async def _eventually(client: httpx.AsyncClient, route: str, body: object, **counts: int) -> None:
    """Ask until the answer has these counts: contracts are learnt and decisions applied a moment later."""
    for _ in range(300):
        data = (await client.post(f"{BASE}/{route}", json=body)).json()["data"]
        if counts.items() <= data.items():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{data} has not {counts}")


async def test_causes_and_pages(client: httpx.AsyncClient) -> None:
    answer = await client.get(BASE)
    data = answer.json()["data"]
    assert (data["total"], [(one["reason"], one["count"]) for one in data["reasons"]]) == (
        4,
        [("not_allowed", 3), ("missing", 1)],
    )
    assert [one["owners"] for one in data["reasons"]] == [["ann"], ["ann"]]
    assert (await client.get(f"{BASE}/records/{data['reasons'][0]['example']}")).json()["data"]["owners"] == ["ann"]
    assert SECRET not in answer.text
    seen, cursor = [], None
    while True:
        asked = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(f"{BASE}/records", params=asked)).json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 4
    assert len((await client.get(f"{BASE}/records", params={"field": "plan"})).json()["data"]) == 3


async def test_a_payload_is_for_those_who_may_and_its_reading_is_told(client: httpx.AsyncClient) -> None:
    id_ = await _example(client, "missing")
    plain = await client.get(f"{BASE}/records/{id_}")
    assert (plain.status_code, plain.json()["data"]["content"]) == (200, None)
    with structlog.testing.capture_logs() as logs:
        shown = (await client.get(f"{BASE}/records/{id_}", params={"reveal": True})).json()["data"]
    assert json.loads(shown["content"]["payload"])["customer"] == SECRET
    [told] = [line for line in logs if line["event"] == "quarantine_payload_read"]
    assert (told["by"], told["record"]) == ("key:boss", id_)
    assert SECRET not in str(logs)
    engineer = {"Authorization": f"Bearer {client.headers['x-engineer']}"}
    denied = await client.get(f"{BASE}/records/{id_}", params={"reveal": True}, headers=engineer)
    assert (denied.status_code, denied.json()["type"]) == (403, "/problems/forbidden")
    assert SECRET not in denied.text
    unknown = "00000000-0000-0000-0000-000000000000"
    assert (await client.get(f"{BASE}/records/{unknown}")).status_code == 404


async def test_preview_replay_fix_and_dismiss(client: httpx.AsyncClient, shop: Shop) -> None:
    tried = await client.post(f"{BASE}/preview", json={"contract": contract("free", "paid", "trial")})
    assert {name: tried.json()["data"][name] for name in ("matched", "passing", "failing")} == {
        "matched": 4, "passing": 3, "failing": 1,
    }  # fmt: skip
    assert (await client.post(f"{BASE}/preview", json={"contract": "nonsense"})).status_code == 422
    by_rule = await client.post(f"{BASE}/preview", json={"stream": "views", "rule": "one_that_nobody_failed"})
    assert by_rule.json()["data"]["matched"] == 0
    shop.declare("free", "paid", "trial")
    await _eventually(client, "preview", {"stream": "views"}, passing=3)
    done = await client.post(f"{BASE}/replay", json={"stream": "views", "why": "trial is a plan now"})
    assert (done.status_code, done.json()["data"]["decided"]) == (202, 3)
    await _eventually(client, "preview", {"stream": "views"}, matched=1)
    again = await client.post(f"{BASE}/replay", json={"stream": "views"})
    assert (again.status_code, again.json()["data"]["decided"]) == (202, 0)
    id_ = await _example(client, "missing")
    wrong = await client.post(f"{BASE}/records/{id_}/fix", json={"patch": {"at": "noon"}})
    assert wrong.status_code == 422
    assert [(one["field"], one["reason"]) for one in wrong.json()["errors"]] == [("at", "invalid_time")]
    gone = await client.post(f"{BASE}/dismiss", json={"ids": [id_], "why": "too old"})
    assert (gone.status_code, gone.json()["data"]["decided"]) == (202, 1)
    payload = json.dumps(view(4)["payload"])
    for _ in range(300):
        right = await client.post(f"{BASE}/records/{id_}/fix", json={"payload": payload, "why": "asked"})
        if right.status_code != 409:
            break
        assert right.json()["type"] == "/problems/underway"
        await asyncio.sleep(0.05)
    assert (right.status_code, right.json()["data"]["decided"]) == (202, 1)
    for _ in range(300):
        shown = (await client.get(f"{BASE}/records/{id_}")).json()["data"]
        if shown["state"] == "fixed":
            break
        await asyncio.sleep(0.05)
    assert shown["state"] == "fixed"
    assert {one["by"] for one in shown["history"]} == {"key:boss"}
    assert shown["history"][-1]["reason"] == "asked"


async def test_a_correction_is_tried_and_nothing_is_decided(client: httpx.AsyncClient) -> None:
    id_ = await _example(client, "missing")
    route = f"{BASE}/records/{id_}/preview"
    wrong = (await client.post(route, json={"payload": json.dumps(view(4, at="noon")["payload"])})).json()["data"]
    assert (wrong["matched"], wrong["passing"], wrong["failing"]) == (1, 0, 1)
    assert [(one["field"], one["reason"], one["example"]) for one in wrong["failures"]] == [("at", "invalid_time", id_)]
    right = (await client.post(route, json={"patch": {"at": view(4)["payload"]["at"]}})).json()["data"]
    assert (right["passing"], right["decided"], right["failures"]) == (1, 0, [])
    shown = (await client.get(f"{BASE}/records/{id_}")).json()["data"]
    assert (shown["state"], shown["history"], shown["paths"]) == ("quarantined", [], [["at"]])
    for body, status in (({"payload": "[1]"}, 400), ({}, 422), ({"payload": "{}", "why": "x"}, 422)):
        assert (await client.post(route, json=body)).status_code == status


async def test_a_patch_is_for_who_may_read_what_it_leaves(client: httpx.AsyncClient) -> None:
    """Rules that compare two fields would read one of them out."""
    record = f"{BASE}/records/{await _example(client, 'missing')}"
    engineer = {"Authorization": f"Bearer {client.headers['x-engineer']}"}
    for verb in ("preview", "fix"):
        refused = await client.post(f"{record}/{verb}", json={"patch": {"at": "noon"}}, headers=engineer)
        assert (refused.status_code, "quarantine:reveal" in refused.json()["detail"]) == (403, True), verb
    shown = (await client.get(record)).json()["data"]
    assert (shown["state"], shown["history"]) == ("quarantined", [])
    wrong = {"payload": json.dumps(view(4, at="noon")["payload"])}
    assert (await client.post(f"{record}/fix", json=wrong, headers=engineer)).status_code == 422
    route = f"{record}/preview"
    own = {"payload": json.dumps(view(4)["payload"])}
    assert (await client.post(route, json=own, headers=engineer)).json()["data"]["passing"] == 1
    bound = {"Authorization": f"Bearer {client.headers['x-bound']}"}
    assert (await client.post(route, json=own, headers=bound)).status_code == 403


async def test_held_records_are_released_by_what_holds_them(client: httpx.AsyncClient, shop: Shop) -> None:
    shop.site.declare("contracts/shop/views.yaml", holding("free", "paid"))
    records = [view(n, amount=900) for n in range(10, 12)] + [view(12, amount=900, currency="BTC")]
    shop.site.send("shop", records)
    for _ in range(300):
        held = (await client.get(BASE, params={"state": "held"})).json()["data"]
        if held["total"] == 3:
            break
        await asyncio.sleep(0.05)
    assert [(one["held_by"], one["state"], one["count"]) for one in held["reasons"]] == [
        (["plausible"], "held", 2),
        (["plausible", "known_currency"], "held", 1),
    ]
    assert {one["state"] for one in held["rows"]} == {"held"}
    assert (await client.get(BASE, params={"state": "quarantined"})).json()["data"]["total"] == 4
    status = (await client.get("/api/v1/data/status/shop")).json()["data"]
    assert (status["quarantined"], status["held"], status["balanced"]) == (4, 3, True)
    body = {"state": "held", "held_by": ["plausible"], "why": "asked"}
    done = await client.post(f"{BASE}/release", json=body)
    assert (done.status_code, done.json()["data"]["decided"]) == (202, 2)
    id_ = held["reasons"][1]["example"]
    patch = {"currency": "EUR"}
    fix = f"{BASE}/records/{id_}/fix"
    wrong = await client.post(fix, json={"patch": patch})
    assert (wrong.status_code, wrong.json()["errors"][0]["reason"]) == (422, "rule_failed")
    assert (await client.post(fix, json={"patch": patch, "release": True})).status_code == 202
    for _ in range(300):
        status = (await client.get("/api/v1/data/status/shop")).json()["data"]
        if not status["held"]:
            break
        await asyncio.sleep(0.05)
    assert (status["received"], status["accepted"], status["quarantined"], status["held"]) == (8, 4, 4, 0)
    history = (await client.get(f"{BASE}/records/{id_}")).json()["data"]["history"]
    assert [(one["decision"], one["released"]) for one in history] == [("fixed", ["plausible"])]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("replay", {}),
        ("replay", {"all": True, "stream": "views"}),
        ("release", {}),
        ("release", {"all": True, "stream": "views"}),
        ("dismiss", {"all": True}),
        ("dismiss", {"all": True, "why": " "}),
        ("records/00000000-0000-0000-0000-000000000000/fix", {}),
        ("replay", {"streams": "views"}),
    ],
)
async def test_what_was_not_meant_is_asked_back(client: httpx.AsyncClient, route: str, body: object) -> None:
    answer = await client.post(f"{BASE}/{route}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")


async def test_a_contract_is_tried_on_payloads_only_by_who_may_read_them(client: httpx.AsyncClient) -> None:
    """Enough contracts with patterns would read them out."""
    body = {"contract": contract("free", "paid", "trial")}
    engineer = {"Authorization": f"Bearer {client.headers['x-engineer']}"}
    refused = await client.post(f"{BASE}/preview", json=body, headers=engineer)
    assert refused.status_code == 403
    assert "quarantine:reveal" in refused.json()["detail"]
    assert (await client.post(f"{BASE}/preview", json={"stream": "views"}, headers=engineer)).status_code == 200
    with structlog.testing.capture_logs() as logs:
        assert (await client.post(f"{BASE}/preview", json=body)).status_code == 200
    assert [line["stream"] for line in logs if line["event"] == "quarantine_contract_tried"] == ["views"]


@pytest.mark.parametrize("route", ["replay", "release", "dismiss", "fix"])
async def test_a_key_of_one_source_decides_about_no_other(client: httpx.AsyncClient, route: str) -> None:
    bound = {"Authorization": f"Bearer {client.headers['x-bound']}"}
    id_ = await _example(client, "missing")
    calls: list[tuple[str, dict[str, Any]]]
    if route == "fix":
        calls = [(f"records/{id_}/fix", {"payload": json.dumps(view(4)["payload"])})]
    else:
        every: list[dict[str, Any]] = [{"ids": [id_]}, {"source": "shop"}, {"all": True}]
        calls = [(route, {"why": "why", **chosen}) for chosen in every]
    for path, body in calls:
        answer = await client.post(f"{BASE}/{path}", json=body, headers=bound)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    own = await client.post(f"{BASE}/replay", json={"source": "crm"}, headers=bound)
    assert (own.status_code, own.json()["data"]["matched"]) == (202, 0)


@pytest.mark.parametrize("route", ["release", "dismiss"])
async def test_a_load_is_decided_by_no_key_of_another_source(client: httpx.AsyncClient, shop: Shop, route: str) -> None:
    """Neither one that is in quarantine, nor one of which nothing has come yet."""
    [arrived, announced, unknown] = [str(uuid.uuid4()) for _ in range(3)]
    shop.site.query(
        "INSERT INTO load (id, source, stream, rows, state) SELECT one, 'shop', 'views', 4, 'held' FROM unnest(%s::uuid[]) AS one",
        [arrived, announced],
    )
    shop.site.query("UPDATE quarantine SET load = %s", arrived)
    bound = {"Authorization": f"Bearer {client.headers['x-bound']}"}
    for load, status in ((arrived, 403), (announced, 403), (unknown, 404)):
        answer = await client.post(f"{BASE}/{route}", json={"load": load, "why": "why"}, headers=bound)
        assert answer.status_code == status
    assert shop.site.query("SELECT DISTINCT state FROM load") == [("held",)]
    own = await client.post(f"{BASE}/{route}", json={"load": announced, "why": "why"})
    assert (own.status_code, own.json()["data"]["matched"]) == (202, 0)


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"'])
async def test_a_patch_that_json_cannot_say_is_refused(client: httpx.AsyncClient, value: str) -> None:
    id_ = await _example(client, "missing")
    headers = {"content-type": "application/json"}
    answer = await client.post(f"{BASE}/records/{id_}/fix", content=f'{{"patch": {{"x": {value}}}}}', headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid")
