"""Being asked to stop, by a signal or from another thread."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopSignals"]


class StopSignals:
    """Counts requests to stop while its block runs; entered in the main thread it takes SIGINT, SIGTERM and SIGHUP.

    A pipe carries the news, not a threading.Event: a handler that sets an Event can meet its lock in the very thread that
    waits for it, and wait for ever.
    """

    _ENOUGH = 4
    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    @property
    def requested(self) -> bool:
        """Whether anybody has asked."""
        return self.count > 0

    @property
    def hurried(self) -> bool:
        """Whether somebody has asked again: what is left shall be cut short."""
        return self.count > 1

    def request(self) -> None:
        """Ask to stop, from any thread."""
        self.count += 1
        self.wake()

    def wake(self) -> None:
        """Let `wait` return."""
        try:
            os.write(self._writing, b"!")
        except BlockingIOError:
            # Full: the reader has plenty to wake up for.
            return

    def wait(self, seconds: float | None, descriptors: Iterable[int] = ()) -> list[int]:
        """Return when asked to stop, woken, when a child ends, or after `seconds`; the descriptors with something to read."""
        ready, _, _ = select.select([self._reading, *descriptors], [], [], seconds)
        if self._reading in ready:
            os.read(self._reading, 4096)
            ready.remove(self._reading)
        return ready

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self._NUMBERS:
                # nohup has set SIGHUP aside on purpose.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._on_stop)
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._on_child)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # The pipe stays open: a late `request` of another thread must not write into what got its number since.
        self._before.clear()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self.request()
        if self.count >= self._ENOUGH:
            # Nothing is lost by it: what is left is ended by the guardian and by the watch pipe.
            os._exit(128 + number)

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        self.wake()
