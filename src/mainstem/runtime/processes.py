"""Processes by pid AND start time, so that a number used again is never taken for the process that once had it.

Pure standard library and small: the guardian imports this and little else.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

__all__ = ["ProcessId", "kill_all", "process_ids", "reap_adopted", "wait_gone", "with_environment"]

_PROC = Path("/proc")
# Fields of /proc/<pid>/stat after the command's closing bracket, which is the third field's predecessor.
_STATE, _PARENT, _THREADS, _START = 0, 1, 17, 19
_POLL_SECONDS = 0.02


@functools.cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    """The fields after the command, which may itself hold blanks and brackets; None when there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for ever: `started` is in clock ticks since the boot named by `boot`."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now; None when there is none, or only one that has ended already."""
        fields = _stat(pid)
        # One whose first thread has ended has its sockets and locks until the others have, too.
        if fields is None or (fields[_STATE] in {"Z", "X"} and int(fields[_THREADS]) <= 1):
            return None
        return cls(pid, int(fields[_START]), _boot())

    @classmethod
    def own(cls) -> Self:
        """This process."""
        found = cls.of(os.getpid())
        if found is None:
            raise OSError("this machine has no /proc, which Mainstem needs")
        return found

    @classmethod
    def from_json(cls, value: Any) -> Self | None:
        """The inverse of `dataclasses.asdict`; None for what is no such thing."""
        try:
            return cls(int(value["pid"]), int(value["started"]), str(value["boot"]))
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def alive(self) -> bool:
        """Whether any of it still runs; a zombie has ended."""
        return ProcessId.of(self.pid) == self

    @property
    def parent(self) -> int | None:
        """The parent's number; None when the process has gone."""
        fields = _stat(self.pid)
        return int(fields[_PARENT]) if fields else None

    @property
    def arguments(self) -> list[str]:
        """Its command line; empty when it has gone."""
        try:
            return (_PROC / str(self.pid) / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
        except OSError:
            return []

    @property
    def command(self) -> str:
        """The kernel's short name of it; empty when it has gone."""
        try:
            return (_PROC / str(self.pid) / "comm").read_text(errors="replace").strip()
        except OSError:
            return ""

    @property
    def folder(self) -> str | None:
        """Its working directory; None when it has gone or is not ours to ask."""
        try:
            return str((_PROC / str(self.pid) / "cwd").readlink()).removesuffix(" (deleted)")
        except OSError:
            return None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this process and never to a later one of the same number; whether it was there."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        except OSError:
            # A kernel without pidfd: the moment between the look and the signal has to do.
            return self._send_by_number(number)
        try:
            if not self.alive:
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _send_by_number(self, number: signal.Signals) -> bool:
        if not self.alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def process_ids() -> Iterator[ProcessId]:
    """All processes of the machine that have not ended."""
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            process = ProcessId.of(int(entry.name))
            if process is not None:
                yield process


def with_environment(name: str, value: str) -> list[ProcessId]:
    """The processes that were started with this variable in their environment, the caller left out."""
    wanted = f"{name}={value}".encode()
    found = []
    for process in process_ids():
        try:
            environment = (_PROC / str(process.pid) / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and process.pid != os.getpid():
            found.append(process)
    return found


def wait_gone(
    processes: Iterable[ProcessId], seconds: float, hurried: Callable[[], bool] = lambda: False
) -> list[ProcessId]:
    """Wait until all have ended; those that have not after `seconds`, or when `hurried` says that it is enough."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.alive]
    while left and time.monotonic() < deadline and not hurried():
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if process.alive]
    return left


def kill_all(find: Callable[[], list[ProcessId]], seconds: float) -> list[ProcessId]:
    """Kill what `find` finds until it finds nothing; what it still finds after `seconds`.

    It is asked again and again because a process may have started another one while it was being killed.
    """
    deadline = time.monotonic() + seconds
    while (left := find()) and time.monotonic() < deadline:
        for process in left:
            process.send(signal.SIGKILL)
        wait_gone(left, _POLL_SECONDS)
    return left


def reap_adopted(own: Iterable[int]) -> None:
    """Bury ended processes that became our children because their parent died; `own` are those somebody waits for.

    Only the first process of a container is given such children; unburied they would stay in the table for ever.
    """
    if os.getpid() != 1:
        return
    known = frozenset(own)
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in known:
            return
        os.waitpid(found.si_pid, 0)
