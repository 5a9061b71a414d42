"""A disk so small that a test can fill it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SmallDisk", "cannot_mount", "small_disk"]

_BLOCK = 64 * 1024


class SmallDisk:
    """One that is mounted on `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Leave no byte."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(_BLOCK))

    def make_room(self) -> None:
        """Take back what `fill` wrote."""
        self._ballast.unlink(missing_ok=True)


def cannot_mount() -> str | None:
    """Why no disk can be mounted here; None when one can."""
    if os.geteuid() != 0:
        return "a small disk can be mounted by root only"
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],  # noqa: S607 - wherever the system has it
        capture_output=True,
        check=False,
    )
    return None if done.returncode == 0 else f"no disk can be mounted here: {done.stderr.decode().strip()}"


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk of this size in memory, mounted on `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # noqa: S603 - our own folder
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", folder],  # noqa: S607 - see above
        check=True,
    )
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a process that is just ending may still hold a file.
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603, S607 - see above
