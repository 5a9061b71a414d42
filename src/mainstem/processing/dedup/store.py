"""Where sealed segments lie: a port of four calls, and the local folder behind it.

A segment is written once under a new name, mapped from a local path, and removed when a larger one has replaced it. A store
that is not local keeps copies of what it was asked for and gives their path.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from mainstem.clock import Clock
from mainstem.errors import StorageFullError
from mainstem.processing.dedup.keys import Keys, Space
from mainstem.processing.dedup.segment import file_hash, write_segment

__all__ = ["LocalSegments", "SegmentStore", "sweep"]


class SegmentStore(Protocol):
    """Names are relative paths with `/`; they hold a source's and a stream's name and nothing of a record."""

    def write(self, folder: str, sources: Sequence[Keys], space: Space) -> tuple[str, str]:
        """Write sorted keys as one new segment, durable on return; its name and the SHA-256 of its bytes.

        Raises StorageFullError with nothing kept.
        """
        ...

    def path(self, name: str) -> Path:
        """A local file with the segment's bytes. Raises FileNotFoundError when there is none."""
        ...

    def remove(self, name: str) -> None:
        """Forget a segment; one that is gone already is no error. Who has it mapped keeps it."""
        ...

    def names(self) -> Sequence[tuple[str, dt.datetime]]:
        """Every segment's name, and when it was written."""
        ...


class LocalSegments:
    """Segments below a local folder, which is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, folder: str, sources: Sequence[Keys], space: Space) -> tuple[str, str]:
        name = f"{folder}/{uuid.uuid4().hex}.keys"
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_segment(path, sources, space)
            # The file is durable; its name is only when its folder is.
            handle = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageFullError(
                f"A deduplication segment cannot be written ({error.strerror}).", retry_after=5.0
            ) from error
        return name, file_hash(path)

    def path(self, name: str) -> Path:
        return self._folder / name

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def names(self) -> Sequence[tuple[str, dt.datetime]]:
        return [
            (path.relative_to(self._folder).as_posix(), dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC))
            for path in self._folder.rglob("*.keys")
        ]


def sweep(store: SegmentStore, catalogued: Collection[str], clock: Clock, *, older: dt.timedelta) -> int:
    """Remove segments that no catalogue names and that were written longer ago than `older`; how many.

    A crash between writing and cataloguing leaves one. `catalogued` is of every fold there is, a rebuild's too.
    """
    kept = set(catalogued)
    limit = clock.wall() - older
    orphans = [name for name, written in store.names() if name not in kept and written < limit]
    for name in orphans:
        store.remove(name)
    return len(orphans)
