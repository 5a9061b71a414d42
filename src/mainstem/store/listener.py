"""Waiting for NOTIFY: one thread and one connection a process, however many threads wait for however many channels.

A notification is a hint and never the truth: waiters look for themselves, and look again when the connection broke,
because what was sent meanwhile is lost.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

import psycopg
from psycopg import sql

from mainstem.errors import RetryableError
from mainstem.store.pool import Connection

__all__ = ["Listener"]

_RETRY_SECONDS = 0.5


class Listener:
    """Counts notifications by channel and wakes who waits for more than it has seen."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._changed = threading.Condition()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._wanted: set[str] = set()
        self._listening: set[str] = set()
        self._seen = threading.local()
        self._thread: threading.Thread | None = None
        self._stopped = False
        # Written to when the thread should look up from its connection: a new channel, or the end.
        self._waker: socket.socket | None = None

    def wait(self, channel: str, timeout: float) -> bool:
        """Whether something may have been sent since this thread's last wait, at most `timeout` seconds from now.

        A thread's first wait for a channel answers True once the channel is listened to: what was sent before is unknown.
        """
        seen: dict[str, int] = self._seen.__dict__.setdefault("counts", {})
        deadline = time.monotonic() + timeout
        with self._changed:
            if channel not in self._wanted and not self._stopped:
                self._wanted.add(channel)
                self._wake()
            while True:
                arrived = channel in self._listening and self._counts[channel] != seen.get(channel, -1)
                left = deadline - time.monotonic()
                if arrived:
                    seen[channel] = self._counts[channel]
                    return True
                if left <= 0 or self._stopped:
                    return False
                self._changed.wait(left)

    def ring(self, channel: str) -> None:
        """Have those who wait here for the channel look up, as if something had been sent."""
        with self._changed:
            self._counts[channel] += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread and its connection; waiters return."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread, waker = self._thread, self._waker
            self._thread = self._waker = None
        if thread is not None and waker is not None:
            # A thread that has just ended by itself has closed its side already.
            with contextlib.suppress(OSError):
                waker.send(b".")
            thread.join()
            waker.close()

    def _wake(self) -> None:
        """Start the thread, or have it look for new channels."""
        if self._waker is None:
            self._waker, woken = socket.socketpair()
            woken.setblocking(False)
            self._thread = threading.Thread(target=self._run, args=[woken], name="mainstem-listener", daemon=True)
            self._thread.start()
        self._waker.send(b".")

    def _run(self, woken: socket.socket) -> None:
        with woken:
            self._reconnecting(woken)

    def _reconnecting(self, woken: socket.socket) -> None:
        while not self._stopped:
            with contextlib.suppress(psycopg.Error, RetryableError), contextlib.closing(self._connect()) as connection:
                self._follow(connection, woken)
            with self._changed:
                # Whatever is sent until the next connection listens is lost: everybody looks again then.
                self._listening.clear()
                if not self._stopped:
                    self._changed.wait_for(lambda: self._stopped, _RETRY_SECONDS)

    def _follow(self, connection: Connection, woken: socket.socket) -> None:
        poller = select.poll()
        poller.register(connection.fileno(), select.POLLIN)
        poller.register(woken, select.POLLIN)
        while not self._stopped:
            self._listen_to_new(connection)
            poller.poll()
            with contextlib.suppress(BlockingIOError):
                woken.recv(4096)
            connection.pgconn.consume_input()
            arrived = []
            while (notification := connection.pgconn.notifies()) is not None:
                arrived.append(notification.relname.decode())
            self._count(arrived)

    def _listen_to_new(self, connection: Connection) -> None:
        with self._changed:
            new = self._wanted - self._listening
        for channel in new:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        if new:
            with self._changed:
                self._listening |= new
            # Every channel: psycopg keeps to itself what arrived beside the answer to LISTEN.
            self._count(self._listening)

    def _count(self, channels: Iterable[str]) -> None:
        with self._changed:
            for channel in channels:
                self._counts[channel] += 1
            self._changed.notify_all()
