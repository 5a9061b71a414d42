"""Servers for benchmarks, each a process of its own: `mainstem serve`, and an application that only reads bodies.

MAINSTEM_RUNTIME__PORT=PORT python -m benchmarks.serving
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.installation import Installation
from mainstem.testing.tree import free_port

__all__ = ["bare", "serve"]

_PATIENCE = 60.0


@contextlib.contextmanager
def serve(parts: Installation) -> Iterator[str]:
    """The URL of a `mainstem serve` on the installation."""
    command = ["-m", "mainstem.cli.main", "serve", "--data-dir", str(parts.folder)]
    with _running(command, {"MAINSTEM_DATABASE__URL": parts.database.dsn}, "/readyz") as url:
        yield url


@contextlib.contextmanager
def bare() -> Iterator[str]:
    """The URL of a Starlette application that reads a body whole and answers 202: what any such server can reach."""
    with _running(["-m", "benchmarks.serving"], {}, "/") as url:
        yield url


@contextlib.contextmanager
def _running(command: list[str], settings: dict[str, str], ready: str) -> Iterator[str]:
    port = free_port()
    settings = {**settings, "MAINSTEM_RUNTIME__PORT": str(port), "MAINSTEM_RUNTIME__LOG_LEVEL": "warning"}
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, **settings}, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url + ready)
        yield url
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer.")


async def _answer(request: Request) -> Response:
    await request.body()
    return Response(b"{}", 202, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[Route("/{path:path}", _answer, methods=["GET", "POST"])]),
        port=int(os.environ["MAINSTEM_RUNTIME__PORT"]),
        log_config=None,
        access_log=False,
    )
