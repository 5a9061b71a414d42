"""The object store under the lake: the contract that every implementation keeps.

Objects are created whole or not at all and never changed. `put` returns only when the object is durable: it survives
`kill -9` of any process and a loss of power, because the log is trimmed in the belief that it does. An object is visible
to `get` and `list` as soon as its `put` has returned.

Paths are relative, `/` between their parts, without empty parts, `.` and `..`. They never hold a value of a record.

Errors. StorageFullError and UnavailableError mean that the call may be repeated; nothing was created, or its creation is
unknown, which a repeated `put` of the same bytes finds out. NotFoundError: there is no such object. IntegrityError: the
path is taken by other bytes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Protocol

__all__ = ["ObjectInfo", "ObjectStore"]


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object's path, size in bytes, and when it was created, by the store's clock."""

    path: str
    size: int
    created_at: dt.datetime


class ObjectStore(Protocol):
    """See the module's text for what must hold. Safe to share between threads."""

    def put(self, path: str, data: bytes) -> bool:
        """Create an object, durable on return; False when it was there with the same bytes, and is durable too.

        Raises IntegrityError when it is there with other bytes, StorageFullError, UnavailableError.
        """
        ...

    def get(self, path: str) -> bytes:
        """All bytes. Raises NotFoundError, UnavailableError."""
        ...

    def get_range(self, path: str, offset: int, length: int) -> bytes:
        """Bytes from `offset`, `length` of them, fewer at the object's end. Raises NotFoundError, UnavailableError."""
        ...

    def info(self, path: str) -> ObjectInfo | None:
        """What is known of an object; None when there is none. Raises UnavailableError."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects below a folder (`raw`), in no order, unfinished ones left out. Raises UnavailableError."""
        ...

    def delete(self, path: str) -> bool:
        """Remove an object; False when there was none. Raises UnavailableError."""
        ...

    def sweep_unfinished(self, before: dt.datetime) -> int:
        """Remove what interrupted puts of before that time left behind; how much that was. Raises UnavailableError."""
        ...
