"""What a role and its supervisor tell each other, by pipes whose numbers stand in the role's environment.

The role reads the watch pipe for as long as it lives. Nothing is ever written to it: when it closes, the supervisor is
gone, by whatever end, and the role ends too, at once if it cannot end in order. When its services work the role writes to
the ready pipe.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable

__all__ = ["LISTEN_VARIABLE", "READY_VARIABLE", "WATCH_VARIABLE", "inherited", "notify_ready", "watch_supervisor"]

WATCH_VARIABLE = "MAINSTEM_WATCH_FD"
READY_VARIABLE = "MAINSTEM_READY_FD"
LISTEN_VARIABLE = "MAINSTEM_LISTEN_FD"
"""The listening socket, opened by the supervisor so that it outlives a role that serves on it."""

_ORPHANED = 75
_GRACE_SECONDS = 3.0


def inherited(variable: str) -> int | None:
    """The descriptor that the supervisor passed under this name, once; None when there is no supervisor."""
    text = os.environ.pop(variable, None)
    if text is None:
        return None
    descriptor = int(text)
    os.set_inheritable(descriptor, False)
    return descriptor


def notify_ready() -> None:
    """Tell the supervisor, if there is one, that this role works."""
    descriptor = inherited(READY_VARIABLE)
    if descriptor is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(descriptor, b"1")
        os.close(descriptor)


def watch_supervisor(on_end: Callable[[], None]) -> None:
    """Call `on_end` when the supervisor has gone, and end this process by force a moment later. Nothing without one."""
    descriptor = inherited(WATCH_VARIABLE)
    if descriptor is None:
        return

    def watch() -> None:
        os.read(descriptor, 1)
        try:
            on_end()
            time.sleep(_GRACE_SECONDS)
        finally:
            # The database is being stopped by the guardian: there is nothing left to finish in order.
            os._exit(_ORPHANED)

    threading.Thread(target=watch, name="watch", daemon=True).start()
