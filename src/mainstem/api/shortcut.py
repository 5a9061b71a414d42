"""The way of small records past everything that only other routes need: the search for a route, and FastAPI's stacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Shortcut"]

_NAME: Final = "source_system"


class Shortcut:
    """ASGI middleware, the innermost one: calls one route's endpoint at once, and leaves every other request alone.

    The route's path ends with one parameter, `{source_system}`. `handlers` make the same answers of errors as without it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        route: BaseRoute,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        handlers: Mapping[Any, Any],
    ) -> None:
        self._app = app
        self._route = route
        self._prefix = path.removesuffix(f"{{{_NAME}}}")

        async def direct(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        # What nobody foresaw goes on to the outermost layer, as everywhere.
        self._direct = ExceptionMiddleware(
            direct, {kind: one for kind, one in handlers.items() if kind is not Exception}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._prefix):
            value = scope["path"][len(self._prefix) :]
            if value and "/" not in value:
                scope["path_params"] = {_NAME: value}
                scope["route"] = self._route
                await self._direct(scope, receive, send)
                return
        await self._app(scope, receive, send)
