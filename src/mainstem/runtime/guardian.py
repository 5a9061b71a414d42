"""The guardian: a small process that outlives a killed supervisor just long enough to leave nothing behind.

The kernel tells PostgreSQL that we are gone, but a server that hangs, or was told a moment too early, has to be ended. The
guardian sees to that: it holds the reading end of a pipe whose writing end only the supervisor has. When the pipe closes without a word, by whatever end the supervisor met, the guardian stops the
server (fast, then immediate, then by force) and ends what is left of the process tree.

It runs as `python -I -S` with the standard library alone (7 MB of its own), and keeps nothing: what to stop is found when
the time comes, so that servers and roles may be restarted without telling it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from mainstem.runtime.guardian_process import FAREWELL
from mainstem.runtime.lock import FileLock
from mainstem.runtime.processes import ProcessId

__all__ = ["Guardian"]

_END_SECONDS = 5.0
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from mainstem.runtime.guardian_process import main; main(sys.argv[2:])"
)


class Guardian:
    """The supervisor's handle. `folder` is a PostgreSQL data folder, `tree` the value of `TREE_VARIABLE`.

    `grace` is how long, in seconds, the server's fast shutdown and the roles' own end may take. `lock` is the folder's:
    the guardian holds it too, so that nobody starts a new server while it is still at work.
    """

    def __init__(self, folder: Path, *, tree: str | None, grace: float, lock: FileLock) -> None:
        self._arguments = [str(folder), tree or "", str(grace)]
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None

    @property
    def process(self) -> ProcessId | None:
        """Who it is; None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return ProcessId.of(self._process.pid)

    @property
    def pid(self) -> int | None:
        """Its number, also when it has ended and nobody has seen it yet."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, anew if it has died."""
        self._forget()
        reading, self._pipe = os.pipe()
        source = str(Path(__file__).resolve().parents[2])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, this package
                [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, source, str(reading), *self._arguments],
                pass_fds=[reading, *self._lock.descriptors],
                stdin=subprocess.DEVNULL,
                cwd="/",
                # Not in the terminal's group: Ctrl-C is for the supervisor to handle.
                start_new_session=True,
            )
        finally:
            os.close(reading)

    def stop(self) -> None:
        """Tell it that everything was stopped in order."""
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, FAREWELL)
        self._forget()

    def _forget(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                # Somebody has put it to sleep; there is nothing for it to do.
                self._process.kill()
                self._process.wait()
            self._process = None
