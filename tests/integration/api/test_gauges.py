"""A gauge and the properties of events, as the routes answer them."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pytest

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.metrics import Metrics, read_declared
from mainstem.privacy import Keyring
from mainstem.processing import EVENT_EFFECTS, REFERENCES, Entities, start_gauges
from mainstem.processing.tables.references import ReferenceRegister
from mainstem.processing.tables.timeline import pack_timeline, write_timeline

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
OPEN = (
    "name: open_tickets\nentity: ticket\nmeasure: count\nwhere: status = 'open'\nlabel: Open tickets\nunit: tickets\n"
)
_VERSION = """
    INSERT INTO entity_version (entity, ref, version, observed_at, content_hash, last_version, last_observed_at, accepted,
        op, source, stream, contract_version, day, customer, attributes)
    VALUES ('ticket', %(ref)s, %(version)s, %(at)s, %(hash)s, %(version)s, %(at)s, true, 'upsert', 'desk', 'tickets', 1,
        '2026-01-15', %(customer)s, jsonb_build_object('status', %(status)s::text))
    """


@pytest.fixture
def customer(services: Services, keyring: Keyring) -> str:
    """Somebody whom the source desk knows, with three tickets over the last days and an event."""
    ref = keyring.references.ref("desk", "customer", "acme")
    told = [(1, 1, 3, "open"), (1, 2, 1, "solved"), (2, 1, 2, "open"), (3, 1, 0, "open")]
    event = {
        "position": 1, "index": 1, "received_at": NOW, "slot": 1, "occurred_at": NOW - DAY, "customer": ref,
        "event": "clicked", "object": "News", "quantity": Decimal(2), "properties": '{"channel":"email","n":1.50}',
    }  # fmt: skip
    packed = pack_timeline(
        pa.Table.from_pylist([event], EVENT_EFFECTS),
        "desk",
        "mails",
        since=NOW - 9 * DAY,
        keep=10,
        sealer=keyring.sealer,
    )
    with services.database.transaction() as conn:
        known = [{"ref": ref, "source": "desk", "kind": "customer", "value": "acme"}]
        ReferenceRegister(keyring.sealer).write(conn, pa.Table.from_pylist(known, REFERENCES), NOW)
        for number, version, days, status in told:
            conn.execute(
                _VERSION,
                {
                    "ref": uuid.UUID(int=number), "version": str(version), "at": NOW - days * DAY, "hash": uuid.uuid4(),
                    "customer": uuid.UUID(bytes=ref), "status": status,
                },
            )  # fmt: skip
        write_timeline(conn, packed)
    metrics = Metrics(services.database)
    metrics.activate(read_declared(OPEN), NOW)
    start_gauges(services.database, metrics.current(), Entities(keyring.sealer, keyring.hasher).histories, NOW)
    return "desk:acme"


Headers = dict[Role, dict[str, str]]


async def _get(client: httpx.AsyncClient, bearer: Headers, path: str, **asked: str) -> httpx.Response:
    headers = bearer[Role.VIEWER]
    return await client.get(f"/api/v1/analytics/{path}", params=asked, headers=headers)


async def test_a_gauge_is_asked_for_like_every_metric(
    client: httpx.AsyncClient, bearer: Headers, customer: str
) -> None:
    answer = await _get(client, bearer, "usage-trends/7d", metric="open_tickets", customer_id=customer)
    data: dict[str, Any] = answer.json()["data"]
    assert (data["label"], data["unit"], data["granularity"]) == ("Open tickets", "tickets", "day")
    assert [point["value"] for point in data["points"]] == [0, 0, 0, 1, 2, 1, 2]
    assert [point["closed"] for point in data["points"]] == [True] * 6 + [False]
    assert (data["total"], data["previous_total"]) == (2, 0)
    assert {"metric": "open_tickets", "label": "Open tickets", "unit": "tickets"} in data["available"]
    everybody = await _get(client, bearer, "usage-trends/12m", metric="open_tickets")
    assert [point["value"] for point in everybody.json()["data"]["points"]][-2:] == [0, 2]


async def test_a_gauge_that_is_being_filled_has_no_values_and_says_so(
    client: httpx.AsyncClient, bearer: Headers, customer: str, services: Services
) -> None:
    with services.database.transaction() as conn:
        conn.execute("UPDATE gauge_begun SET filled_to = '40000000-0000-0000-0000-000000000000'")
    answer = await _get(client, bearer, "usage-trends/7d", metric="open_tickets", customer_id=customer)
    data, meta = answer.json()["data"], answer.json()["meta"]
    assert ({point["value"] for point in data["points"]}, data["total"], data["filling"]) == ({None}, None, 0.25)
    assert (meta["grade"], meta["missing"]) == ("none", ["open_tickets: what there is is still being added up"])
    with services.database.transaction() as conn:
        conn.execute("UPDATE gauge_begun SET filled_to = 'ffffffff-ffff-ffff-ffff-ffffffffffff'")
    answer = await _get(client, bearer, "usage-trends/7d", metric="open_tickets", customer_id=customer)
    assert (answer.json()["data"]["total"], answer.json()["data"]["filling"]) == (2, None)


async def test_a_late_version_is_told_and_what_was_known_before_it_is_answered(
    client: httpx.AsyncClient, bearer: Headers, customer: str, services: Services
) -> None:
    # As a commit leaves it: two tickets were opened on the 12th by what is known now, and one by what was known before.
    with services.database.transaction() as conn:
        conn.execute("UPDATE gauge_change SET first_known_at = %s", [NOW - 2 * DAY])
        conn.execute("UPDATE gauge_begun SET filled_at = %s", [NOW - 2 * DAY])
        conn.execute("UPDATE gauge_change SET value = 2 WHERE day = '2026-01-12'")
        conn.execute(
            """
            INSERT INTO correction (known_at, ref, series, bucket, old_value, new_value, cause, place)
            SELECT %s, ref, series, day::timestamp AT TIME ZONE 'UTC', 1, 2, 'late', '1-p0-live-7-0'
            FROM gauge_change WHERE day = '2026-01-12'
            """,
            [NOW - DAY],
        )
    asked = {"metric": "open_tickets", "customer_id": customer}
    now = (await _get(client, bearer, "usage-trends/7d", **asked)).json()["data"]
    assert [point["value"] for point in now["points"]] == [0, 0, 0, 2, 3, 2, 3]
    then = (await _get(client, bearer, "usage-trends/7d", known_at="2026-01-14T00:00:00Z", **asked)).json()["data"]
    assert [point["value"] for point in then["points"]] == [0, 0, 0, 1, 2, 1, 2]
    before = (await _get(client, bearer, "usage-trends/7d", known_at="2026-01-01T00:00:00Z", **asked)).json()["data"]
    assert ({point["value"] for point in before["points"]}, before["total"], before["filling"]) == ({None}, None, 0)
    answer = await _get(client, bearer, f"customer-health/{customer}")
    [entry] = [one for one in answer.json()["data"]["timeline"] if one["kind"] == "correction"]
    assert (entry["title"], entry["detail"]) == ("Late data restated 2026-01-12", "open tickets moved by 2, not 1")


@pytest.mark.usefixtures("customer")
async def test_what_a_gauge_does_not_know_is_said(client: httpx.AsyncClient, bearer: Headers) -> None:
    for asked, told in (({"granularity": "hour"}, "is kept by the day, not by the hour"),):
        answer = await _get(client, bearer, "usage-trends/7d", metric="open_tickets", **asked)
        assert answer.status_code == 400
        assert told in answer.text
    missing = await _get(client, bearer, "usage-trends/7d", metric="open_tikets")
    assert missing.status_code == 404
    assert "Did you mean 'open_tickets'?" in missing.text


async def test_the_timeline_serves_the_properties_of_events(
    client: httpx.AsyncClient, bearer: Headers, customer: str
) -> None:
    answer = await _get(client, bearer, f"customer-health/{customer}")
    assert answer.status_code == 200, answer.text
    [entry] = [one for one in answer.json()["data"]["timeline"] if one["kind"] == "event"]
    assert (entry["title"], entry["detail"], entry["quantity"]) == ("clicked", "News", 2)
    assert (entry["properties"], entry["properties_left_out"]) == ({"channel": "email", "n": 1.5}, False)
