"""One supervised process: its start, its ready pipe, its death and the pause before it is started again."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Mapping

from mainstem.runtime.processes import ProcessId
from mainstem.runtime.settings import RuntimeSettings
from mainstem.runtime.watch import LISTEN_VARIABLE, READY_VARIABLE, WATCH_VARIABLE

__all__ = ["Backoff", "Child", "RoleProcess"]


@dataclasses.dataclass(frozen=True, slots=True)
class RoleProcess:
    """What to run for a role. The process ends when its watch pipe closes, and says when it is ready (`watch`)."""

    name: str
    arguments: tuple[str, ...]
    count: int = 1
    listens: bool = False
    """Whether it is given the listening socket."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Backoff:
    """The pause before the next start: doubles with each death in a row, and starts anew after a steady run."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._deaths = 0
        self._started = 0.0
        self._due: float | None = None

    def started(self) -> None:
        """It runs from now on."""
        self._started = time.monotonic()
        self._due = None

    def died(self) -> float:
        """It has died; the pause in seconds. Saying it again changes nothing."""
        now = time.monotonic()
        if self._due is None:
            if now - self._started >= self._settings.restart_steady:
                self._deaths = 0
            pause = min(self._settings.restart_first * 2.0**self._deaths, self._settings.restart_longest)
            self._deaths = min(self._deaths + 1, 32)
            self._due = now + pause
        return max(self._due - now, 0.0)

    @property
    def pause(self) -> float | None:
        """Seconds until the next start is due, not below 0; None while it runs."""
        return None if self._due is None else max(self._due - time.monotonic(), 0.0)


class Child:
    """One process of a role, through all its lives."""

    def __init__(self, role: RoleProcess, backoff: Backoff) -> None:
        self.role = role
        self.backoff = backoff
        self.ready = False
        self.ready_pipe: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> ProcessId | None:
        """Who it is; None while it does not run."""
        return None if self._process is None else ProcessId.of(self._process.pid)

    @property
    def pid(self) -> int | None:
        """Its number, also when it has ended and nobody has seen it yet."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has been started and not yet been seen to end."""
        return self._process is not None

    def start(self, *, watch: int, listening: int | None, environment: Mapping[str, str]) -> None:
        """Start it. `watch` is the reading end of the watch pipe, `listening` the socket's descriptor."""
        self.ready_pipe, writing = os.pipe()
        passed = {WATCH_VARIABLE: watch, READY_VARIABLE: writing}
        if self.role.listens and listening is not None:
            passed[LISTEN_VARIABLE] = listening
        numbers = {variable: str(descriptor) for variable, descriptor in passed.items()}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a command of our own
                self.role.arguments,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment, **self.role.environment, **numbers},
                pass_fds=list(passed.values()),
                # Ctrl-C in the terminal is for the supervisor, which drains in order.
                start_new_session=True,
            )
        finally:
            os.close(writing)
        self.backoff.started()

    def read_ready(self) -> bool:
        """The ready pipe has something: whether it was the word."""
        if self.ready_pipe is None:
            return False
        self.ready = os.read(self.ready_pipe, 1) == b"1"
        self._close_pipe()
        return self.ready

    def reap(self) -> int | None:
        """Its exit status (negative: the signal) if it has ended since the last look; None otherwise."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            self._process = None
            self.ready = False
            self._close_pipe()
        return status

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def _close_pipe(self) -> None:
        if self.ready_pipe is not None:
            os.close(self.ready_pipe)
            self.ready_pipe = None
