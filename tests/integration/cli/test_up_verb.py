from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.runtime.folders import make_data_folder
from mainstem.runtime.processes import wait_gone, with_environment
from mainstem.runtime.state import read_state
from mainstem.testing.scratch import scratch_folder

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A short path that PostgreSQL's account may enter."""
    folder = scratch_folder("ms-")
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


def test_the_whole_tree_serves_and_ends_without_a_trace(data_dir: Path, capsys: Capture) -> None:
    environment = {**os.environ, "MAINSTEM_DATABASE__PARAMETERS": '{"fsync": "off"}'}
    command = [sys.executable, "-m", "mainstem.cli.main", "up", "--data-dir", str(data_dir), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "is ready" in line:
                break
        assert "keys export" in "".join(printed)
        url = printed[-1].rpartition(" ")[2].strip()
        for path in ("/healthz", "/readyz"):
            with urllib.request.urlopen(url + path, timeout=60) as answer:
                assert answer.status == 200

        assert main(["database", "status", "--data-dir", str(data_dir), "--json"]) == ExitCode.OK
        status = json.loads(capsys.readouterr().out)
        assert status["embedded"]
        assert status["version"].startswith("18")

        state = read_state(data_dir)
        assert state is not None
        assert sorted(state.processes) == ["guardian", "keep", "postgres", "serve", "work"]
        assert main(["up", "--data-dir", str(data_dir)]) == ExitCode.UNAVAILABLE
        assert f"in use by process {process.pid}" in capsys.readouterr().err

        process.send_signal(signal.SIGINT)
        assert process.wait(60) == ExitCode.OK
    processes = [each for found in state.processes.values() for each in found]
    assert wait_gone(processes, 0) == []
    assert with_environment("MAINSTEM_TREE", state.tree) == []
    assert main(["database", "status", "--data-dir", str(data_dir)]) == ExitCode.UNAVAILABLE
    assert "mainstem up --data-dir" in capsys.readouterr().err


def test_a_data_folder_without_its_keys_does_not_start(data_dir: Path, capsys: Capture) -> None:
    (make_data_folder(data_dir) / "lake" / "raw").mkdir()
    assert main(["up", "--data-dir", str(data_dir), "--port", "0"]) == ExitCode.MISSING_KEYS
    assert "mainstem keys import" in capsys.readouterr().err
    assert not (data_dir / "postgres").exists()


def test_a_port_in_use_is_said_before_anything_is_started(data_dir: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["up", "--data-dir", str(data_dir), "--port", str(port)]) == ExitCode.UNAVAILABLE
    said = capsys.readouterr()
    assert "Choose another with --port" in said.err
    assert (said.out, "stopping" in said.err) == ("", False)
    # The next start makes the keys, and says that they are to be backed up.
    assert not (data_dir / "postgres").exists()
    assert not (data_dir / "keys").exists()
