from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cyclopts import App

from mainstem.cli.activate import activate
from mainstem.contracts import Registry
from mainstem.errors import ConfigurationError
from mainstem.intake import ContractActivated, DeclarationActivated, decode_decision
from mainstem.model import DECISIONS_STREAM, Lane
from mainstem.privacy import Keyring
from mainstem.runtime.config import load_config
from mainstem.runtime.declarations import record_activations
from mainstem.runtime.installation import begin_installation
from mainstem.runtime.wiring import Runtime
from mainstem.store import Database
from mainstem.testing import FixedClock

EXAMPLE = Path(__file__).parents[3] / "examples/oulad"
METRIC = "name: logins\nentity: usage_event\nmeasure: count\nbucket: hour\nwhere: event = 'login'\n"
MODEL = """
name: ours
label: Ours
components:
  - {name: logins, kind: frequency, metric: logins, window: 30d, weight: 1, curve: [[0, 0], [10, 100]]}
bands:
  - {name: low, label: Low, from: 0}
"""


def run(*arguments: str) -> object:
    app = App(name="mainstem", result_action="return_value")
    app.command(activate)
    return app(["activate", *arguments], exit_on_error=False, print_error=False)


@pytest.fixture
def data_dir(
    database: Database, keyring: Keyring, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    begin_installation(database, keyring, clock)
    monkeypatch.setenv("MAINSTEM_DATABASE__URL", database.dsn)
    monkeypatch.setenv("MAINSTEM_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ours = tmp_path / "ours"
    shutil.copytree(EXAMPLE / "contracts", ours / "contracts")
    (ours / "metrics").mkdir()
    (ours / "metrics/logins.yaml").write_text(METRIC)
    (ours / "health").mkdir()
    (ours / "health/ours.yaml").write_text(MODEL)
    return ours


def decided(data_dir: Path) -> list[str]:
    """What the decisions in the log tell of, in order."""
    told = []
    with Runtime.open(load_config(data_dir)) as runtime:
        log = runtime.log
        epoch = log.epochs()[-1]
        for partition in range(epoch.partitions):
            for batch in log.read(epoch.number, partition, Lane.LIVE, 0, max_records=1000, max_bytes=2**30):
                for row in batch.records.to_pylist():
                    assert row["stream"] == DECISIONS_STREAM
                    decision = decode_decision(row["payload"])
                    assert isinstance(decision, ContractActivated | DeclarationActivated)
                    name = decision.stream if isinstance(decision, ContractActivated) else decision.name
                    told.append(f"{name} {decision.version}")
    return told


def test_declarations_come_into_force_and_become_decisions(
    data_dir: Path, folder: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    run(str(folder), "--check", "--json")
    assert json.loads(capsys.readouterr().out) == {"contracts": 4, "metrics": 1, "health": 1, "agreements": 0}
    assert decided(data_dir) == []

    run(str(folder), "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["name"]) for row in rows][-2:] == [("metric", "logins"), ("health_model", "ours")]
    assert all(row["new"] for row in rows)
    told = decided(data_dir)
    assert sorted(told) == ["clicks 1", "logins 1", "ours 1", "registrations 1", "students 1", "submissions 1"]
    assert Registry(database).active("oulad", "clicks") is not None

    run(str(folder))
    assert "metric logins, version 1: was in force already" in capsys.readouterr().out
    assert decided(data_dir) == told


def test_a_draft_comes_into_force_with_a_warning(
    data_dir: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "contracts/oulad/clicks.yaml"
    file.write_text(file.read_text().replace("status: active", "status: draft"))
    run(str(folder), "--check")
    assert (
        "warning: the contract oulad.clicks would be in force although it says status: draft."
        in capsys.readouterr().err
    )
    run(str(folder))
    printed = capsys.readouterr()
    assert "contract oulad.clicks, version 1: is in force now" in printed.out
    assert "warning: the contract oulad.clicks is in force although it says status: draft." in printed.err
    assert printed.err.count("warning") == 1


def test_a_decision_that_a_crash_left_out_is_made_up_for(data_dir: Path, folder: Path, database: Database) -> None:
    # Activated, and then the process died.
    text = (folder / "contracts/oulad/clicks.yaml").read_text()
    with Runtime.open(load_config(data_dir)) as runtime:
        runtime.registry.activate(text, runtime.clock.wall())
        with runtime.door:
            assert record_activations(runtime) == 1
            assert record_activations(runtime) == 0
    assert decided(data_dir) == ["clicks 1"]


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("metrics/broken.yaml", "name: [\n", "broken.yaml"),
        ("metrics/twice.yaml", METRIC, "is declared in"),
        ("metrics/own.yaml", METRIC.replace("logins", "events"), "is built in"),
        ("health/other.yaml", MODEL.replace("metric: logins", "metric: loggins").replace("ours", "other"), "logins"),
        ("contracts/oulad/extra.yaml", "kind: DataContract\n", "extra.yaml"),
    ],
)
def test_nothing_comes_into_force_when_one_file_is_wrong(
    data_dir: Path, folder: Path, database: Database, path: str, text: str, message: str
) -> None:
    (folder / path).write_text(text)
    for arguments in (["--check"], []):
        with pytest.raises(ConfigurationError, match=message):
            run(str(folder), *arguments)
    assert Registry(database).active("oulad", "clicks") is None
    assert decided(data_dir) == []


def test_an_empty_folder_is_told(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing is declared here"):
        run(str(tmp_path / "none"))
