"""Connections kept for reuse.

The pool of psycopg_pool connects in background threads and, after an outage, waits longer and longer before it tries
again; a caller learns neither at once that the server is back nor why it could not be reached. Here the caller's own
thread connects, at once, and gets the error itself. A connection that died while it lay idle (the server was restarted)
is found by looking at its socket, without a round trip, and replaced unseen.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from mainstem.errors import UnavailableError
from mainstem.store.failures import translated
from mainstem.store.settings import StoreSettings

__all__ = ["Connection", "Pool"]

Connection = psycopg.Connection[tuple[Any, ...]]


def _alive(connection: Connection) -> bool:
    """Whether an idle connection still has its server. Bytes nobody asked for mean a farewell, or harmless news."""
    if connection.closed:
        return False
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if not poller.poll(0):
        return True
    try:
        # News (a setting reloaded) is read with the answer; after a farewell there is none.
        connection.execute("")
    except psycopg.Error:
        return False
    return True


class Pool:
    """Up to `settings.pool_size` connections in autocommit mode; safe to share between threads."""

    def __init__(self, conninfo: str, settings: StoreSettings) -> None:
        self._conninfo = conninfo
        self._settings = settings
        self._free = threading.BoundedSemaphore(settings.pool_size)
        # The last used one is taken first, so that the others grow old and are not renewed without need.
        self._idle: deque[tuple[Connection, float]] = deque()
        self._closed = False

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside of a transaction. Raises UnavailableError when none can be had."""
        if not self._free.acquire(timeout=self._settings.pool_timeout):
            raise UnavailableError(f"All {self._settings.pool_size} connections are in use.", retry_after=1.0)
        try:
            connection, born = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection, born)
        finally:
            self._free.release()

    def connect(self) -> Connection:
        """A connection of the caller's own, in autocommit mode; the caller closes it."""
        with translated():
            return psycopg.connect(self._conninfo, autocommit=True)

    def close(self) -> None:
        """Close the idle connections; those in use are closed when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def _take(self) -> tuple[Connection, float]:
        while True:
            try:
                connection, born = self._idle.pop()
            except IndexError:
                return self.connect(), time.monotonic()
            if _alive(connection):
                return connection, born
            connection.close()

    def _give_back(self, connection: Connection, born: float) -> None:
        fit = (
            not self._closed
            and not connection.closed
            and connection.info.transaction_status == TransactionStatus.IDLE
            and time.monotonic() - born < self._settings.connection_lifetime
        )
        if fit:
            self._idle.append((connection, born))
        else:
            connection.close()
