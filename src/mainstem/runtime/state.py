"""What a running `mainstem up` says of itself, for the other commands: `<data-dir>/run/mainstem.json`, mode 0600.

A file that outlived its supervisor is recognised by the supervisor's pid and start time; it then tells the next `up` which
processes to look for.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from mainstem.runtime.processes import ProcessId

__all__ = ["RunState", "read_state", "remove_state", "running_state", "write_state"]

_VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True)
class RunState:
    """One run of a process tree. `tree` is the value of `guardian_process.TREE_VARIABLE` in its processes."""

    tree: str
    supervisor: ProcessId
    started_at: str
    """RFC 3339, UTC."""
    url: str | None = None
    """Where the API and the dashboard are; None when no role serves."""
    dsn: str | None = None
    """Connection string of the embedded database (it holds no secret); None with a database of the user's own."""
    ready: bool = False
    """Whether all roles have worked."""
    processes: dict[str, list[ProcessId]] = dataclasses.field(default_factory=dict)
    """By role; `postgres` and `guardian` among them."""


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "mainstem.json"


def write_state(data_dir: Path, state: RunState) -> None:
    """Replace the file whole: a reader sees the old state or the new one."""
    path = _path(data_dir)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"version": _VERSION, **dataclasses.asdict(state)}, file, indent=2)
    temporary.replace(path)


def remove_state(data_dir: Path) -> None:
    """Nothing runs any more."""
    _path(data_dir).unlink(missing_ok=True)


def read_state(data_dir: Path) -> RunState | None:
    """The last run's state, whether it still runs or not; None when there is none that can be read."""
    try:
        value: Any = json.loads(_path(data_dir).read_text())
        supervisor = ProcessId.from_json(value["supervisor"])
        if value["version"] != _VERSION or supervisor is None:
            return None
        return RunState(
            tree=str(value["tree"]),
            supervisor=supervisor,
            started_at=str(value["started_at"]),
            url=value["url"],
            dsn=value["dsn"],
            ready=bool(value["ready"]),
            processes={
                str(role): [process for each in found if (process := ProcessId.from_json(each))]
                for role, found in value["processes"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def running_state(data_dir: Path) -> RunState | None:
    """The state of the tree that runs on this data folder now; None when none does."""
    state = read_state(data_dir)
    return state if state is not None and state.supervisor.alive else None
