"""A dummy role, run as a program: `dummy_role.py DATA_DIR KIND`. What it did it writes to DATA_DIR/events."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from mainstem.runtime.service import Loop, Role
from mainstem.runtime.signals import StopSignals
from mainstem.runtime.watch import notify_ready, watch_supervisor


def deaf() -> None:
    """Hears neither a signal nor the end of its supervisor."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    notify_ready()
    while True:
        time.sleep(60)


def main() -> int:
    events, kind = Path(sys.argv[1], "events"), sys.argv[2]
    if kind == "fatal":
        return 2
    if kind == "deaf":
        deaf()

    def work(stopping: threading.Event) -> None:
        stopping.wait()
        with events.open("a") as file:
            file.write(f"{kind} drained\n")

    with StopSignals() as stop:
        watch_supervisor(stop.request)
        Role(kind, [Loop("work", work)]).run(stop, ready=notify_ready)
    return 0


if __name__ == "__main__":
    sys.exit(main())
