"""The lake as its parts use it together: objects, manifest, files, clock, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mainstem.clock import Clock
from mainstem.errors import ConfigurationError
from mainstem.lake.commit import LakeCommit, LakeFile
from mainstem.lake.files import FileCodec
from mainstem.lake.local import LocalObjects
from mainstem.lake.manifest import Manifest
from mainstem.lake.settings import LakeSettings
from mainstem.lake.store import ObjectStore
from mainstem.privacy import Keyring
from mainstem.store import Database

__all__ = ["Lake", "open_objects"]


@dataclasses.dataclass(frozen=True, slots=True)
class Lake:
    """One installation's raw lake; its parts are safe to share between threads."""

    database: Database
    objects: ObjectStore
    codec: FileCodec
    manifest: Manifest
    clock: Clock
    settings: LakeSettings

    @classmethod
    def of(
        cls, database: Database, objects: ObjectStore, keyring: Keyring, clock: Clock, settings: LakeSettings
    ) -> Lake:
        """The lake over these."""
        codec = FileCodec(keyring.sealer, keyring.hasher, settings)
        return cls(database, objects, codec, Manifest(database, clock), clock, settings)

    def publish(self, commit: LakeCommit, files: Iterable[tuple[LakeFile, bytes]]) -> None:
        """Put a commit's new files and then its descriptor; all are durable on return.

        Nothing exists by this alone: the manifest has to take the commit. May be repeated. Raises StorageFullError,
        UnavailableError.
        """
        for file, data in files:
            self.objects.put(file.path, data)
        self.objects.put(commit.descriptor, commit.describe())


def open_objects(url: str | Path) -> ObjectStore:
    """The object store that a path or `file://` URL names. Raises ConfigurationError."""
    if isinstance(url, Path):
        return LocalObjects(url)
    parts = urlsplit(url)
    if parts.scheme == "":
        return LocalObjects(Path(url))
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return LocalObjects(Path(unquote(parts.path)))
    raise ConfigurationError(
        f"{parts.scheme}:// is no place that a lake can lie in.",
        where="lake.url",
        hint="Name a folder, or a URL that begins with file:///.",
    )
