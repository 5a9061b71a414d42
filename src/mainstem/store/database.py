"""The way to PostgreSQL: connections, the unit of work, snapshots, notifications.

Every connection runs with `search_path` set to the fold's schema and then the control plane's, so that SQL names tables
without a schema; a rebuild opens a second Database on another fold schema and runs the same SQL. Commits are synchronous
whatever the server's configuration says: an acknowledgement rests on them.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.store.failures import translated
from mainstem.store.listener import Listener
from mainstem.store.pool import Connection, Pool
from mainstem.store.settings import StoreSettings

__all__ = ["CONTROL_SCHEMA", "FOLD_SCHEMA", "Database"]

CONTROL_SCHEMA = "mainstem"
FOLD_SCHEMA = "mainstem_fold"

_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,50}")
_READY_INTERVAL = 0.05


def _conninfo(dsn: str, fold_schema: str, settings: StoreSettings) -> str:
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.Error:
        # The text is not repeated, nor psycopg's error, which quotes it: it may hold a password.
        raise ConfigurationError("The database's connection string cannot be read.", where="database.url") from None
    options = {
        "search_path": f"{fold_schema},{CONTROL_SCHEMA}",
        "TimeZone": "UTC",
        "synchronous_commit": "on",
        # Merges and appends rely on seeing, once a lock is theirs, what its last holder committed.
        "default_transaction_isolation": r"read\ committed",
        "jit": "off",
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{settings.lock_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{settings.idle_in_transaction_timeout * 1000:.0f}",
    }
    text = " ".join([str(given.get("options") or ""), *(f"-c {name}={value}" for name, value in options.items())])
    return make_conninfo(
        dsn,
        options=text.strip(),
        client_encoding="UTF8",
        application_name=given.get("application_name") or "mainstem",
        connect_timeout=given.get("connect_timeout") or settings.connect_timeout,
        keepalives_idle=given.get("keepalives_idle") or 30,
        keepalives_interval=given.get("keepalives_interval") or 10,
        keepalives_count=given.get("keepalives_count") or 3,
        tcp_user_timeout=given.get("tcp_user_timeout") or 30_000,
    )


class Database:
    """One PostgreSQL database as one process sees it; safe to share between threads.

    Opened by `with`. Nothing connects before the first use, and a server that goes away and comes back costs the
    transactions that were under way (UnavailableError) and nothing else.

    Raises ConfigurationError for a connection string or a schema name that cannot be read.
    """

    def __init__(
        self,
        dsn: str,
        *,
        fold_schema: str = FOLD_SCHEMA,
        pool_size: int | None = None,
        settings: StoreSettings | None = None,
    ) -> None:
        if _SCHEMA.fullmatch(fold_schema) is None or fold_schema == CONTROL_SCHEMA:
            raise ConfigurationError(f"{fold_schema!r} cannot be the fold's schema.")
        settings = settings or StoreSettings()
        if pool_size is not None:
            settings = settings.model_copy(update={"pool_size": pool_size})
        self.dsn = dsn
        self.fold_schema = fold_schema
        self.settings = settings
        self._pool = Pool(_conninfo(dsn, fold_schema, settings), settings)
        self._listener = Listener(self._pool.connect)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; waiters of `listen` return."""
        self._listener.close()
        self._pool.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The unit of work: committed when the block ends, rolled back when it raises.

        Raises StorageFullError or UnavailableError with nothing kept, except that a connection which breaks during the
        commit leaves its outcome unknown.
        """
        with translated(), self._pool.connection() as connection, connection.transaction():
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read-only transaction in which every statement sees the same moment. Raises UnavailableError."""
        with self.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    @contextlib.contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """A connection on which every statement is a transaction of its own. Raises as `transaction` does."""
        with translated(), self._pool.connection() as connection:
            yield connection

    def connect(self) -> Connection:
        """A connection of the caller's own, in autocommit mode, for locks and the like that outlive a transaction.

        The caller closes it. Raises UnavailableError.
        """
        return self._pool.connect()

    def wait_ready(self, timeout: float) -> None:
        """Return when the server answers. Raises UnavailableError after `timeout` seconds, with libpq's reason."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                with self.autocommit() as connection:
                    connection.execute("SELECT 1")
                return
            except UnavailableError as error:
                if time.monotonic() >= deadline:
                    reason = str(error.__cause__ or error).strip()
                    raise UnavailableError(f"The database did not answer in {timeout:g} s: {reason}") from error
                time.sleep(_READY_INTERVAL)

    def listen(self, channel: str, timeout: float) -> bool:
        """Whether something may have been sent to the channel since this thread last asked, within `timeout` seconds.

        The first call of a thread for a channel answers True as soon as it listens. A hint only: a caller polls too.
        """
        return self._listener.wait(channel, timeout)

    def ring(self, channel: str) -> None:
        """Have this process's callers of `listen` look up, as if something had been sent."""
        self._listener.ring(channel)
