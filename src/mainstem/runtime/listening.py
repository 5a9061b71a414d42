"""The listening socket: opened by the supervisor, or by a role that runs alone."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from mainstem.errors import UnavailableError
from mainstem.runtime.settings import RuntimeSettings
from mainstem.runtime.watch import LISTEN_VARIABLE, inherited

__all__ = ["address_of", "listen", "open_socket"]

_BACKLOG = 1024
_PAUSE_SECONDS = 0.05


def listen(settings: RuntimeSettings) -> socket.socket:
    """The supervisor's listening socket, or a new one. Raises UnavailableError when the port is taken."""
    passed = inherited(LISTEN_VARIABLE)
    if passed is not None:
        return socket.socket(fileno=passed)
    return open_socket(settings.host, settings.port)


def open_socket(host: str, port: int, patience: float = 0.0) -> socket.socket:
    """A listening socket. Raises UnavailableError when the address cannot be used, for `patience` seconds long if it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UnavailableError(f"{host!r} is no address of this machine: {error.strerror}.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listening, address, time.monotonic() + patience)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise UnavailableError(
            f"{host} port {port} cannot be used: {error.strerror}.", hint="Choose another with --port."
        ) from error
    return listening


def _bind(listening: socket.socket, address: Any, deadline: float) -> None:
    while True:
        try:
            listening.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(_PAUSE_SECONDS)


def address_of(listening: socket.socket, host: str) -> str:
    """The URL that a listening socket is reached at."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"
