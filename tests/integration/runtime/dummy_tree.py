"""A process tree with dummy roles, run as a program: `dummy_tree.py DATA_DIR ROLES OPTIONS`.

What happened stands in DATA_DIR/events, a line each.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from mainstem.clock import SystemClock
from mainstem.errors import MainstemError
from mainstem.runtime.child import RoleProcess
from mainstem.runtime.logs import configure_logging
from mainstem.runtime.service import Loop
from mainstem.runtime.settings import DatabaseSettings, RuntimeSettings
from mainstem.runtime.supervisor import Supervisor, Tree


def note(data_dir: Path, text: str) -> None:
    with (data_dir / "events").open("a") as file:
        file.write(f"{text}\n")


def up(data_dir: Path, kinds: list[str], options: dict[str, Any]) -> None:
    def background(stopping: threading.Event) -> None:
        note(data_dir, "scheduler began")
        while not stopping.wait(0.02):
            if (data_dir / "fail").exists():
                (data_dir / "fail").unlink()
                raise RuntimeError("it was told to")
        note(data_dir, "scheduler drained")

    script = str(Path(__file__).resolve().with_name("dummy_role.py"))
    tree = Tree(
        roles=[
            RoleProcess(kind, (sys.executable, script, str(data_dir), kind), listens=kind == "serve") for kind in kinds
        ],
        begin=lambda: note(data_dir, "begin"),
        prepare=lambda dsn: note(data_dir, f"prepare {dsn}"),
        background=lambda: Loop("scheduler", background),
        fatal={2: "it was told to"},
    )
    runtime = RuntimeSettings(port=0, restart_first=0.05, **options.pop("runtime", {}))
    supervisor = Supervisor(data_dir, tree, runtime, DatabaseSettings.model_validate(options), SystemClock())
    supervisor.run(lambda url: note(data_dir, f"ready {url}"))


def main() -> int:
    configure_logging(RuntimeSettings(log_format="json"), "up")
    data_dir, kinds, options = sys.argv[1:]
    try:
        up(Path(data_dir), kinds.split(","), json.loads(options))
    except MainstemError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
