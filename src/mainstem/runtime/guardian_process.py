"""The guardian's own code: see `guardian`. Standard library alone; it is the whole of a small process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from mainstem.runtime.postmaster import server_processes, stop_server
from mainstem.runtime.processes import ProcessId, kill_all, with_environment

__all__ = ["FAREWELL", "TREE_VARIABLE", "main"]

TREE_VARIABLE = "MAINSTEM_TREE"
"""In the environment of every process of a supervised tree: the run's id, by which the left-over is found."""

FAREWELL = b"."
"""What the supervisor writes when it has stopped everything itself."""

# A server or role forked in the supervisor's last moment needs a moment to show what it is.
_SETTLE_SECONDS = 0.5
_IMMEDIATE_SECONDS = 3.0
_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.05


def main(arguments: list[str]) -> None:
    """Wait for the pipe's end and clean up. Arguments: `pipe folder tree grace`."""
    # A service manager or a closing terminal signals everybody; only the pipe says that the time has come.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    pipe, folder, tree, grace = int(arguments[0]), Path(arguments[1]), arguments[2], float(arguments[3])
    if os.read(pipe, 1) != FAREWELL:
        _clean_up(folder, tree, grace)


def _clean_up(folder: Path, tree: str, grace: float) -> None:
    def roles() -> list[ProcessId]:
        return with_environment(TREE_VARIABLE, tree) if tree else []

    began = time.monotonic()
    while server_processes(folder) or time.monotonic() < began + _SETTLE_SECONDS:
        stop_server(folder, fast=grace, immediate=_IMMEDIATE_SECONDS)
        time.sleep(_POLL_SECONDS)
    # Roles hold a pipe of their own and end by themselves; the grace is for what they have in hand.
    while roles() and time.monotonic() < began + grace:
        time.sleep(_POLL_SECONDS)
    kill_all(roles, _KILL_SECONDS)
