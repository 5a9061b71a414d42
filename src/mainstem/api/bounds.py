"""What no route should have to look at: bodies without bound, and NUL in an address."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstem.api.problems import problem

__all__ = ["Bounds"]

_MOST_BYTES: Final = 1 << 20
_EXEMPT: Final = "/api/v1/data/ingest/"
_TOO_LARGE: Final = f"The body is larger than {_MOST_BYTES} bytes."


class Bounds:
    """ASGI middleware. Whoever signs in, or anybody else, sends a mebibyte at most: no more is held, or read if declared.

    The ingest route has a bound of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif b"%00" in scope["query_string"] or "\0" in scope["path"]:
            # No store keeps it, and nothing has a name with it.
            await problem(400, "invalid", "The address holds a NUL character.")(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"} or scope["path"].startswith(_EXEMPT):
            await self._app(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        if size > _MOST_BYTES:
            response = problem(413, "too-large", _TOO_LARGE)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > _MOST_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        async def closing(message: Message) -> None:
            # The rest of the body is not read: the connection cannot be used for another request.
            if size > _MOST_BYTES and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, counted, closing)
