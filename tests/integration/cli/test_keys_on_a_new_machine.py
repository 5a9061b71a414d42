"""Keys rotated while everything runs, exported, and imported where only a copy of the lake is."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.privacy import Keyring
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.retrying import RetryingClient
from mainstem.testing.tree import RunningTree, free_port


def _events(first: int, count: int) -> list[dict[str, Any]]:
    payloads = ({"id": f"e{n}", "customer_id": f"c{n % 7}", "event": "used"} for n in range(first, first + count))
    at = "2026-01-15T12:00:00Z"
    return [{"stream": "usage_events", "payload": {**payload, "occurred_at": at}} for payload in payloads]


def _wait_for_lake(tree: RunningTree, records: int) -> None:
    with connect_runtime(tree.data_dir) as runtime:
        deadline = time.monotonic() + 300
        while sum(total.rows for total in runtime.lake.manifest.totals() if total.source == "shop") < records:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _sealing_keys(tree: RunningTree) -> set[int]:
    """Ids of the keys that the lake's records are sealed with: Tink begins with a byte of its own and the key's id."""
    found = set()
    for path in tree.data_dir.glob("lake/raw/source_system=shop/**/*.parquet"):
        sealed = pq.ParquetFile(path).read(["sealed"]).column("sealed").drop_null().to_pylist()
        found |= {int.from_bytes(one[1:5], "big") for one in sealed}
    return found


def _keys(tree: RunningTree) -> list[int]:
    """Ids of the installation's keys, in the order in which they came."""
    keyset = json.loads((tree.data_dir / "keys" / "sealing.json").read_text())
    return [key["keyId"] for key in keyset["key"]]


@pytest.mark.timeout(900)
def test_rotated_keys_open_old_and_new_on_a_new_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long passphrase")
    exported = tmp_path / "keys.json"
    with RunningTree(tmp_path / "old", free_port()) as tree:
        ingest, reader = tree.new_key("shop", "ingest"), tree.new_key("reader", "engineer")
        with contextlib.closing(RetryingClient(tree.url, ingest, "shop")) as client:
            client.send(_events(0, 100))
        _wait_for_lake(tree, 100)
        [first] = _keys(tree)
        assert _sealing_keys(tree) == {first}
        tree.command("keys", "rotate")
        # A process that seals looks for a new key once a second.
        time.sleep(1.5)
        with contextlib.closing(RetryingClient(tree.url, ingest, "shop")) as client:
            client.send(_events(100, 100))
        _wait_for_lake(tree, 200)
        _, second = _keys(tree)
        assert _sealing_keys(tree) == {first, second}
        whole = json.loads(tree.command("lake", "verify", "--deep", "--json"))
        assert (whole["whole"], whole["rows"] >= 200) == (True, True)
        tree.command("keys", "export", str(exported), "--passphrase-file", str(passphrase))
        rebuilt = json.loads(tree.command("rebuild", "analytics", "--from-lake", "--json"))
        assert rebuilt["identical"] is True
    moved = RunningTree(tmp_path / "new", free_port())
    shutil.copytree(tmp_path / "old" / "lake", moved.data_dir / "lake")
    where = ["--data-dir", str(moved.data_dir)]
    assert main(["rebuild", "analytics", "--from-lake", *where]) == ExitCode.MISSING_KEYS
    Keyring.create(moved.data_dir / "keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAINSTEM_DATABASE__SYSTEM_FOLDER", str(moved.system_folder))
        capsys.readouterr()
        assert main(["rebuild", "analytics", "--from-lake", *where]) == ExitCode.MISSING_KEYS
        assert "These keys do not open" in capsys.readouterr().err
        shutil.rmtree(moved.data_dir / "keys")
        assert main(["keys", "import", str(exported), *where, "--passphrase-file", str(passphrase)]) == ExitCode.OK
        capsys.readouterr()
        assert main(["rebuild", "analytics", "--from-lake", "--json", *where]) == ExitCode.OK
        assert json.loads(capsys.readouterr().out)["tables"] == rebuilt["tables"]
    with moved:
        headers = {"Authorization": f"Bearer {reader}"}
        answer = (
            httpx.get(f"{moved.url}/api/v1/data/status/shop", headers=headers, timeout=60)
            .raise_for_status()
            .json()["data"]
        )
        assert (answer["accepted"], answer["balanced"]) == (200, True)
