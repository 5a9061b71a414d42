"""Four workers, two doors, one customer: right totals, whoever loads what twice and whoever is restarted meanwhile."""

from __future__ import annotations

import datetime as dt
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mainstem.metrics import series_id
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.killing import declare_workload
from mainstem.testing.reckoning import check_rebuild, reckon
from mainstem.testing.tree import RunningTree, free_port
from mainstem.testing.workload import SOURCE, Workload

_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: shop-clicks
name: Clicks
version: 1.0.0
status: active
customProperties:
  - {property: source, value: shop}
schema:
  - name: clicks
    logicalType: object
    customProperties:
      - {property: partitionKey, value: customer_id}
      - {property: occurredAt, value: occurred_at}
      - {property: repeat, value: occurrence}
      - property: mapping
        value:
          entity: usage_event
          attributes: {customer_id: customer_id, event: event, occurred_at: occurred_at}
    properties:
      - {name: customer_id, logicalType: string, required: true, customProperties: [{property: pii, value: identifier}]}
      - {name: event, logicalType: string, required: true}
      - {name: occurred_at, logicalType: timestamp, required: true}
"""
_START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def write_files(folder: Path, rows: int, *, seed: int, files: int) -> None:
    """The same rows, many of which are equal, in another order and cut into other files."""
    folder.mkdir()
    numbers = list(range(rows))
    random.Random(seed).shuffle(numbers)
    for n in range(files):
        with (folder / f"{n}.csv").open("w") as file:
            file.write("customer_id,event,occurred_at\n")
            for number in numbers[n::files]:
                at = _START + dt.timedelta(seconds=number % (rows // 3))
                file.write(f"one,e{number % 50},{at.isoformat()}\n")


def begin_load(tree: RunningTree, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mainstem.cli.main", "load", str(folder), "--source", SOURCE, "--stream", "clicks",
         "--json", "--data-dir", str(tree.data_dir)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def restart_one_after_another(tree: RunningTree, roles: tuple[str, ...]) -> None:
    """Ask each process of the roles to end, and wait until all are there again before the next is asked."""
    first = tree.state()
    assert first is not None
    for role in roles:
        for process in first.processes[role]:
            assert process.send(signal.SIGTERM)
            deadline = time.monotonic() + 120
            while True:
                state = tree.state()
                assert state is not None
                found = state.processes.get(role, [])
                if process not in found and len(found) == len(first.processes[role]):
                    break
                assert time.monotonic() < deadline, tree.tail()
                time.sleep(0.1)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("rows", [6_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_one_customer_loaded_twice_at_once_while_everything_is_restarted(tmp_path: Path, rows: int) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    write_files(folders[0], rows, seed=1, files=1)
    write_files(folders[1], rows, seed=2, files=3)
    declared = tmp_path / "declared" / "contracts" / "clicks.yaml"
    declared.parent.mkdir(parents=True)
    declared.write_text(_CONTRACT)

    tree = RunningTree(tmp_path / "data", free_port())
    tree.environment |= {"MAINSTEM_RUNTIME__WORK_PROCESSES": "4", "MAINSTEM_RUNTIME__SERVE_PROCESSES": "2"}
    with tree:
        declare_workload(tree)
        with connect_runtime(tree.data_dir) as runtime, runtime.door:
            activate_folder(runtime, tmp_path / "declared")
        load = Workload(tree.url, tree.new_key("many", "ingest"), clients=4, rest=0.2)
        load.start()
        try:
            loads = [begin_load(tree, folder) for folder in folders]
            restart_one_after_another(tree, ("serve", "work", "keep"))
            reports = [json.loads(each.communicate()[0]) for each in loads]
        finally:
            expected = load.stop()
        assert [(report["rows"], report["accepted"], report["refused"]) for report in reports] == [(rows, rows, [])] * 2
        reckon(tree, expected)
        assert clicks(tree) == (rows, 2 * rows, rows, rows)
        tree.command("load", str(folders[0]), "--source", SOURCE, "--stream", "clicks", seconds=1800)
        reckon(tree, expected)
        assert clicks(tree) == (rows, 3 * rows, rows, 2 * rows)
        assert check_rebuild(tree) > 3 * rows


def clicks(tree: RunningTree) -> tuple[int, int, int, int]:
    """Served, received, accepted and duplicate."""
    with connect_runtime(tree.data_dir) as runtime:
        lines = [line for line in runtime.ledger.status(SOURCE) if line.stream == "clicks"]
        with runtime.database.snapshot() as connection:
            [(served,)] = connection.execute(
                "SELECT sum(value)::bigint FROM cell WHERE series = %s", [series_id("events", SOURCE, "clicks")]
            ).fetchall()
    return (
        served,
        sum(line.received for line in lines),
        sum(line.accepted for line in lines),
        sum(line.duplicate for line in lines),
    )
