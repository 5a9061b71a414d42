"""The keys of an installation: two files that no store holds, and without which nothing opens.

`index.key` (32 random bytes) is under every reference, slot and hash and never changes. `sealing.json` (a clear Tink
keyset) seals personal data; a rotation adds a key to it and keeps the old ones. Losing either loses the data: `export_to`
writes both into one file under a passphrase.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hmac
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog
import tink

from mainstem.errors import ConfigurationError, MissingKeysError
from mainstem.privacy._export import Exported, pack, unpack
from mainstem.privacy.sealing import Sealer, new_keyset, rotated_keyset

if TYPE_CHECKING:
    # Arrow and DuckDB, which who only needs the keys does not wait for.
    from mainstem.privacy.hashing import Hasher
    from mainstem.privacy.references import References

__all__ = ["Keyring"]

_log = structlog.get_logger()

_INDEX = "index.key"
_SEALING = "sealing.json"
_INDEX_BYTES = 32
_RESTORE = "Restore the folder from your backup, or run: mainstem keys import FILE"


class Keyring:
    """The keys in a folder, opened. Its parts are thread-safe; `repr` shows the folder only."""

    def __init__(self, folder: Path, index_key: bytes, keyset: str) -> None:
        """Use `create`, `open` or `import_from`. Raises MissingKeysError when the keys are not usable."""
        if len(index_key) != _INDEX_BYTES:
            raise MissingKeysError(f"{folder / _INDEX} is damaged: {len(index_key)} bytes.", hint=_RESTORE)
        self.folder = folder
        self.index_key = index_key
        try:
            self.sealer = Sealer(keyset, lambda: _read_keyset(folder))
        except tink.TinkError as error:
            raise MissingKeysError(f"{folder / _SEALING} is damaged: it is no keyset.", hint=_RESTORE) from error

    def __repr__(self) -> str:
        return f"Keyring({str(self.folder)!r})"

    @classmethod
    def create(cls, folder: Path) -> Self:
        """New keys in a new or empty folder, on disk for good on return.

        Raises ConfigurationError when there are keys already or the folder cannot be written.
        """
        return cls._write(folder, secrets.token_bytes(_INDEX_BYTES), new_keyset())

    @staticmethod
    def made(folder: Path) -> bool:
        """Whether the folder holds keys, if not all. Where a process was killed while it made them, it is now made up for.

        Raises ConfigurationError when that cannot be written.
        """
        try:
            if any((folder / _staged(name)).exists() for name in (_SEALING, _INDEX)):
                with _locked(folder):
                    _end_making(folder)
        except OSError as error:
            raise ConfigurationError(f"keys cannot be written: {error.strerror}.", where=str(folder)) from error
        return any((folder / name).exists() for name in (_SEALING, _INDEX))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The keys of a folder. Raises MissingKeysError when one is missing, unreadable or damaged."""
        index_key = _read(folder / _INDEX)
        keyset = _read_keyset(folder)
        for path in (folder, folder / _INDEX, folder / _SEALING):
            # Only said, not refused: a mounted secret's modes are often not the reader's to change.
            if path.stat().st_mode & 0o077:
                _log.warning("keys_open_to_others", path=str(path), hint="chmod -R go-rwx the keys folder")
        return cls(folder, index_key, keyset)

    @classmethod
    def import_from(cls, path: Path, folder: Path, passphrase: str) -> Self:
        """The keys of an exported file, put into a new or empty folder.

        Raises ConfigurationError when the file is no export, the passphrase is wrong, there are keys already, or the
        folder cannot be written.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"cannot be read: {error.strerror}.", where=str(path)) from error
        exported = unpack(data, passphrase, where=str(path))
        return cls._write(folder, exported.index_key, exported.keyset)

    def export_to(self, path: Path, passphrase: str) -> None:
        """Write all keys into one new file (mode 0600) that only the passphrase opens.

        Raises ConfigurationError when the passphrase is too short, the file exists or cannot be written.
        """
        data = pack(Exported(self.index_key, _read_keyset(self.folder)), passphrase)
        try:
            _create(path, data)
        except FileExistsError as error:
            raise ConfigurationError("exists; an export never overwrites a file.", where=str(path)) from error
        except OSError as error:
            raise ConfigurationError(f"cannot be written: {error.strerror}.", where=str(path)) from error

    def rotate(self) -> None:
        """Seal with a new key from now on; what was sealed before still opens. Other processes notice by themselves."""
        with _locked(self.folder):
            keyset = rotated_keyset(_read_keyset(self.folder))
            temporary = self.folder / f".{_SEALING}.{secrets.token_hex(8)}"
            _create(temporary, keyset.encode())
            temporary.replace(self.folder / _SEALING)
            _sync(self.folder)
        self.sealer.replace(keyset)

    def check(self) -> bytes:
        """A keyed hash (32 bytes) of a constant: proves that the index key is an installation's, and tells nothing."""
        return self.derive("installation check")

    def derive(self, purpose: str) -> bytes:
        """A key (32 bytes) for one purpose (`session`, `resume token`), the same in every process of the installation."""
        return hmac.digest(self.index_key, b"derive\0" + purpose.encode(), "sha256")

    @functools.cached_property
    def references(self) -> References:
        """References under the index key."""
        from mainstem.privacy.references import References

        return References(self.index_key)

    @functools.cached_property
    def hasher(self) -> Hasher:
        """Hashes under the index key."""
        from mainstem.privacy.hashing import Hasher

        return Hasher(self.index_key)

    @classmethod
    def _write(cls, folder: Path, index_key: bytes, keyset: str) -> Self:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder):
                _end_making(folder)
                if (folder / _INDEX).exists() or (folder / _SEALING).exists():
                    raise ConfigurationError(
                        "holds keys already; they are never overwritten.",
                        where=str(folder),
                        hint="Name another folder, or move these keys to a safe place first.",
                    )
                # Both are there, if not in their places yet, before one is in its place: `_end_making` can go on.
                _create(folder / _staged(_SEALING), keyset.encode())
                _create(folder / _staged(_INDEX), index_key)
                _end_making(folder, forget=False)
            _sync(folder.parent)
        except OSError as error:
            raise ConfigurationError(f"keys cannot be written: {error.strerror}.", where=str(folder)) from error
        return cls.open(folder)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingKeysError(f"{path} is missing.", hint=_RESTORE) from error
    except OSError as error:
        raise MissingKeysError(f"{path} cannot be read: {error.strerror}.", hint=_RESTORE) from error


def _read_keyset(folder: Path) -> str:
    try:
        return _read(folder / _SEALING).decode()
    except UnicodeDecodeError as error:
        raise MissingKeysError(f"{folder / _SEALING} is damaged: it is no text.", hint=_RESTORE) from error


def _create(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, mode 0600, on disk for good on return."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _staged(name: str) -> str:
    return f".{name}.new"


def _end_making(folder: Path, *, forget: bool = True) -> None:
    """Put keys that wait beside their places into them. Called with the folder locked.

    Keys of which none is in its place were given to nobody: a making that was broken off there is forgotten if asked.
    """
    # The first had its place already; one that stands there while ours still waits is somebody else's, and is left.
    half = not any((folder / name).exists() for name in (_INDEX, _staged(_SEALING))) and (folder / _SEALING).exists()
    if half or not forget:
        for name in (_SEALING, _INDEX):
            with contextlib.suppress(FileNotFoundError):
                (folder / _staged(name)).rename(folder / name)
                _sync(folder)
    for name in (_SEALING, _INDEX):
        (folder / _staged(name)).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other writers, of this and other processes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
