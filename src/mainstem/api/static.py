"""The built dashboard: files named by content, and one page for every other address."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from mainstem.api.problems import ProblemError
from mainstem.api.security import public

__all__ = ["CONTENT_SECURITY_POLICY", "dashboard_router"]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
_NOT_BUILT = (
    "<!doctype html><meta charset=utf-8><title>Mainstem</title><h1>The dashboard is not built</h1>"
    "<p>The API runs. Build the dashboard with <code>make web</code> (Node 20), then reload this page."
)
_RESERVED = ("api/", "healthz", "readyz", "metrics", "docs", "openapi.json")


def _accepted_variant(file: Path, accepted: str) -> tuple[Path, str | None]:
    for encoding, ending in (("br", ".br"), ("gzip", ".gz")):
        variant = file.with_name(file.name + ending)
        if encoding in accepted and variant.is_file():
            return variant, encoding
    return file, None


def dashboard_router(folder: Path) -> APIRouter:
    """Serves the dashboard from `folder`; must come after all other routes."""
    router = APIRouter(include_in_schema=False)
    folder = folder.resolve()

    def file_answer(request: Request, file: Path, cache: str) -> Response:
        variant, encoding = _accepted_variant(file, request.headers.get("accept-encoding", ""))
        headers = {"Cache-Control": cache, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if encoding:
            headers["Content-Encoding"] = encoding
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(variant, headers=headers, media_type=media_type)

    @router.get("/assets/{name:path}", dependencies=[public("the dashboard's own code")])
    def asset(request: Request, name: str) -> Response:
        file = (folder / "assets" / name).resolve()
        if not file.is_relative_to(folder) or not file.is_file() or file.suffix in {".br", ".gz"}:
            raise ProblemError(404, "not-found", "There is no such asset.")
        return file_answer(request, file, "public, max-age=31536000, immutable")

    @router.get("/{path:path}", dependencies=[public("the dashboard's page; its data is not")])
    def page(request: Request, path: str) -> Response:
        if path.startswith(_RESERVED):
            raise ProblemError(404, "not-found", "There is no such address.", hint="GET /openapi.json lists all.")
        candidate = (folder / path).resolve()
        if (
            path
            and candidate.parent == folder
            and candidate.is_file()
            and candidate.suffix not in {".br", ".gz", ".html"}
        ):
            return file_answer(request, candidate, "no-cache")
        index = folder / "index.html"
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})
        response = file_answer(request, index, "no-cache")
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    return router
