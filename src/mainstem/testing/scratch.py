"""Where what a test needs only while it runs is kept: in memory, where there is room for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["scratch_folder"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - `mkdtemp` makes a folder of our own in it
_ROOM = 2 * 1024**3


def scratch_folder(prefix: str) -> Path:
    """Make a folder that its maker removes.

    A database makes and drops thousands of files, for which a disk's file system takes longer than the test does. Not
    in memory where less than 2 GiB are free, or nothing can be executed, as in some containers.
    """
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if _has_room(_MEMORY) else None))


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(folder)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= _ROOM
