"""The embedded PostgreSQL: started, watched and stopped by us.

Who may log in. There is no TCP. The socket lies in a folder of mode 0700, and the server asks the kernel who is calling
(`peer`): the account Mainstem runs as, and root, may be `mainstem` (the owner of the database) or `mainstem_admin` (the
superuser, for making them); nobody else may be anybody, the server's own account included. Where the machine has no name
for our account, as in some containers, there is nobody to compare with and the 0700 folder alone decides (`trust`).

Life of a server. `launch` clears what an earlier one left, starts the guardian and then the postmaster, for the first time
or again; `wait_ready` waits as long as crash recovery takes; `stop` ends everything. `start` does the first two and makes
the database.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from mainstem.errors import IntegrityError, StorageFullError, UnavailableError
from mainstem.runtime.cluster import ADMINISTRATOR, NO_ROOM, OWNER, Cluster, open_cluster, why_ended
from mainstem.runtime.guardian import Guardian
from mainstem.runtime.parameters import server_parameters
from mainstem.runtime.placement import Home, forget_socket
from mainstem.runtime.postmaster import (
    LAUNCHER,
    postmaster_of,
    read_status,
    remove_stale_files,
    server_processes,
    stop_server,
)
from mainstem.runtime.processes import ProcessId
from mainstem.runtime.settings import DatabaseSettings

__all__ = ["DATABASE", "EmbeddedPostgres"]

DATABASE = "mainstem"

_SOURCE = str(Path(__file__).resolve().parents[2])
_BOOTSTRAP = f"import sys; sys.path.insert(0, sys.argv[1]); from {LAUNCHER} import main; main(sys.argv[2:])"
_POLL_SECONDS = 0.02
_NOTICE_SECONDS = 10.0
_IMMEDIATE_SECONDS = 5.0
# What is left of a server whose postmaster was killed notices within moments; it is not given more.
_ORPHAN_SECONDS = 1.0
_LOG_BYTES = 8 * 1024 * 1024
_log = structlog.get_logger()


def _never() -> bool:
    return False


class EmbeddedPostgres:
    """One embedded server, for one data folder, run by this process; not thread-safe.

    `tree` is the id of the process tree whose processes the guardian ends too, when this process is killed.
    """

    def __init__(self, data_dir: Path, settings: DatabaseSettings, *, tree: str | None = None) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._tree = tree
        self._opened: Cluster | None = None
        self._guardian: Guardian | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, cancelled: Callable[[], bool] = _never) -> str:
        """Start the server, make what is missing, and wait until it answers; the connection string of the database.

        When `cancelled` it returns early, with the server in whatever state.

        Raises ConfigurationError when it cannot run here or the files are of another major version, UnavailableError
        when another process runs it or it does not start, StorageFullError when there is no room, IntegrityError when
        its files are not where they should be.
        """
        try:
            self.launch()
            self.wait_ready(cancelled)
            if not cancelled():
                self._make_database()
        except BaseException:
            self.stop()
            raise
        return self.dsn

    @property
    def dsn(self) -> str:
        """Connection string of Mainstem's database, as its owner; only after `launch`."""
        return self._dsn(OWNER, DATABASE)

    @property
    def admin_dsn(self) -> str:
        """Connection string of the maintenance database, as the superuser; only after `launch`."""
        return self._dsn(ADMINISTRATOR, "postgres")

    @property
    def home(self) -> Home:
        """Where its files lie; only after `launch`."""
        return self._cluster.home

    @property
    def major(self) -> int:
        """The server's major version; only after `launch`."""
        return self._cluster.major

    @property
    def process(self) -> ProcessId | None:
        """The postmaster; None when it does not run."""
        if self._server is None or self._server.poll() is not None:
            return None
        return ProcessId.of(self._server.pid)

    @property
    def guardian(self) -> ProcessId | None:
        """The guardian; None when it does not run."""
        return self._guardian.process if self._guardian else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of our own children, also of ended ones that nobody has seen yet."""
        found = (self._server.pid if self._server else None, self._guardian.pid if self._guardian else None)
        return tuple(pid for pid in found if pid is not None)

    @property
    def running(self) -> bool:
        """Whether the postmaster lives; `ready` says whether it answers."""
        return self.process is not None

    @property
    def ready(self) -> bool:
        """Whether the server takes connections."""
        process = self.process
        return process is not None and read_status(self.home.data, process.pid) in {"ready", "standby"}

    def launch(self) -> None:
        """Start guardian and postmaster, again if they have died, without waiting for an answer. Raises as `start`."""
        if self._opened is None:
            patience = self._settings.stop_seconds + _IMMEDIATE_SECONDS
            self._opened = open_cluster(self._data_dir, self._settings, patience=patience)
        elif not self.home.data.is_dir():
            raise IntegrityError(
                f"The database files in {self.home.data} are gone.",
                hint="Bring them back, or rebuild from the lake: mainstem rebuild analytics --from-lake.",
            )
        if self._guardian is None:
            self._guardian = Guardian(
                self.home.data, tree=self._tree, grace=self._settings.stop_seconds, lock=self._cluster.lock
            )
        self.guard()
        self._clear_the_way(self._cluster)
        self._spawn(self._cluster)

    def wait_ready(self, cancelled: Callable[[], bool] = _never) -> None:
        """Return when the server takes connections, or when `cancelled`. Recovery takes what it takes: no time limit.

        Raises UnavailableError or StorageFullError when the server ends instead.
        """
        began = noticed = time.monotonic()
        while not self.ready and not cancelled():
            if not self.running:
                raise self._failure("The database server ended while starting")
            now = time.monotonic()
            if now - noticed > _NOTICE_SECONDS:
                noticed = now
                _log.info("database_recovering", seconds=round(now - began))
            time.sleep(_POLL_SECONDS)

    def guard(self) -> bool:
        """Start the guardian if it does not run; whether that was so."""
        if self._guardian is None or self._guardian.process is not None:
            return False
        self._guardian.start()
        return True

    def stop(self, hurried: Callable[[], bool] = _never) -> None:
        """End the server in order, by force when that takes too long or once `hurried`; nothing of it is left."""
        if self._server is not None:
            orderly = stop_server(
                self.home.data, fast=self._settings.stop_seconds, immediate=_IMMEDIATE_SECONDS, hurried=hurried
            )
            self._server.wait()
            self._server = None
            _log.info("database_stopped", orderly=orderly)
        if self._guardian is not None:
            self._guardian.stop()
            self._guardian = None
        if self._opened is not None:
            forget_socket(self._opened.home)
            self._opened.lock.release()
            self._opened = None

    @property
    def _cluster(self) -> Cluster:
        if self._opened is None:
            raise UnavailableError("The embedded database server was not started.")
        return self._opened

    def _clear_the_way(self, cluster: Cluster) -> None:
        """Stop what an earlier postmaster left behind, and remove the files that would keep a new one from starting."""
        left = server_processes(cluster.home.data)
        if left:
            # A whole server is one whose supervisor and guardian were both killed: the lock says that nobody runs it.
            _log.warning("database_orphans", processes=len(left), server=postmaster_of(cluster.home.data) is not None)
            stop_server(cluster.home.data, fast=self._settings.stop_seconds, immediate=_ORPHAN_SECONDS)
        if self._server is not None:
            self._server.wait()
        remove_stale_files(cluster.home.data, cluster.sockets)

    def _spawn(self, cluster: Cluster) -> None:
        given = {
            **server_parameters(self._settings, major=cluster.major, disk=shutil.disk_usage(cluster.home.data).total),
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(cluster.sockets),
            "unix_socket_permissions": "0700",
            "hba_file": str(cluster.access_file),
            "ident_file": str(cluster.names_file),
        }
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        account = cluster.account
        names = ("", "") if account is None else (str(account.uid), str(account.gid))
        # It changes to the account itself: the account may have no way to our Python.
        launcher = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, _SOURCE, str(os.getpid()), *names]
        program = [str(cluster.binaries.bin / "postgres"), "-D", str(cluster.home.data), *options]
        child = {key: value for key, value in cluster.child().items() if key in {"cwd", "env", "umask"}}
        with _open_log(cluster.home.log) as log:
            self._server = subprocess.Popen(  # noqa: S603 - this Python, this package, a program of our own choice
                [*launcher, *program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **child,
            )

    def _make_database(self) -> None:
        """Make the owner and its database if they are not there."""
        import psycopg

        try:
            with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
                names = "SELECT rolname FROM pg_roles WHERE rolname = %s"
                if connection.execute(names, [OWNER]).fetchone() is None:
                    connection.execute(f"CREATE ROLE {OWNER} LOGIN IN ROLE pg_monitor, pg_checkpoint")
                databases = "SELECT datname FROM pg_database WHERE datname = %s"
                if connection.execute(databases, [DATABASE]).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        except psycopg.errors.DiskFull as error:
            raise StorageFullError("There is no room to make the database.") from error
        except psycopg.Error as error:
            raise UnavailableError(f"The database server does not answer as it should: {error}") from error

    def _failure(self, what: str) -> StorageFullError | UnavailableError:
        reason = why_ended(_tail(self.home.log))
        if NO_ROOM in reason:
            return StorageFullError(
                f"{what}, because its disk is full: {reason}.",
                hint=f"Free space on the disk of {self.home.data}; nothing that was acknowledged is lost.",
            )
        return UnavailableError(f"{what}: {reason}", hint=f"Its log is {self.home.log}.")

    def _dsn(self, user: str, database: str) -> str:
        # A plain path by construction (placement): nothing in it needs quoting.
        return f"host={self._cluster.sockets} user={user} dbname={database}"


def _open_log(path: Path) -> IO[bytes]:
    """The server's log for appending; a large one is put aside first, over the one put aside before."""
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 4096, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
