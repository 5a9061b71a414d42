"""Signing in and out of the dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import ROLES, Session, Users
from mainstem.api.envelope import Meta, answer
from mainstem.api.problems import ProblemError
from mainstem.api.security import COOKIE, Gate, public, same_origin
from mainstem.clock import Clock

__all__ = ["auth_router"]


class _Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")
    # Without NUL, which no store keeps.
    name: str = Field(max_length=200, pattern=r"^[^\x00]*$")
    password: str = Field(max_length=1000)


def _me(session: Session) -> dict[str, object]:
    principal = session.principal
    return {
        "name": principal.name,
        "role": principal.role.value,
        "csrf": session.csrf,
        "permissions": sorted(permission.value for permission in ROLES[principal.role]),
        "expires_at": session.expires_at,
    }


def auth_router(users: Users, gate: Gate, clock: Clock) -> APIRouter:
    """Routes below `/api/v1/auth`."""
    router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

    @router.post("/sign-in", dependencies=[public("whoever signs in is nobody yet")])
    def sign_in(request: Request, credentials: _Credentials) -> Response:
        # A form on another site could sign a browser in as somebody else; no cookie exists yet that SameSite could guard.
        if "origin" in request.headers and not same_origin(request):
            raise ProblemError(403, "csrf", "This sign-in comes from another site.")
        session = users.sign_in(credentials.name, credentials.password)
        if session is None or session.cookie is None:
            raise ProblemError(
                401,
                "wrong-credentials",
                "The name or the password is wrong, or there were too many failures.",
                hint="After five failures a name is closed for five minutes.",
            )
        response = answer(_me(session), Meta.now(clock))
        response.set_cookie(
            COOKIE,
            session.cookie,
            # A lifetime, and not a date: the browser's clock may be wrong.
            max_age=int((session.expires_at - clock.wall()).total_seconds()),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    @router.post("/sign-out", status_code=204, dependencies=[public("ends the caller's own session, if there is one")])
    def sign_out(request: Request) -> Response:
        cookie = request.cookies.get(COOKIE)
        if cookie is not None:
            gate.principal(request, unsafe=True)
            users.sign_out(cookie)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path="/")
        return response

    @router.get("/me", dependencies=[public("tells the caller who they are, or 401")])
    def me(request: Request) -> Response:
        return answer(_me(gate.session(request)), Meta.now(clock))

    return router
