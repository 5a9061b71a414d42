"""The application: every route of Mainstem, put together from what a serving process has."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute

from mainstem import __version__
from mainstem.access import ApiKeys, Users
from mainstem.api.auth import auth_router
from mainstem.api.bounds import Bounds
from mainstem.api.health import health_router
from mainstem.api.hub import LiveHub
from mainstem.api.ingest import add_ingest
from mainstem.api.problems import install_problems
from mainstem.api.security import Gate, MayIngest, permission_of
from mainstem.api.static import dashboard_router
from mainstem.api.timing import Timing
from mainstem.api.tokens import TokenSigner
from mainstem.clock import Clock
from mainstem.intake import Door
from mainstem.store import Database

__all__ = ["STATIC_FOLDER", "Services", "create_app"]

STATIC_FOLDER: Final = Path(__file__).parent / "static"
"""Where the built dashboard lies; a checkout without it serves a page that says how to build it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with; opened and closed by who serves."""

    database: Database
    clock: Clock
    door: Door
    keys: ApiKeys
    users: Users
    signer: TokenSigner
    routers: Callable[[Gate, LiveHub], Sequence[APIRouter]] = lambda _gate, _hub: ()
    """Makes the routes that need more than this."""


def create_app(services: Services, static: Path = STATIC_FOLDER) -> FastAPI:
    """The ASGI application. Raises RuntimeError for a route that states no permission."""
    hub = LiveHub(services.database, services.signer, services.clock)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await hub.start()
        yield
        await hub.stop()

    app = FastAPI(
        title="Mainstem",
        version=__version__,
        summary="One governed stream of customer data, and health scores that explain themselves.",
        docs_url=None,
        redoc_url=None,
        # What is measured is declared in `telemetry`; FastAPI's own looks for a configuration at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=lifespan,
    )
    gate = Gate(services.keys, services.users)
    app.state.gate = gate
    app.state.hub = hub
    install_problems(app)
    # Its permission is checked by what it is made with, and not by a dependency.
    add_ingest(app, services.door, MayIngest(gate))
    app.add_middleware(Bounds)
    app.add_middleware(Timing)
    routers = (
        health_router(services.database, services.clock, services.door.parts.space),
        auth_router(services.users, gate, services.clock),
        *services.routers(gate, hub),
        dashboard_router(static),
    )
    for router in routers:
        _refuse_unstated(router)
        app.include_router(router)
    return app


def _refuse_unstated(router: APIRouter) -> None:
    for route in router.routes:
        stated = isinstance(route, APIRoute) and permission_of(route) is not None
        if not stated and not isinstance(route, APIWebSocketRoute):
            raise RuntimeError(f"{route} states no permission: add requires(...) or public(...).")
