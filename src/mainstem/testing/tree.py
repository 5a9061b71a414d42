"""A real `mainstem up` under test: started, killed in parts or whole, and started again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from mainstem.runtime.processes import ProcessId, process_ids
from mainstem.runtime.state import RunState, running_state
from mainstem.testing.scratch import scratch_folder

__all__ = ["RunningTree", "free_port"]

# Bounds for what hangs; a machine with other work takes its time.
_START_SECONDS = 300.0
_STOP_SECONDS = 120.0


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningTree:
    """One installation in `data_dir`, serving on `port`. Its output goes to `log` beside the data folder.

    `settings` are environment variables of its configuration; `verb` is `up`, or `demo`, which runs the same tree and
    feeds it, with options of its own.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        verb: str = "up",
        options: Sequence[str] = (),
    ) -> None:
        self.verb = verb
        self.options = tuple(options)
        self.data_dir = data_dir
        self.port = port
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self.system_folder = scratch_folder("mainstem-tree-")
        self.system_folder.chmod(0o711)
        # Also of one that is started and killed and never left in order.
        self._remove_folder = weakref.finalize(self, shutil.rmtree, self.system_folder, ignore_errors=True)
        self.environment = dict(settings)
        """What the next start is given besides our own environment."""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._remove_folder()

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until every role works. Raises AssertionError with the end of the log when it does not."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    sys.executable,
                    "-m",
                    "mainstem.cli.main",
                    self.verb,
                    "--data-dir",
                    self.data_dir,
                    "--port",
                    str(self.port),
                    *self.options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )

    def wait_ready(self) -> None:
        """Wait until every role works."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            state = running_state(self.data_dir)
            if state is not None and state.ready:
                return
            if self._process is not None and self._process.poll() is not None:
                raise AssertionError(f"mainstem up ended with {self._process.returncode}:\n{self.tail()}")
            time.sleep(0.05)
        raise AssertionError(f"mainstem up is not ready after {_START_SECONDS} s:\n{self.tail()}")

    def wait_end(self) -> int:
        """Wait until it has ended by itself; the exit status."""
        if self._process is None:
            raise AssertionError("it was not launched")
        status = self._process.wait(_START_SECONDS)
        self._process = None
        return status

    def stop(self) -> int:
        """Ask for an orderly end, as a service manager would; the exit status."""
        if self._process is None:
            return 0
        # Not the interrupt of Ctrl-C: what runs in a shell's background was told to ignore it, and so are its children.
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            raise AssertionError(f"mainstem up did not stop:\n{self.tail()}") from error
        self._process = None
        return status

    def state(self) -> RunState | None:
        """What runs now, by role; None when nothing does."""
        return running_state(self.data_dir)

    def kill_supervisor(self) -> None:
        """`kill -9` of the process that was launched, whatever it has come to."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def left(self) -> list[ProcessId]:
        """The processes, of whatever kind, that were started on the data folder or work in it; a zombie is none."""
        places = (str(self.data_dir), str(self.system_folder))
        return [
            process
            for process in process_ids()
            if any(place in word for place in places for word in (*process.arguments, process.folder or ""))
        ]

    def kill(self, role: str, chance: random.Random) -> ProcessId | None:
        """`kill -9` a process of a role (`supervisor` is one), chosen by `chance`; None when none runs."""
        state = self.state()
        if state is None:
            return None
        processes = [state.supervisor] if role == "supervisor" else state.processes.get(role, [])
        alive = [process for process in processes if process.alive]
        if not alive:
            return None
        victim = chance.choice(alive)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        if role == "supervisor":
            self.kill_supervisor()
        return victim

    def command(self, *arguments: str, check: bool = True, seconds: float = 300.0) -> str:
        """Run another verb on the same data folder, `seconds` at most; its standard output."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "mainstem.cli.main", *arguments, "--data-dir", self.data_dir],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=self._environment(),
        )
        if check and done.returncode:
            raise AssertionError(f"mainstem {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "MAINSTEM_RUNTIME__LOG_FORMAT": "json",
            "MAINSTEM_LAKE__FLUSH_SECONDS": "1",
            # Below a folder that the database's account cannot enter: what is put elsewhere goes with the test.
            "MAINSTEM_DATABASE__SYSTEM_FOLDER": str(self.system_folder),
            **self.environment,
        }

    def new_key(self, name: str, role: str) -> str:
        """Create an API key; its secret."""
        return str(json.loads(self.command("apikey", "create", name, "--role", role, "--json"))["key"])

    def tail(self, lines: int = 40) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
