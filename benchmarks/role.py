"""A role's services in a process of their own, begun and ended on demand: `python -m benchmarks.role DATA_DIR work|keep`.

It says `ready`; the first line it is sent begins the services. The second ends them, after the lake writer has committed
all that it has read (it would wait for more records to make a file of), and it says `done`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from mainstem.runtime.config import load_config
from mainstem.runtime.logs import configure_logging
from mainstem.runtime.roles import keep_services, work_services
from mainstem.runtime.wiring import Runtime

__all__ = ["RoleInProcess", "role"]

_LOOK_SECONDS = 0.2
_QUIET = {"MAINSTEM_RUNTIME__LOG_LEVEL": "warning"}
_ROLES = {"work": work_services, "keep": keep_services}


class RoleInProcess:
    """A role that waits for its beginning."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._hear("ready")

    def begin(self) -> None:
        """Start the services."""
        self._say()

    def end(self) -> None:
        """Have the lake writer, if it is there, commit what it has read."""
        self._say()
        self._hear("done")

    def look(self) -> None:
        """Raise AssertionError if it has ended."""
        assert self._process.poll() is None, "a role has ended"

    def _say(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def _hear(self, word: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"it ended before it was {word}")


@contextlib.contextmanager
def role(data_dir: Path, name: str) -> Iterator[RoleInProcess]:
    """The role over an installation; gone afterwards."""
    command = [sys.executable, "-m", __name__, str(data_dir), name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **_QUIET}
    ) as process:
        try:
            yield RoleInProcess(process)
            process.wait(timeout=60)
        finally:
            process.kill()


def _main(data_dir: Path, name: str) -> None:
    loaded = load_config(data_dir)
    # To standard error: standard output is for what is said here.
    configure_logging(loaded.config.runtime, name)
    with Runtime.open(loaded) as runtime:
        services = _ROLES[name](runtime)
        print("ready", flush=True)
        sys.stdin.readline()
        for service in services:
            service.start()
        listener = threading.Thread(target=sys.stdin.readline, daemon=True)
        listener.start()
        while listener.is_alive():
            listener.join(_LOOK_SECONDS)
            for service in services:
                if service.failure is not None:
                    raise service.failure
        if name == "keep":
            runtime.lake_writer.drain()
        print("done", flush=True)
        for service in reversed(services):
            service.stop()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
