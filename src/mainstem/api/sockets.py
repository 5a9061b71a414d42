"""One WebSocket connection, from its hello to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from mainstem.access import Permission
from mainstem.api.envelope import encode
from mainstem.api.hub import Feed, LiveHub, Subscriber, TooManyError
from mainstem.api.problems import ProblemError
from mainstem.api.security import Gate, same_origin
from mainstem.clock import Clock
from mainstem.errors import MainstemError, PermissionDeniedError

__all__ = ["serve_subscription"]

_NOT_SIGNED_IN: Final = 4401
_NOT_PERMITTED: Final = 4403
_TOO_SLOW: Final = 4408
_TOO_MANY: Final = 4429
_GOING_AWAY: Final = 1012
_INVALID: Final = 1008
_PING_SECONDS: Final = 15.0


def _check(socket: WebSocket, gate: Gate, permission: Permission) -> None:
    """Raises ProblemError or PermissionDeniedError. A cookie is taken only from a page of ours."""
    if "authorization" not in socket.headers and not same_origin(socket):
        raise ProblemError(401, "unauthenticated", "A browser may connect from this server's own pages only.")
    gate.principal(socket, unsafe=False).require(permission)


async def serve_subscription(
    socket: WebSocket, gate: Gate, permission: Permission, hub: LiveHub, make_feed: Callable[[], Feed]
) -> None:
    """Serve one client until either side ends it. The close code and reason say why; see docs/specs/api-shapes.md."""
    # A client may go away at any moment, also while it is being told something.
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.accept()
        await _serve(socket, gate, permission, hub, make_feed)


async def _serve(
    socket: WebSocket, gate: Gate, permission: Permission, hub: LiveHub, make_feed: Callable[[], Feed]
) -> None:
    try:
        await asyncio.to_thread(_check, socket, gate, permission)
        feed = await asyncio.to_thread(make_feed)
        subscriber = await hub.subscribe(feed, socket.query_params.get("token"))
    except ProblemError as error:
        await socket.close(_NOT_SIGNED_IN if error.status == 401 else _INVALID, error.detail[:120])
        return
    except PermissionDeniedError as error:
        await socket.close(_NOT_PERMITTED, error.message[:120])
        return
    except TooManyError:
        await socket.close(_TOO_MANY, "too many connections")
        return
    except MainstemError as error:
        await socket.close(_GOING_AWAY, error.message[:120])
        return
    reader = asyncio.create_task(_until_gone(socket))
    try:
        await _send(socket, subscriber, reader, hub.clock)
        if socket.application_state is WebSocketState.CONNECTED and not reader.done():
            slow = (subscriber.dropped or "").startswith("too slow")
            await socket.close(_TOO_SLOW if slow else _GOING_AWAY, subscriber.dropped or "the server stops")
    finally:
        hub.leave(feed, subscriber)
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader


async def _send(socket: WebSocket, subscriber: Subscriber, reader: asyncio.Task[None], clock: Clock) -> None:
    while not reader.done():
        getter = asyncio.ensure_future(subscriber.queue.get())
        done, _ = await asyncio.wait({getter, reader}, timeout=_PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if getter not in done:
            getter.cancel()
            if reader not in done:
                await socket.send_text(encode({"type": "ping", "at": clock.wall()}).decode())
            continue
        message = getter.result()
        if message is None:
            return
        await socket.send_text(message.decode())


async def _until_gone(socket: WebSocket) -> None:
    """Clients have nothing to say; reading is how their going is noticed."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
