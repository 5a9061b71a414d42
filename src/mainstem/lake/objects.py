"""The object store over obstore: one client for a local folder and, with their own backends, S3, Azure and GCS."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from mainstem.errors import IntegrityError, MainstemError, NotFoundError, StorageFullError, UnavailableError
from mainstem.lake.store import ObjectInfo

__all__ = ["ObstoreObjects"]

# Objects listed in one step; large enough that a listing is no round trip per object.
_LISTED = 1000


class ObstoreObjects:
    """`store.ObjectStore` over any backend of obstore whose `put` is durable by itself (the clouds' are)."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def put(self, path: str, data: bytes) -> bool:
        with _translated(path):
            try:
                # One conditional request; a multipart upload could not be conditional.
                obstore.put(self._backend, path, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return self._put_again(path, data)
            self._settle(path)
        return True

    def get(self, path: str) -> bytes:
        with _translated(path):
            return bytes(obstore.get(self._backend, path).bytes())

    def get_range(self, path: str, offset: int, length: int) -> bytes:
        with _translated(path):
            if length == 0:
                return b""
            return bytes(obstore.get_range(self._backend, path, start=offset, length=length))

    def info(self, path: str) -> ObjectInfo | None:
        with _translated(path):
            try:
                return _info(obstore.head(self._backend, path))
            except FileNotFoundError:
                return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with _translated(prefix):
            for chunk in obstore.list(self._backend, prefix, chunk_size=_LISTED):
                yield from map(_info, chunk)

    def delete(self, path: str) -> bool:
        if self.info(path) is None:
            return False
        with _translated(path), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._backend, path)
        return True

    def sweep_unfinished(self, before: dt.datetime) -> int:  # noqa: ARG002
        """Nothing: puts are single requests, of which a cloud keeps no part."""
        return 0

    def _put_again(self, path: str, data: bytes) -> bool:
        """The path is taken: by an earlier try of the same put, or by what must not be there."""
        if bytes(obstore.get(self._backend, path).bytes()) != data:
            raise IntegrityError(
                f"{path} exists with other bytes.",
                hint="Run: mainstem lake verify --deep, then move it out of the lake.",
            )
        self._settle(path)
        return False

    def _settle(self, path: str) -> None:
        """Make an object that was just created durable, where the backend does not."""


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"].astimezone(dt.UTC))


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    """Within it, failures of the backend become our errors, which name the path and never its content."""
    try:
        yield
    except MainstemError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no object {path}.") from error
    except (BaseError, OSError) as error:
        # The backend tells a full disk from other failures by its text only.
        text = str(error).lower()
        if any(sign in text for sign in ("no space left", "storagefull", "quota exceeded", "enospc", "edquot")):
            raise StorageFullError("The lake's disk is full.", retry_after=5.0, hint="Free space on it.") from error
        raise UnavailableError(f"The lake cannot reach {path}.", retry_after=1.0) from error
