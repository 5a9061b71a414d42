"""The files of the embedded server: found or made, locked, and given to the account and the programs that fit them."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import structlog

from mainstem.errors import ConfigurationError, StorageFullError
from mainstem.runtime.account import Account, own_name, server_account
from mainstem.runtime.binaries import Binaries, find_binaries, reachable_binaries
from mainstem.runtime.lock import FileLock
from mainstem.runtime.placement import Home, find_home, make_home, socket_folder
from mainstem.runtime.settings import DatabaseSettings

__all__ = ["ADMINISTRATOR", "NO_ROOM", "OWNER", "Cluster", "open_cluster", "why_ended"]

ADMINISTRATOR = "mainstem_admin"
"""The superuser; Mainstem uses it to make the database and for nothing else."""
OWNER = "mainstem"
"""Who owns the database, and who Mainstem is in it."""
NO_ROOM = "No space left on device"
_STARTING = "starting PostgreSQL"
_FATAL = ("FATAL:", "PANIC:")
# What a connection is told that came too early or too late.
_REFUSED = "the database system is "

_log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process holds the lock of, ready to be served."""

    home: Home
    sockets: Path
    binaries: Binaries
    major: int
    account: Account | None
    lock: FileLock

    @property
    def access_file(self) -> Path:
        """Who may log in as whom (pg_hba.conf)."""
        return _access_file(self.home)

    @property
    def names_file(self) -> Path:
        """Which accounts of the machine are which names in the database (pg_ident.conf)."""
        return _names_file(self.home)

    def child(self) -> dict[str, Any]:
        """Arguments of `subprocess` for a program of PostgreSQL."""
        return _child(self.account)


def open_cluster(data_dir: Path, settings: DatabaseSettings, *, patience: float) -> Cluster:
    """The cluster of a data folder, made if there is none; the caller releases its lock.

    `patience` is how many seconds to wait for the guardian of a killed supervisor, which holds the lock until it has
    stopped the server.

    Raises ConfigurationError when it cannot be made or served here, or is of another major version; UnavailableError
    when another process serves it; StorageFullError; IntegrityError when the files are not where they should be.
    """
    try:
        return _open(data_dir, settings, patience)
    except OSError as error:
        what = f"{error.strerror}: {error.filename}."
        if error.errno == errno.ENOSPC:
            raise StorageFullError(f"There is no room for the database: {what}") from error
        raise ConfigurationError(f"The database's files cannot be used: {what}", where="database") from error


def _open(data_dir: Path, settings: DatabaseSettings, patience: float) -> Cluster:
    known = find_home(data_dir)
    made = known.data if known is not None and known.data.is_dir() else None
    account = server_account(settings.account, cluster=made)
    binaries, major = _choose(settings, made)
    binaries = reachable_binaries(binaries, account, settings.system_folder)
    home = make_home(data_dir, account, settings.system_folder)
    lock = FileLock(home.lock, f"The database in {home.path}", patience=patience)
    with contextlib.ExitStack() as undo:
        undo.enter_context(lock)
        if not home.data.is_dir():
            _initialise(home, binaries, account)
            _log.info("database_made", folder=str(home.data), major=major)
        sockets = socket_folder(home, account)
        _write_access(home)
        undo.pop_all()
    return Cluster(home, sockets, binaries, major, account, lock)


def _choose(settings: DatabaseSettings, made: Path | None) -> tuple[Binaries, int]:
    """The programs to use: the major version of the files decides, if there are files."""
    found = [(each, each.major()) for each in find_binaries(settings.binaries)]
    if made is None:
        return found[0]
    wanted = _major(made)
    for binaries, major in found:
        if major == wanted:
            return binaries, major
    have = " and ".join(str(major) for _, major in found)
    raise ConfigurationError(
        f"The database in {made} was made by PostgreSQL {wanted}; the programs here are PostgreSQL {have}.",
        where="database.binaries",
        hint=f"Set it to a folder with the programs of PostgreSQL {wanted} to go on as before. `mainstem database "
        f"upgrade`, which will move the files to PostgreSQL {have}, is not part of this release; until then dump with "
        f"the old programs and restore, or rebuild from the lake.",
    )


def _major(made: Path) -> int:
    try:
        return int((made / "PG_VERSION").read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{made} is not a data folder of PostgreSQL: {error}.") from error


def _initialise(home: Home, binaries: Binaries, account: Account | None) -> None:
    """Make the cluster aside and rename it: a crash in between leaves nothing that looks like one."""
    unfinished = home.path / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account is not None:
        os.chown(unfinished, account.uid, account.gid)
    # Its own sync of the files (50 ms) stays on: --no-sync gained nothing that could be measured.
    answer = subprocess.run(  # noqa: S603 - a program of our own choice
        [binaries.bin / "initdb", "-D", unfinished, "-U", ADMINISTRATOR, "-E", "UTF8", "--locale=C",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums", "-A", "peer"],
        capture_output=True, text=True, check=False, **_child(account),
    )  # fmt: skip
    if answer.returncode != 0:
        reason = last_lines(answer.stderr)
        shutil.rmtree(unfinished, ignore_errors=True)
        if NO_ROOM in reason:
            raise StorageFullError(f"There is no room to make the database: {reason}")
        raise ConfigurationError(f"The database cannot be made: {reason}", where="database")
    unfinished.rename(home.data)
    _sync(home.path)


def _write_access(home: Home) -> None:
    """Decide anew at every start who may log in; the files are ours, so that the server's account cannot change them."""
    own = own_name()
    method = f"peer map={OWNER}" if own else "trust"
    names = sorted({own, "root"}) if own else []
    rules = [f"local all {ADMINISTRATOR},{OWNER} {method}", f"local replication {ADMINISTRATOR} {method}"]
    maps = [f'{OWNER} "{name}" {role}' for name in names for role in (ADMINISTRATOR, OWNER)]
    for path, lines in ((_access_file(home), rules), (_names_file(home), maps)):
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(0o644)


def _access_file(home: Home) -> Path:
    return home.path / "pg_hba.conf"


def _names_file(home: Home) -> Path:
    return home.path / "pg_ident.conf"


def _child(account: Account | None) -> dict[str, Any]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    return {"cwd": "/", "env": environment, "umask": 0o077, **(account.popen() if account else {})}


def last_lines(text: str, count: int = 3) -> str:
    """The end of what a program printed, in one line."""
    return " / ".join(_without_head(line) for line in text.strip().splitlines()[-count:]) or "it said nothing"


def why_ended(log: str) -> str:
    """Why a server ended whose log this is: what it called fatal since it was started, else the log's end.

    Behind that come lines that only say that it ended.
    """
    since = log.rpartition(_STARTING)[2].splitlines()
    fatal = [line for line in since if any(word in line for word in _FATAL) and _REFUSED not in line]
    return last_lines("\n".join(fatal) or log)


def _without_head(line: str) -> str:
    """A line of the server's log without time and process number."""
    return line.partition("] ")[2].strip() or line.strip()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
