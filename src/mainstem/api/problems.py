"""One error shape for every route: RFC 9457 problem details."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from mainstem.errors import (
    BackPressureError,
    ConfigurationError,
    MainstemError,
    NotFoundError,
    PermissionDeniedError,
    RecordError,
    RetryableError,
    StorageFullError,
)

__all__ = ["PROBLEMS", "ProblemError", "install_problems", "problem"]

_log = structlog.get_logger()

PROBLEMS: Mapping[str, str] = {
    "invalid": "The request cannot be understood",
    "unauthenticated": "Sign in, or send a key",
    "wrong-credentials": "Wrong name or password",
    "forbidden": "Not permitted",
    "csrf": "The CSRF token is missing or old",
    "not-found": "Not found",
    "method-not-allowed": "This address has no such method",
    "underway": "Somebody else is just deciding",
    "too-large": "The body is too large",
    "unsupported-media-type": "The body is of a kind that is not read here",
    "rate-limited": "Too many requests",
    "back-pressure": "The queue is full",
    "storage-full": "A disk is full",
    "unavailable": "Not available now",
    "internal": "Something went wrong here",
}
"""Kinds of problems and their titles; `type` in an answer is `/problems/<kind>`."""

_BY_STATUS = {
    400: "invalid",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


class ProblemError(Exception):
    """Raised by a route to answer with a problem of its own."""

    def __init__(
        self, status: int, kind: str, detail: str, *, hint: str | None = None, errors: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(status, kind, detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.errors = errors


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    hint: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    retry_after: float | None = None,
) -> Response:
    """The answer for a problem. `retry_after` in seconds becomes the header, rounded up."""
    body: dict[str, Any] = {"type": f"/problems/{kind}", "title": PROBLEMS[kind], "status": status, "detail": detail}
    if hint:
        body["hint"] = hint
    if errors:
        body["errors"] = list(errors)
    headers = {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), status, headers, media_type="application/problem+json")


# By type, the most special first: status, kind and, in seconds, when to come back if the error does not say.
_BY_TYPE: tuple[tuple[type[MainstemError], int, str, float | None], ...] = (
    (PermissionDeniedError, 403, "forbidden", None),
    (NotFoundError, 404, "not-found", None),
    (BackPressureError, 429, "back-pressure", 1),
    (StorageFullError, 503, "storage-full", 5),
    (RetryableError, 503, "unavailable", 1),
    (ConfigurationError, 422, "invalid", None),
    (MainstemError, 500, "internal", None),
)
_BY_REASON = {"too_large": 413, "unsupported_media_type": 415, "unsupported_encoding": 415}


def _of_error(error: MainstemError) -> Response:
    if isinstance(error, RecordError):
        entry = {"index": error.index, "field": error.field, "reason": error.reason, "hint": error.hint}
        fields = {name: value for name, value in entry.items() if value is not None}
        status = _BY_REASON.get(error.reason, 400)
        return problem(status, _BY_STATUS[status], error.message, hint=error.hint, errors=[fields])
    _, status, kind, retry_after = next(row for row in _BY_TYPE if isinstance(error, row[0]))
    if isinstance(error, RetryableError) and error.retry_after is not None:
        retry_after = error.retry_after
    return problem(status, kind, error.message, hint=error.hint, retry_after=retry_after)


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem document; what nobody foresaw is logged and told without detail."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 - registered for this type alone
        return problem(error.status, error.kind, error.detail, hint=error.hint, errors=error.errors)

    async def on_mainstem(_: Request, error: Exception) -> Response:
        assert isinstance(error, MainstemError)  # noqa: S101 - registered for this type alone
        return _of_error(error)

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type alone
        errors = [
            {"field": ".".join(str(step) for step in entry["loc"][1:]), "reason": entry["type"], "hint": entry["msg"]}
            for entry in error.errors()
        ]
        return problem(422, "invalid", "A parameter or field is missing or wrong; see errors.", errors=errors)

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
        return problem(error.status_code, _BY_STATUS.get(error.status_code, "invalid"), str(error.detail))

    async def on_other(request: Request, error: Exception) -> Response:
        # The route and not the address, which names a customer.
        route = getattr(request.scope.get("route"), "path", None)
        _log.error("api.failed", route=route, error=type(error).__name__, exc_info=error)
        return problem(500, "internal", "The server's log has the details.")

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(MainstemError, on_mainstem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_other)
