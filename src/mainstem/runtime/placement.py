"""Where the embedded server's files lie: its home, and the folder of its socket.

The home is `<data-dir>/postgres`. Running as root in a place the server's account cannot reach (a 0700 /root), it is
`<system-folder>/clusters/<id>` instead, and `<data-dir>/postgres/location.json` says so; deleting `<data-dir>/postgres`
forgets the cluster in both cases. A home holds

    lock  pg_hba.conf  pg_ident.conf  postgres.log    ours
    data/  socket/                                    the server's account's, mode 0700

The socket's path has to fit the 107 bytes of a socket address. Where it would not, the socket lies in a short folder that
we make anew, with a name nobody can foresee, and `socket.json` says where.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Any

from mainstem.errors import ConfigurationError, IntegrityError
from mainstem.runtime.account import Account

__all__ = ["Home", "find_home", "forget_socket", "has_cluster", "make_home", "socket_folder"]

_LOCATION = "location.json"
_ORIGIN = "origin.json"
_SOCKET = "socket.json"
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 107
# A list of folders is separated by commas, in the server's setting and in the client's: no surprises in the path.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@=-]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Home:
    """The folder of one cluster."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.path / "postgres.log"

    @property
    def lock(self) -> Path:
        """The lock of whoever runs the server."""
        return self.path / "lock"


def find_home(data_dir: Path) -> Home | None:
    """The home this data folder has; None when it has none yet.

    Raises IntegrityError when the home it names elsewhere is gone or another data folder's.
    """
    place = data_dir / "postgres"
    location = _read(place / _LOCATION)
    if location is None:
        return Home(place) if (place / "data").is_dir() else None
    home = Home(Path(str(location.get("home", ""))))
    origin = _read(home.path / _ORIGIN)
    if origin is None:
        raise IntegrityError(
            f"{place / _LOCATION} says that the database files are in {home.path}, where there are none.",
            hint=f"Bring them back, or delete {place} and rebuild: mainstem rebuild analytics --from-lake.",
        )
    if origin.get("id") != location.get("id"):
        raise IntegrityError(f"The database files in {home.path} belong to {origin.get('data_dir')}.")
    return home


def has_cluster(data_dir: Path) -> bool:
    """Whether a database was made for this data folder, wherever it lies."""
    home = find_home(data_dir)
    return home is not None and home.data.is_dir()


def make_home(data_dir: Path, account: Account | None, system_folder: Path) -> Home:
    """The home of this data folder, made if it has none.

    Raises ConfigurationError when a folder cannot be made, and as `find_home`.
    """
    home = find_home(data_dir)
    if home is not None and (account is None or account.can_enter(home.path)):
        return home
    place = data_dir / "postgres"
    try:
        if account is None or account.can_enter(data_dir):
            _make_folder(place, 0o700 if account is None else 0o711)
            return Home(place)
        if home is not None:
            raise ConfigurationError(
                f"the account {account.name!r} cannot reach the database files in {home.path}.",
                where="database.account",
                hint="Open the way to them for it, or start Mainstem as the account that owns them.",
            )
        return _make_elsewhere(place, system_folder)
    except OSError as error:
        raise ConfigurationError(
            f"The folder of the database cannot be made: {error.strerror}: {error.filename}.", where="database"
        ) from error


def _make_elsewhere(place: Path, system_folder: Path) -> Home:
    number = secrets.token_hex(8)
    for folder in (system_folder, system_folder / "clusters"):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
    home = system_folder / "clusters" / number
    _make_folder(home, 0o711)
    _write(home / _ORIGIN, {"id": number, "data_dir": str(place.parent.resolve())})
    _make_folder(place, 0o700)
    _write(place / _LOCATION, {"id": number, "home": str(home)})
    return Home(home)


def socket_folder(home: Home, account: Account | None) -> Path:
    """The folder for the socket, made or found; the account's, mode 0700. Raises OSError."""
    usual = home.path / "socket"
    if _fits(usual):
        _make_folder(usual, 0o700, account)
        return usual
    known = _read(home.path / _SOCKET)
    if known is not None:
        folder = Path(str(known.get("folder", "")))
        if _is_private(folder, account):
            return folder
    folder = Path(tempfile.mkdtemp(prefix="mainstem-", dir=_short_base(account)))
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    _write(home.path / _SOCKET, {"folder": str(folder)})
    return folder


def forget_socket(home: Home) -> None:
    """Remove a short socket folder, once the server has stopped."""
    known = _read(home.path / _SOCKET)
    if known is not None:
        with contextlib.suppress(OSError):
            Path(str(known.get("folder", ""))).rmdir()
        (home.path / _SOCKET).unlink(missing_ok=True)


def _fits(folder: Path) -> bool:
    path = str(folder / _SOCKET_NAME)
    return len(os.fsencode(path)) <= _SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(path) is not None


def _short_base(account: Account | None) -> str:
    """A short folder to make the socket's in: one that is emptied at boot, if there is one."""
    if account is not None:
        base = Path("/run/mainstem")
        with contextlib.suppress(OSError):
            _make_folder(base, 0o711)
            if account.can_enter(base):
                return str(base)
    own = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if account is None and own.is_absolute() and _is_private(own, None) and _fits(own / "mainstem-12345678"):
        return str(own)
    return "/tmp"  # noqa: S108 - mkdtemp makes the folder: new, ours alone, of a random name


def _is_private(folder: Path, account: Account | None) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    owner = account.uid if account is not None else os.geteuid()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and stat.S_IMODE(found.st_mode) == 0o700


def _make_folder(path: Path, mode: int, account: Account | None = None) -> None:
    """Make it if it is not there; the mode is given only to what we made."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    path.chmod(mode)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}.") from error
    return value if isinstance(value, dict) else {}


def _write(path: Path, value: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
