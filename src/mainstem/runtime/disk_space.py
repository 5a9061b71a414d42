"""How much room the disks of an installation have left.

A full disk is noticed before it is full: what was acknowledged has still to be worked off, into the lake and into the
database, and a server that runs out of room in the midst of its own log stops.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mainstem.errors import StorageFullError

__all__ = ["DiskSpace"]

_MIB = 1 << 20


class DiskSpace:
    """Watches the disks that hold some folders, by what is kept in each ("lake"); `least` is in bytes."""

    def __init__(self, folders: Mapping[str, Path], least: int) -> None:
        self._folders = folders
        self._least = least

    def check(self) -> None:
        """Raises StorageFullError, naming all that is kept there, when a disk has less than the least left."""
        full: dict[int, list[str]] = {}
        for what, folder in self._folders.items():
            try:
                found, disk = os.statvfs(folder), folder.stat().st_dev
            except OSError:
                # Not ours to ask, or not there: whoever writes there will say so.
                continue
            if found.f_bavail * found.f_frsize < self._least:
                full.setdefault(disk, []).append(what)
        if full:
            kept = next(iter(full.values()))
            raise StorageFullError(
                f"The disk of the {' and the '.join(kept)} is full.",
                hint=f"Free space on it: less than {self._least // _MIB} MiB are left.",
            )
