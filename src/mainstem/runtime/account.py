"""Which account the embedded server runs as, and what that account can reach.

PostgreSQL refuses to run as root. Running as root, Mainstem uses an account that exists (`nobody` unless configured) and
creates none. What an account can reach is read from the folders' modes, which are never changed where they are not ours.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import stat
from pathlib import Path
from typing import Any

from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["Account", "own_name", "server_account"]


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """Another account than ours that a child process runs as."""

    name: str
    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """Arguments of `subprocess.Popen` that make the child this account and leave it no group of ours."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Whether it may pass through the folder and all above it. Access lists beyond the modes are not looked at."""
        path = Path(os.path.realpath(folder))
        return all(self._may(level, stat.S_IXOTH) for level in (path, *path.parents))

    def can_list(self, folder: Path) -> bool:
        """Whether it may also read what the folder holds."""
        return self.can_enter(folder) and self._may(folder, stat.S_IROTH)

    def can_run(self, program: Path) -> bool:
        """Whether it may run a program in a folder that it can enter."""
        return self._may(program, stat.S_IXOTH)

    def _may(self, path: Path, right: int) -> bool:
        """`right` is one of the bits for others; owner and group are asked for the same one."""
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_uid == self.uid:
            return bool(found.st_mode & (right << 6))
        if found.st_gid == self.gid:
            return bool(found.st_mode & (right << 3))
        return bool(found.st_mode & right)


def server_account(configured: str | None, *, cluster: Path | None = None) -> Account | None:
    """The account for the embedded server; None: our own.

    `cluster` is PostgreSQL's data folder if there is one already: its owner is who has to run the server.

    Raises ConfigurationError for an account that does not exist, is root, or that we may not become.
    """
    where = "database.account"
    owner = _owner(cluster) if cluster is not None else None
    if os.geteuid() != 0:
        if configured not in {None, own_name()}:
            raise ConfigurationError(
                "only root can run the server as another account.", where=where, hint="Leave it unset."
            )
        if owner is not None and owner.uid != os.geteuid():
            raise ConfigurationError(f"{cluster} belongs to the account {owner.name!r}: run Mainstem as that one.")
        return None
    account = _by_name(configured, where) if configured is not None or owner is None else owner
    if account.uid == 0:
        raise ConfigurationError("PostgreSQL refuses to run as root.", where=where, hint="Name another account.")
    if owner is not None and owner.uid != account.uid:
        raise ConfigurationError(
            f"{cluster} belongs to the account {owner.name!r}.", where=where, hint="Name that one."
        )
    return account


def _by_name(configured: str | None, where: str) -> Account:
    name = configured or "nobody"
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        hint = near_miss(name, [entry.pw_name for entry in pwd.getpwall()])
        raise ConfigurationError(f"there is no account {name!r} on this machine.", where=where, hint=hint) from error
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def _owner(path: Path) -> Account | None:
    try:
        found = path.stat()
    except OSError:
        return None
    try:
        name = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        name = str(found.st_uid)
    return Account(name, found.st_uid, found.st_gid)


def own_name() -> str | None:
    """The name of the account we run as; None when the machine has none for our number, as in some containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None
