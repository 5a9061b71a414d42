"""Subscriptions: snapshot, deltas, resuming, and who may listen. Over a real server and real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Origin

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.privacy import Keyring
from mainstem.processing import REFERENCES
from mainstem.processing.tables.references import ReferenceRegister
from mainstem.store import append_changes
from mainstem.testing.tree import free_port

PATH = "/api/v1/stream/live-metrics"


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", ws="websockets-sansio"))
    task = asyncio.create_task(server.serve())
    # uvicorn says so nowhere else.
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield f"ws://127.0.0.1:{port}"
    server.should_exit = True
    await task


@pytest.fixture
def headers(services: Services) -> dict[str, str]:
    return {"Authorization": f"Bearer {services.keys.create('reader', Role.ANALYST)}"}


async def message(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = json.loads(await socket.recv())
            if found["type"] == kind:
                return found


def commit(services: Services, accepted: int) -> None:
    body = {"streams": [{"source": "shop", "stream": "usage_events", "accepted": accepted}]}
    with services.database.transaction() as connection:
        append_changes(connection, 0, "ledger", [body], services.clock.wall())


async def test_snapshot_then_delta(address: str, headers: dict[str, str], services: Services) -> None:
    async with connect(address + PATH, additional_headers=headers) as socket:
        first = await message(socket, "snapshot")
        assert first["data"]["counts"]["received"] == 0
        await message(socket, "delta")
        commit(services, 5)
        delta = await message(socket, "delta")
        assert {change["kind"] for change in delta["changes"]} >= {"throughput", "counts"}
        assert delta["token"] != first["token"]


async def test_resuming_goes_on_with_a_delta(address: str, headers: dict[str, str], services: Services) -> None:
    async with connect(address + PATH, additional_headers=headers) as socket:
        token = (await message(socket, "snapshot"))["token"]
    commit(services, 7)
    async with connect(f"{address}{PATH}?token={token}", additional_headers=headers) as socket:
        first = json.loads(await socket.recv())
        assert first["type"] == "delta"
        assert first["token"] != token


async def listen(socket: ClientConnection) -> None:
    """Until the server ends it; raises how."""
    async for _ in socket:
        pass


async def test_an_old_token_starts_anew(address: str, headers: dict[str, str], services: Services) -> None:
    async with connect(address + PATH, additional_headers=headers) as socket:
        token = (await message(socket, "snapshot"))["token"]
        with services.database.transaction() as connection:
            connection.execute("UPDATE installation SET generation = generation + 1")
        # The server has noticed when it ends those of the old generation.
        with pytest.raises(ConnectionClosedError, match="rebuilt"):
            await listen(socket)
    for stale in (token, "forged"):
        async with connect(f"{address}{PATH}?token={stale}", additional_headers=headers) as socket:
            assert json.loads(await socket.recv())["type"] == "reset"
            assert json.loads(await socket.recv())["type"] == "snapshot"


async def test_strangers_are_turned_away(address: str, services: Services) -> None:
    ingest = {"Authorization": f"Bearer {services.keys.create('sender', Role.INGEST)}"}
    for headers, code in (({}, 4401), ({"Authorization": "Bearer msk_no"}, 4401), (ingest, 4403)):
        async with connect(address + PATH, additional_headers=headers) as socket:
            with pytest.raises(ConnectionClosedError) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code


async def test_a_foreign_page_with_a_good_cookie_is_turned_away(address: str, services: Services) -> None:
    services.users.create("ann", "correct horse", Role.ADMIN)
    session = services.users.sign_in("ann", "correct horse")
    assert session is not None
    own, foreign = address.replace("ws", "http"), "https://evil.example"
    cookie = {"Cookie": f"mainstem_session={session.cookie}"}
    async with connect(address + PATH, additional_headers=cookie, origin=Origin(own)) as socket:
        assert json.loads(await socket.recv())["type"] == "snapshot"
    async with connect(address + PATH, additional_headers=cookie, origin=Origin(foreign)) as socket:
        with pytest.raises(ConnectionClosedError):
            await socket.recv()


async def test_only_the_customers_of_a_subscription_are_told_that_they_were_touched(
    address: str, headers: dict[str, str], services: Services, keyring: Keyring
) -> None:
    refs = {name: keyring.references.ref("shop", "customer", name) for name in ("mine", "other")}
    rows = [{"ref": ref, "source": "shop", "kind": "customer", "value": name} for name, ref in refs.items()]
    with services.database.transaction() as connection:
        table = pa.Table.from_pylist(rows, schema=REFERENCES)
        ReferenceRegister(keyring.sealer).write(connection, table, services.clock.wall())
    path = f"{address}/api/v1/stream/health-scores?customer_id=shop:mine"
    async with connect(path, additional_headers=headers) as socket:
        await message(socket, "snapshot")
        for told in (["other"], ["other", "mine"]):
            body = {"refs": [refs[name].hex() for name in told]}
            with services.database.transaction() as connection:
                append_changes(connection, 16, "touched", [body], services.clock.wall())
        changes = (await message(socket, "delta"))["changes"]
    assert [(change["kind"], change["value"]["customer_id"]) for change in changes] == [("touched", "shop:mine")]
