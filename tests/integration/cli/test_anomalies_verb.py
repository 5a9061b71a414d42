"""`mainstem anomalies`: an installation's own scheduler finds them, a person looks and mutes."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.runtime.jobs import periodic_jobs
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.site import Site

DAY = dt.timedelta(days=1)


@pytest.fixture
def site(migrated_dsn: str, tmp_path: Path) -> Site:
    """Four weeks of a stream, and nothing yesterday."""
    site = Site.begin(tmp_path / "data", migrated_dsn)
    today = dt.datetime.now(dt.UTC).date()
    with connect_runtime(site.data_dir, None) as runtime, runtime.database.transaction() as conn:
        for back in range(2, 30):
            conn.execute(
                "INSERT INTO ledger VALUES (1, 0, 'shop', 'orders', %s, 'accepted', 1000)", [today - back * DAY]
            )
    with connect_runtime(site.data_dir, None) as runtime:
        for job in periodic_jobs(runtime):
            if job.name in {"find_anomalies", "watch_ages"}:
                job.run()
    return site


def _run(capsys: pytest.CaptureFixture[str], site: Site, *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["anomalies", *arguments, "--data-dir", str(site.data_dir)])
    return status, capsys.readouterr().out


def _listed(capsys: pytest.CaptureFixture[str], site: Site, *arguments: str) -> dict[str, Any]:
    status, out = _run(capsys, site, "list", "--json", *arguments)
    assert status == ExitCode.OK
    found: dict[str, Any] = json.loads(out)
    return found


def test_what_the_scheduler_found_is_listed_and_muted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    [anomaly] = _listed(capsys, site)["anomalies"]
    assert (anomaly["signal"], anomaly["tier"], anomaly["value"], anomaly["muted"]) == ("volume", "error", 0.0, False)
    status, out = _run(capsys, site, "list")
    assert status == ExitCode.OK
    assert "error  volume shop.orders: 0, 6" in out

    until = (dt.datetime.now(dt.UTC) + DAY).isoformat()
    status, out = _run(
        capsys, site, "mute", "--signal", "volume", "--source", "shop", "--until", until, "--why", "closed", "--json"
    )
    assert status == ExitCode.OK
    muted = json.loads(out)["id"]
    listed = _listed(capsys, site)
    assert [one["id"] for one in listed["mutes"]] == [muted]
    assert [one["muted"] for one in listed["anomalies"]] == [True]
    assert _run(capsys, site, "unmute", muted)[0] == ExitCode.OK
    assert _run(capsys, site, "unmute", muted)[0] == ExitCode.USAGE
    assert _listed(capsys, site, "--running", "--source", "crm") == {"anomalies": [], "mutes": []}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "--days", "0"), "1 to 10,000"),
        (("list", "--days", "1000000"), "1 to 10,000"),
        (("mute", "--until", "2020-01-01", "--why", "x"), "within 400 days"),
        (("mute", "--until", "2099-01-01", "--why", "x"), "within 400 days"),
        (("mute", "--until", "9999-12-31T23:59:59-12:00", "--why", "x"), "within 400 days"),
        (("mute", "--until", "2099-01-01", "--why", " "), "Say why"),
        (("mute", "--until", "2099-01-01", "--why", "x", "--signal", "volumes"), "volume"),
    ],
)
def test_what_cannot_be_meant_is_said(
    site: Site, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert main(["anomalies", *arguments, "--data-dir", str(site.data_dir)]) == ExitCode.USAGE
    assert says in capsys.readouterr().err
