"""An object store that fails, or dies, exactly where a test wants it to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from mainstem.lake import ObjectInfo, ObjectStore

__all__ = ["FaultyObjects", "Killed"]


class Killed(BaseException):
    """The process ended here. No product code catches it and goes on."""


class FaultyObjects:
    """An `ObjectStore` over another one. `fault(call, path)` is asked around every put, get and delete, and may raise.

    `call` is `before put`, `after put`, `before get` ...: after a put the object is there and the caller does not know.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.fault: Callable[[str, str], None] = _none

    def put(self, path: str, data: bytes) -> bool:
        self.fault("before put", path)
        created = self.inner.put(path, data)
        self.fault("after put", path)
        return created

    def get(self, path: str) -> bytes:
        self.fault("before get", path)
        return self.inner.get(path)

    def get_range(self, path: str, offset: int, length: int) -> bytes:
        self.fault("before get", path)
        return self.inner.get_range(path, offset, length)

    def info(self, path: str) -> ObjectInfo | None:
        return self.inner.info(path)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self.inner.list(prefix)

    def delete(self, path: str) -> bool:
        self.fault("before delete", path)
        deleted = self.inner.delete(path)
        self.fault("after delete", path)
        return deleted

    def sweep_unfinished(self, before: dt.datetime) -> int:
        return self.inner.sweep_unfinished(before)


def _none(call: str, path: str) -> None:
    """No fault."""
