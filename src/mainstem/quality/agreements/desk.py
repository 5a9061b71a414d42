"""Where sides lie beside each other: DuckDB within a bound of memory, and beyond it in a folder that ends with it.

What goes into the folder is of no use to who finds it there: what is personal is hashed with a word of this desk alone, which
is kept nowhere. Where something personal has to be compared in the clear, nothing leaves memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts.duck import connect
from mainstem.errors import StorageFullError, UnavailableError
from mainstem.privacy import Hasher

__all__ = ["Desk", "open_desk"]

_MEMORY = "512MB"
_MEMORY_ALONE = "2GB"
_DISK = "20GB"
_PURPOSE = b"agreement"
_PREFIX = "compare-"


@dataclasses.dataclass(frozen=True, slots=True)
class Desk:
    """A connection to a DuckDB of its own, and how personal values are hashed on it: equal ones alike, on this desk only."""

    duck: duckdb.DuckDBPyConnection
    _hasher: Hasher
    _purpose: bytes

    def hashed(self, values: pa.ChunkedArray) -> pa.Array:
        """Keyed hashes of texts; null stays null."""
        whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        hashes = self._hasher.hashes(self._purpose, [whole]).cast(pa.binary())
        return pc.if_else(whole.is_valid(), hashes, pa.scalar(None, pa.binary()))


@contextlib.contextmanager
def open_desk(what: str, folder: Path | None, hasher: Hasher) -> Iterator[Desk]:
    """A desk to compare `what` on, with a folder of its own in `folder`; without one it keeps to memory, and has more of it.

    Raises UnavailableError where neither does, StorageFullError where the folder cannot be made.
    """
    with contextlib.ExitStack() as stack:
        spill = None if folder is None else stack.enter_context(_own_folder(folder))
        duck = connect(
            memory_limit=_MEMORY_ALONE if spill is None else _MEMORY, spill=None if spill is None else (spill, _DISK)
        )
        stack.callback(duck.close)
        try:
            yield Desk(duck, hasher, _PURPOSE + secrets.token_bytes(16))
        except duckdb.OutOfMemoryException as error:
            bound = f"{_MEMORY_ALONE} of memory" if spill is None else f"{_MEMORY} of memory and {_DISK} of disk"
            raise UnavailableError(
                f"To compare {what} takes more than {bound}.",
                hint="Compare fewer pairs or fields at once, or streams with fewer entities, and see that the disk has room.",
            ) from error
        except duckdb.IOException as error:
            raise StorageFullError(
                f"What comparing {what} puts aside cannot be written.",
                retry_after=60.0,
                hint="Free space on the data folder's disk.",
            ) from error


@contextlib.contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` that is removed at the end; with it go those whose processes were killed."""
    with contextlib.ExitStack() as stack:
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Nobody takes a folder for a left one before its owner has locked it.
            with _locked(parent):
                _remove_left(parent)
                own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
                stack.enter_context(_locked(own))
        except OSError as error:
            raise StorageFullError(
                f"No folder can be made in {parent}: {error.strerror}.", hint="See that the disk has room."
            ) from error
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)


def _remove_left(parent: Path) -> None:
    for left in parent.glob(f"{_PREFIX}*"):
        # Of one that is locked the owner lives.
        with contextlib.suppress(OSError), _locked(left, fcntl.LOCK_NB):
            shutil.rmtree(left)


@contextlib.contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)
