from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.runtime.processes import ProcessId, kill_all, wait_gone, with_environment


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], env={**os.environ, "MARK": "some value"}) as process:
        yield process
        process.kill()


def of(process: subprocess.Popen[bytes]) -> ProcessId:
    found = ProcessId.of(process.pid)
    assert found is not None
    return found


def test_a_process_is_known_by_pid_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    process = of(sleeper)
    assert process.alive
    assert process.parent == os.getpid()
    assert ProcessId.from_json(json.loads(json.dumps(dataclasses.asdict(process)))) == process
    for other in (
        dataclasses.replace(process, started=process.started + 1),
        dataclasses.replace(process, boot="another"),
    ):
        assert not other.alive
        assert not other.send(signal.SIGKILL)
    assert process.alive, "a later process of the same number is never hit"


def test_a_zombie_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    process = of(sleeper)
    assert process.send(signal.SIGKILL)
    assert wait_gone([process], 30) == []
    # Nobody has waited for it: the number is still taken.
    assert os.path.exists(f"/proc/{process.pid}")  # noqa: PTH110
    assert ProcessId.of(process.pid) is None
    sleeper.wait()


def test_a_process_whose_first_thread_has_ended_has_not_while_others_run() -> None:
    # The first thread asks the kernel for its own end alone.
    program = (
        "import ctypes, platform, threading, time;"
        "threading.Thread(target=time.sleep, args=(600,)).start();"
        "ctypes.CDLL(None).syscall(93 if platform.machine() == 'aarch64' else 60, 0)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        known = of(process)
        while _state(process.pid) != "Z":
            time.sleep(0.01)
        assert known.alive
        assert wait_gone([known], 0.1) == [known]
        process.kill()
        assert wait_gone([known], 30) == []


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_waiting_ends_early_when_hurried_and_says_who_is_left(sleeper: subprocess.Popen[bytes]) -> None:
    process = of(sleeper)
    assert wait_gone([process], 600, lambda: True) == [process]


def test_processes_are_found_by_their_environment_and_killed_until_none_is_found(
    sleeper: subprocess.Popen[bytes],
) -> None:
    process = of(sleeper)
    assert with_environment("MARK", "some value") == [process]
    assert with_environment("MARK", "some") == []
    assert kill_all(lambda: with_environment("MARK", "some value"), 30) == []
    assert not process.alive


@pytest.mark.parametrize("value", [None, 5, {}, {"pid": "x", "started": 1, "boot": ""}, []])
def test_what_is_no_process_in_json_is_none(value: object) -> None:
    assert ProcessId.from_json(value) is None


def test_a_command_with_brackets_and_blanks_in_its_name_is_read() -> None:
    code = "open('/proc/self/comm', 'w').write('a) S 1 (b'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = of(process)
        assert found.command == "a) S 1 (b"
        assert found.parent == os.getpid()
        process.kill()
