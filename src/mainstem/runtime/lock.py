"""A lock file: who holds it is told by the kernel, so that a lock dies with its holders."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.runtime.processes import ProcessId

__all__ = ["FileLock"]

_POLL_SECONDS = 0.05


class FileLock:
    """An exclusive lock on a file, held until `release` or the end of this process.

    Children do not inherit it, except one that is given `descriptors`: then it is held until both have let go. The file
    names who took it.
    """

    def __init__(self, path: Path, what: str, *, patience: float = 0.0) -> None:
        """`what` is the lock's object in an error ("The data folder /x").

        `patience` is how many seconds to wait for a helper that still holds it although the process that took it is gone.
        """
        self.path = path
        self._what = what
        self._patience = patience
        self._descriptor: int | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """For a child that shall share in holding it; empty when it is not held."""
        return () if self._descriptor is None else (self._descriptor,)

    def acquire(self) -> None:
        """Take it.

        Raises UnavailableError when another process has it (the message names that process), ConfigurationError when the
        file cannot be opened.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be opened: {error.strerror}.") from error
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _take(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                holder = _holder(descriptor)
                if (holder is not None and holder.alive) or time.monotonic() >= deadline:
                    raise UnavailableError(
                        f"{self._what} is in use by process {holder.pid if holder else 'unknown'}.",
                        hint="Stop that one first, or name another data folder.",
                    ) from error
                time.sleep(_POLL_SECONDS)
        # The name is for others' errors; the lock holds without it, on a full disk too.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(dataclasses.asdict(ProcessId.own())).encode(), 0)

    def release(self) -> None:
        """Let it go; nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _holder(descriptor: int) -> ProcessId | None:
    try:
        return ProcessId.from_json(json.loads(os.pread(descriptor, 512, 0)))
    except ValueError:
        return None
