"""A field that is to be unique: who shares a value is found over all that is held, and told without the value."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from mainstem.access import ApiKeys, Role
from mainstem.runtime.jobs import periodic_jobs
from mainstem.runtime.web import application


@pytest.fixture
def watched(systems: Any) -> Any:
    """Ten companies; an address is used by three of them, a plan's name is shared by all and may be."""
    text = systems.site.query("SELECT text FROM contract WHERE source = 'crm' ORDER BY version DESC LIMIT 1")[0][0]
    for field in ("mail", "seats"):
        text = text.replace(f"name: {field}, ", f"name: {field}, unique: true, ")
    systems.site.declare("contracts/crm.yaml", text)
    shared = {2: " Twice@Example.org", 3: "twice@example.org", 4: "TWICE@example.org"}
    systems.send("crm", [systems.account(n, mail=shared.get(n, f"c{n}@example.org")) for n in range(1, 10)])
    systems.send("crm", [systems.account(10, mail=None, seats=9)])
    with systems.site.runtime() as runtime:
        [job] = [job for job in periodic_jobs(runtime) if job.name == "find_shared"]
        job.run()
        job.run()
    return systems


def _ask(systems: Any, path: str, role: Role = Role.ANALYST, **parameters: Any) -> Any:
    async def fetch() -> Any:
        with systems.site.runtime() as runtime, runtime.door:
            key = ApiKeys(runtime.database, runtime.clock).create(uuid.uuid4().hex, role)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(application(runtime)),
                base_url="http://mainstem.test",
                headers={"Authorization": f"Bearer {key}"},
            ) as client:
                answer = await client.get(f"/api/v1/data/quality/{path}", params=parameters)
        return answer.raise_for_status().json()["data"]

    return asyncio.run(fetch())


def test_who_shares_a_value_is_told_without_it(watched: Any) -> None:
    found = _ask(watched, "uniqueness", source="crm")
    assert found["total"] == 2
    mail, seats = found["shared"]
    assert (mail["field"], mail["n"], sorted(mail["ids"])) == ("mail", 3, ["crm:A2", "crm:A3", "crm:A4"])
    assert (seats["field"], seats["n"], sorted(seats["ids"])) == ("seats", 2, ["crm:A10", "crm:A9"])
    assert sorted(mail["refs"]) == sorted(watched.ref("crm", f"A{n}").hex() for n in (2, 3, 4))
    assert _ask(watched, "uniqueness", source="billing")["shared"] == []
    assert _ask(watched, "uniqueness", field="seats", limit=1)["total"] == 1
    everything = watched.site.query("SELECT shared_value::text FROM shared_value")
    assert "example" not in str(everything).lower()


def test_it_is_the_fields_uniqueness(watched: Any) -> None:
    found = _ask(watched, "metrics", source="crm")
    fields = {one["field"]: one for one in found["fields"]}
    mail = fields["mail"]["scores"]["uniqueness"]
    assert (mail["good"], mail["of"], mail["interval"]) == (6, 9, None)
    assert mail["measured"][0]["method"] == "unique"
    assert (fields["mail"]["grade"], fields["mail"]["worst"]) == ("poor", "uniqueness")
    assert "uniqueness" not in fields["plan"]["scores"]
    [stream] = found["streams"]
    assert (stream["scores"]["uniqueness"]["good"], stream["scores"]["uniqueness"]["of"]) == (5, 10)


def test_nothing_is_kept_from_taking_effect(watched: Any) -> None:
    assert watched.site.query("SELECT count(*) FROM entity") == [(10,)]
    assert watched.site.query("SELECT count(*) FROM quarantine") == [(0,)]


def test_what_is_not_asked_any_more_is_not_told(watched: Any) -> None:
    text = watched.site.query("SELECT text FROM contract WHERE source = 'crm' ORDER BY version DESC LIMIT 1")[0][0]
    watched.site.declare("contracts/crm.yaml", text.replace("unique: true, ", ""))
    fields = {one["field"]: one for one in _ask(watched, "metrics", source="crm")["fields"]}
    assert "uniqueness" not in fields["mail"]["scores"]
    with watched.site.runtime() as runtime:
        [job] = [job for job in periodic_jobs(runtime) if job.name == "find_shared"]
        job.run()
    assert _ask(watched, "uniqueness")["shared"] == []
