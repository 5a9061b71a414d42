"""What PostgreSQL runs in a data folder, found by what the kernel says and never by a number in a file.

`postmaster.pid` survives a crash, and in a container its number soon belongs to somebody else. A process of a data
folder is one called `postgres` whose working directory is the folder, or which was just started with `-D` folder.

Pure standard library and small: the guardian imports this.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from mainstem.runtime.processes import ProcessId, kill_all, process_ids, wait_gone

__all__ = [
    "LAUNCHER",
    "PID_FILE",
    "postmaster_of",
    "read_status",
    "remove_stale_files",
    "server_processes",
    "stop_server",
]

PID_FILE = "postmaster.pid"
LAUNCHER = "mainstem.runtime.postmaster_launch"
"""Stands in the fifth word of the command line of a process that is about to become a postmaster."""
# python -I -S -c <code> <source> <parent> <uid> <gid>, and then the postmaster's own.
_LAUNCHER_WORDS = 9
_STATUS_LINE = 7
_KILL_SECONDS = 10.0


def server_processes(folder: Path) -> list[ProcessId]:
    """All processes of a server on this data folder, orphans of a killed postmaster included."""
    path = os.path.realpath(folder)
    return [process for process in process_ids() if _belongs(process, path)]


def _belongs(process: ProcessId, path: str) -> bool:
    if process.command == "postgres" and process.folder == path:
        return True
    return _names_folder(process.arguments, path)


def _names_folder(arguments: list[str], path: str) -> bool:
    """Whether this is the command line of a postmaster (its children have titles instead) of the folder, or soon will be."""
    launched = len(arguments) > 4 and LAUNCHER in arguments[4]
    program = arguments[_LAUNCHER_WORDS:] if launched else arguments
    if len(program) < 3 or Path(program[0]).name != "postgres" or program[1] != "-D":
        return False
    return os.path.realpath(program[2]) == path


def postmaster_of(folder: Path) -> ProcessId | None:
    """The server's first process on this data folder, if it runs."""
    path = os.path.realpath(folder)
    return next((process for process in process_ids() if _names_folder(process.arguments, path)), None)


def read_status(folder: Path, pid: int) -> str | None:
    """What the postmaster `pid` says of itself: `starting`, `ready`, `stopping`; None when it has said nothing yet."""
    try:
        lines = (folder / PID_FILE).read_text(errors="replace").splitlines()
    except OSError:
        return None
    if not lines or lines[0].strip() != str(pid) or len(lines) <= _STATUS_LINE:
        return None
    return lines[_STATUS_LINE].strip()


def remove_stale_files(folder: Path, sockets: Path) -> None:
    """Remove what a killed server left: it would refuse to start when its old number is another process's now.

    To be called by the holder of the folder's lock when no process of the folder runs.
    """
    (folder / PID_FILE).unlink(missing_ok=True)
    for path in sockets.glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)


def stop_server(folder: Path, *, fast: float, immediate: float, hurried: Callable[[], bool] = lambda: False) -> bool:
    """End the server on a data folder: fast shutdown, then immediate, then by force. Whether the first was enough.

    `fast` and `immediate` are the seconds each is given; `hurried` ends the first wait early. Backends that outlived their postmaster are ended too; they
    notice by themselves within moments, and nothing they do can be acknowledged any more.
    """
    processes = server_processes(folder)
    if not processes:
        return True
    postmaster = postmaster_of(folder)
    if postmaster is not None:
        postmaster.send(signal.SIGINT)
        if not wait_gone(processes, fast, hurried) and not server_processes(folder):
            return True
        postmaster.send(signal.SIGQUIT)
    wait_gone(server_processes(folder), immediate)
    kill_all(lambda: server_processes(folder), _KILL_SECONDS)
    return False
