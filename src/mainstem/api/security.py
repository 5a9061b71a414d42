"""The gate before every route: who is asking, and may they.

A route states its permission with `requires`; one that states none is open to nobody, because `create_app` refuses to
start with it. Keys come in `Authorization: Bearer`, users with the session cookie; unsafe methods by cookie need the
session's CSRF token too.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from mainstem.access import ApiKeys, Permission, Principal, Session, Users
from mainstem.api.problems import ProblemError

__all__ = ["COOKIE", "Gate", "MayIngest", "permission_of", "public", "requires", "same_origin"]

COOKIE: Final = "mainstem_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Finds the caller of a request. Blocking: asks the database, so routes using it run in threads."""

    def __init__(self, keys: ApiKeys, users: Users) -> None:
        self._keys = keys
        self._users = users

    def principal(self, connection: HTTPConnection, *, unsafe: bool) -> Principal:
        """The caller. Raises ProblemError: 401 for nobody, 403 for an unsafe request by cookie without its token."""
        scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            found = self._keys.authenticate(credentials.strip())
            if found is None:
                raise ProblemError(401, "unauthenticated", "The key is unknown, expired or revoked.")
            return found
        session = self.session(connection)
        if unsafe and not hmac.compare_digest(
            connection.headers.get("x-csrf-token", "").encode(), session.csrf.encode()
        ):
            raise ProblemError(
                403, "csrf", "The header X-CSRF-Token does not fit the session.", hint="GET /api/v1/auth/me has it."
            )
        return session.principal

    def remembered(self, connection: HTTPConnection) -> Principal | None:
        """The caller by a key seen a moment ago; never blocks. None: ask `principal`."""
        scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
        return self._keys.remembered(credentials.strip()) if scheme.lower() == "bearer" else None

    def session(self, connection: HTTPConnection) -> Session:
        """The session of the cookie. Raises ProblemError 401."""
        cookie = connection.cookies.get(COOKIE)
        session = self._users.authenticate(cookie) if cookie else None
        if session is None:
            raise ProblemError(
                401,
                "unauthenticated",
                "There is no session, or it has ended." if cookie is None else "The session has ended.",
                hint="Sign in, or send a key: Authorization: Bearer <key>.",
            )
        return session


def requires(permission: Permission) -> Any:
    """The dependency that lets a route be called with this permission only; gives the Principal."""

    def check(request: Request) -> Principal:
        gate: Gate = request.app.state.gate
        principal = gate.principal(request, unsafe=request.method not in _SAFE)
        principal.require(permission)
        return principal

    check.permission = permission  # type: ignore[attr-defined]
    return Depends(check)


class MayIngest:
    """Lets a caller write the sources its key names; what the ingest route is given as `authorise`."""

    permission = Permission.DATA_INGEST

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, request: Request, source: str) -> None:
        """Raises ProblemError or PermissionDeniedError."""
        # On the hot path a thread for a look-up in a dictionary would cost more than the whole rest.
        principal = self._gate.remembered(request)
        if principal is None:
            principal = await run_in_threadpool(self._gate.principal, request, unsafe=True)
        principal.require_source(source)


def public(reason: str) -> Any:
    """The dependency that says why a route is open to everybody."""

    def check() -> None:
        return None

    check.public = reason  # type: ignore[attr-defined]
    return Depends(check)


def permission_of(route: APIRoute) -> Permission | str | None:
    """What a route requires, why it is public, or None when it states neither."""

    def walk(calls: list[Any]) -> Permission | str | None:
        for dependant in calls:
            call: Callable[..., Any] | None = dependant.call
            stated = getattr(call, "permission", None) or getattr(call, "public", None)
            stated = stated or walk(dependant.dependencies)
            if stated is not None:
                return stated
        return None

    return walk(route.dependant.dependencies)


def same_origin(connection: HTTPConnection) -> bool:
    """Whether the Origin header, which browsers always send where it matters, names this server."""
    origin = connection.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == connection.headers.get("host")
