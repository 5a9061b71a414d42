"""What a connection may cost: uvicorn's protocols with bounds in bytes and in time.

uvicorn itself puts no bound on the head of a request, waits for ever for the rest of a head or a body, and closes a
connection only when everything written to it has been taken. Whoever sends without end, sends nothing, or does not read
would so keep memory and descriptors for as long as it likes. Nothing here costs a request that arrives in one piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import Any, Final, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mainstem.runtime.http_writing import OneWrite

__all__ = ["LimitedHttp", "LimitedWebSocket", "raise_descriptor_limit"]

_HEAD_BYTES: Final = 64 * 1024
_HEAD_SECONDS: Final = 20.0
# A body that is under way has to bring this much in this time: 1.6 KiB/s.
_PACE_BYTES: Final = 16 * 1024
_PACE_SECONDS: Final = 10.0
# How long a client may take nothing of what was written to it.
_STUCK_SECONDS: Final = 60.0
# Descriptors that are left for the database, files and the rest when connections have used up theirs.
_DESCRIPTORS_KEPT: Final = 256
_MOST_CONNECTIONS: Final = 10_000


def raise_descriptor_limit() -> None:
    """Have as many descriptors as this process may have: each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_CONNECTIONS + _DESCRIPTORS_KEPT
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _most_connections() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(min(_MOST_CONNECTIONS, soft - _DESCRIPTORS_KEPT), 16)


class _CutOff:
    """Cuts a client off that does not read: mixed into a protocol, whose `loop` and `transport` it uses."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stuck: asyncio.TimerHandle | None = None

    def eof_received(self) -> None:
        """As asyncio has it: the client sends nothing more. What was written is sent, and the connection closed."""
        super().eof_received()  # type: ignore[misc]
        self.transport.close()

    def pause_writing(self) -> None:
        """As asyncio has it: so much is waiting to be sent that nothing more should be written."""
        super().pause_writing()  # type: ignore[misc]
        self._stuck = self.loop.call_later(_STUCK_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """As asyncio has it."""
        self._forget_stuck()
        super().resume_writing()  # type: ignore[misc]

    def _forget_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None


class LimitedHttp(_CutOff, HttpToolsProtocol):
    """One HTTP connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._head_bytes = 0
        self._body_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As asyncio has it."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        if len(self.connections) > _most_connections():
            self._end(503, "unavailable", "Too many connections.")
            return
        self._timer = self.loop.call_later(_HEAD_SECONDS, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio has it."""
        self._forget_timer()
        self._forget_stuck()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As asyncio has it."""
        if self._ended:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._timer is None:
                self._timer = self.loop.call_later(_HEAD_SECONDS, self._head_too_slow)
        else:
            self._body_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > _HEAD_BYTES:
            self._end(431, "invalid", f"The head of the request is larger than {_HEAD_BYTES} bytes.")
        elif not self._in_head and self._timer is None and self in self.connections:
            # The body did not come with its head.
            self._body_bytes = 0
            self._timer = self.loop.call_later(_PACE_SECONDS, self._look_at_pace)

    def on_headers_complete(self) -> None:
        """As httptools has it."""
        self._in_head = False
        self._forget_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """As httptools has it."""
        self._in_head = True
        self._head_bytes = 0
        self._forget_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is answered as every other problem is. The parser's words are not told."""
        del msg
        self._end(400, "invalid", "This is no HTTP request that can be read.")

    def _head_too_slow(self) -> None:
        self._timer = None
        # A connection that never said anything, or waits between two requests, is closed without a word.
        if self._head_bytes:
            self._end(408, "invalid", f"The head of the request did not come within {_HEAD_SECONDS:.0f} s.")
        else:
            self.transport.close()

    def _look_at_pace(self) -> None:
        self._timer = None
        # Paused, or not yet told to go on, it is the application that does not take what is there.
        waits = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if self._body_bytes < _PACE_BYTES and not waits:
            self._end(408, "invalid", f"The body brought less than {_PACE_BYTES} bytes in {_PACE_SECONDS:.0f} s.")
            return
        self._body_bytes = 0
        self._timer = self.loop.call_later(_PACE_SECONDS, self._look_at_pace)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, status: int, kind: str, detail: str) -> None:
        """Answer, if nothing was answered yet, and close; the application finds its client gone."""
        if self._ended:
            return
        self._ended = True
        self._forget_timer()
        # None before the first request, whatever its type says.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete:
            self.transport.write(_problem(status, kind, detail))
        else:
            if not cycle.response_started:
                self.transport.write(_problem(status, kind, detail))
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


def _problem(status: int, kind: str, detail: str) -> bytes:
    titles = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
    title = titles.get(status, "Service Unavailable")
    body = msgspec.json.encode({"type": f"/problems/{kind}", "title": title, "status": status, "detail": detail})
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


class LimitedWebSocket(_CutOff, WebSocketsSansIOProtocol):
    """One WebSocket connection: one that does not read is cut off, with whatever was still to be sent to it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio has it."""
        self._forget_stuck()
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        """As uvicorn has it: a ping was not answered in time."""
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: Any) -> None:
        """As ASGI has it."""
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
