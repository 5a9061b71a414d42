"""The object store in a local folder.

The backend writes a hidden file and links it to its name, which is atomic and conditional, but it leaves both in the page
cache. Here the file, its folder and every folder above it that may be new are synchronised before `put` returns.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

from obstore.store import LocalStore

from mainstem.errors import ConfigurationError
from mainstem.lake.objects import ObstoreObjects

__all__ = ["LocalObjects"]

# How the backend names a file that it has not finished: the final name, '#', a number.
_UNFINISHED = re.compile(r".+#\d+")


class LocalObjects(ObstoreObjects):
    """`store.ObjectStore` in `root`, which is made (mode 0700) when it is not there.

    Raises ConfigurationError when it cannot be.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            if not self.root.is_dir():
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(self.root.parent)
        except OSError as error:
            raise ConfigurationError(f"cannot be made: {error.strerror}.", where=str(root)) from error
        super().__init__(LocalStore(self.root))
        # Folders whose own entries are known to be on disk; folders are never removed by us.
        self._durable = {self.root}

    def sweep_unfinished(self, before: dt.datetime) -> int:
        removed = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                if _UNFINISHED.fullmatch(name) and path.stat().st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _settle(self, path: str) -> None:
        file = self.root / path
        try:
            _sync(file)
        except OSError:
            # After a failure the kernel may call the file clean: a second try must write it anew.
            file.unlink(missing_ok=True)
            raise
        folder = file.parent
        _sync(folder)
        new = []
        while folder not in self._durable:
            new.append(folder)
            folder = folder.parent
            _sync(folder)
        self._durable.update(new)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
