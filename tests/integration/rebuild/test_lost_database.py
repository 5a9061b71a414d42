"""The database's folder is deleted by hand: what `mainstem up` then says, what to run, and what has come back."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.processing import Ledger
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.retrying import RetryingClient
from mainstem.testing.tree import RunningTree, free_port

_CUSTOMERS = 20


def _events(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "stream": "usage_events",
            "payload": {
                "id": f"e{n}",
                "customer_id": f"c{n % _CUSTOMERS}",
                "event": "used",
                "occurred_at": "2026-01-15T12:00:00Z",
            },
        }
        for n in range(first, first + count)
    ]


def _settle(tree: RunningTree) -> None:
    """Wait until everything is in effect, in the lake and scored, and what was shown is in the lake too."""
    with connect_runtime(tree.data_dir) as runtime:
        ledger = Ledger(runtime.database, runtime.log, runtime.segments)
        deadline = time.monotonic() + 300
        while True:
            lines = ledger.status("shop")
            in_lake = sum(total.rows for total in runtime.lake.manifest.totals() if total.source == "shop")
            with runtime.database.autocommit() as conn:
                [(scored, waiting)] = conn.execute(
                    "SELECT (SELECT count(*) FROM score), (SELECT count(*) FROM score_history WHERE NOT exported)"
                ).fetchall()
            done = not any(line.pending for line in lines) and in_lake == sum(line.received for line in lines)
            if done and scored == _CUSTOMERS and not waiting:
                return
            assert time.monotonic() < deadline, (lines, in_lake, scored, waiting)
            time.sleep(0.2)


def _told(tree: RunningTree, key: str) -> dict[str, Any]:
    """What the API says of the source and of a customer."""
    with httpx.Client(base_url=tree.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        status = client.get("/api/v1/data/status/shop").raise_for_status().json()["data"]
        score = client.get("/api/v1/analytics/customer-health/shop:c3").raise_for_status().json()["data"]
        trend = client.get("/api/v1/analytics/usage-trends/12m?metric=events").raise_for_status().json()["data"]
    return {
        "status": {name: status[name] for name in ("received", "accepted", "duplicate", "pending", "balanced")},
        "score": (score["score"], score["band"], score["computed_at"]),
        "because": [(one["component"], one["points"], one["reason"]) for one in score["contributions"]],
        "total": trend["total"],
    }


@pytest.mark.timeout(900)
def test_a_deleted_database_comes_back_by_the_command_that_up_names(tmp_path: Path) -> None:
    with RunningTree(tmp_path / "data", free_port()) as tree:
        ingest, reader = tree.new_key("shop", "ingest"), tree.new_key("reader", "engineer")
        gone = tree.new_key("gone", "admin")
        tree.command("apikey", "revoke", "gone")
        with contextlib.closing(RetryingClient(tree.url, ingest, "shop")) as client:
            # All of a customer's at once: what is shown and not yet logged would be computed anew.
            client.send(_events(0, 500))
            client.send(_events(0, 100))
        _settle(tree)
        before = _told(tree, reader)
        tree.command("keys", "rotate")
        tables = json.loads(tree.command("rebuild", "analytics", "--from-lake", "--json"))["tables"]
        assert tree.stop() == ExitCode.OK
        shutil.rmtree(tree.data_dir / "postgres")
        tree.launch()
        assert tree.wait_end() == ExitCode.USAGE
        assert f"mainstem rebuild analytics --from-lake --data-dir {tree.data_dir}" in tree.tail()
        said = tree.command("rebuild", "analytics", "--from-lake", "--json")
        result = json.loads(said)
        assert (result["identical"], result["tables"]) == (None, tables)
        tree.start()
        assert _told(tree, reader) == before
        answer = httpx.get(f"{tree.url}/api/v1/data/sources", headers={"Authorization": f"Bearer {gone}"}, timeout=60)
        assert answer.status_code == httpx.codes.UNAUTHORIZED
        with contextlib.closing(RetryingClient(tree.url, ingest, "shop")) as client:
            client.send(_events(450, 100))
        _settle(tree)
        after = _told(tree, reader)
        assert after["total"] == 550
        assert after["status"]["balanced"] is True
        again = json.loads(tree.command("rebuild", "analytics", "--from-lake", "--json"))
        assert again["identical"] is True
