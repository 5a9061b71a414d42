"""The web server as a service: uvicorn in a thread, so that signals and the order of the stop stay ours."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any

import uvicorn

from mainstem.errors import UnavailableError
from mainstem.runtime.http_limits import LimitedHttp, LimitedWebSocket, raise_descriptor_limit

__all__ = ["HttpServer"]

_START_SECONDS = 30.0
_POLL_SECONDS = 0.01
# What uvicorn says of clients that send no HTTP or no UTF-8, as often as they do: they are answered, and that is all.
_CLIENTS_FAULTS = ("Invalid HTTP request", "Invalid UTF-8 sequence")
# Clients of a WebSocket have nothing to say.
_SOCKET_MESSAGE_BYTES = 4096


class HttpServer:
    """Serves an ASGI application on a listening socket.

    `drain_seconds` is how long requests under way are given when it stops.
    """

    name = "http"

    def __init__(self, app: Any, listening: socket.socket, *, drain_seconds: float) -> None:
        self.failure: BaseException | None = None
        raise_descriptor_limit()
        logging.getLogger("uvicorn.error").addFilter(lambda record: not str(record.msg).startswith(_CLIENTS_FAULTS))
        self._socket = listening
        self._drain_seconds = drain_seconds
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                http=LimitedHttp,
                ws=LimitedWebSocket,
                ws_max_size=_SOCKET_MESSAGE_BYTES,
                timeout_graceful_shutdown=max(int(drain_seconds), 1),
            )
        )
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Begin to serve. Raises UnavailableError when the application does not start."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if self.failure is not None or time.monotonic() > deadline:
                raise UnavailableError("The web server did not start.") from self.failure
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Take no new connections, finish what is under way, and end."""
        self._stopping = True
        self._server.should_exit = True
        self._thread.join(self._drain_seconds + 1)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(1)
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # noqa: BLE001 - SystemExit of a start that failed among them
            self.failure = error
            return
        if not self._stopping:
            self.failure = RuntimeError("the web server ended without being asked to")
