"""The ingest route: a raw body to the door, a receipt back.

Many small requests come this way, and of each FastAPI's own reading of parameters would cost more than everything else
together. So the route takes the request as it is; that its documentation says the same is left to a test.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, cast

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.routing import request_response

from mainstem.api.envelope import Meta, answer
from mainstem.api.problems import ProblemError, problem
from mainstem.api.shortcut import Shortcut
from mainstem.errors import BackPressureError, RefusedError
from mainstem.intake import Delivery, Door, Receipt
from mainstem.model import Lane

__all__ = ["INGEST_PATH", "Authorise", "add_ingest"]

INGEST_PATH: Final = "/api/v1/data/ingest/{source_system}"

Authorise: TypeAlias = Callable[[Request, str], Awaitable[None] | None]
"""Called with the request and the source; raises PermissionDeniedError (or a ProblemError) when the caller may not write
it. An async one runs on the event loop; a plain function may block: it runs in a thread."""

_TOO_LARGE: Final = frozenset({"too_large", "too_many_records"})

_DESCRIPTION: Final = """
Takes one record, a JSON array of records, or a record a line (NDJSON); plain, gzip or zstd. A record is an envelope:

| key | meaning |
|---|---|
| `stream`, `payload` | required: which stream, and the source's record as a JSON object, kept byte for byte |
| `id` | the source's event id: what makes a repeat a repeat |
| `key` | the entity's primary key at the source |
| `customer_id`, `occurred_at` | whose it is and when it was (RFC 3339) |
| `observed_at` | when it was read from the source |
| `op` | `event`, `upsert`, `patch` or `delete` |

What the envelope leaves out is taken from the payload as the stream's contract says; an envelope's value wins. Keys an
envelope does not have are ignored, with a warning. With `?stream=NAME` (or the header `Mainstem-Stream`) records are
bare payloads of that stream, and an empty array is its heartbeat: nothing happened, and the source is alive.

The answer comes after the records are durable. `refused` names the records that were not received. Send an
`Idempotency-Key` with records that have no id: such a record is known by the key and its index in the body, so that the
same request again, when an answer was lost, counts once. Another body, also one of mended records, needs another key.
"""

_LANES: Final = {lane.label: lane for lane in Lane}


def _parameter(name: str, where: str, schema: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    said = {} if description is None else {"description": description}
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **said}


_TEXT: Final = {"type": "string"}
_PARAMETERS: Final = [
    _parameter("source_system", "path", _TEXT),
    _parameter("stream", "query", _TEXT, "Records are bare payloads of this stream."),
    _parameter("lane", "query", {**_TEXT, "enum": list(_LANES), "default": "live"}, "Bulk gives way to live."),
    _parameter("mainstem-stream", "header", _TEXT, "As `stream`."),
    _parameter("idempotency-key", "header", _TEXT, "Stands for ids where records have none."),
]
_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
            "example": {
                "stream": "usage_events",
                "payload": {
                    "id": "e-1",
                    "customer_id": "acme",
                    "event": "report.opened",
                    "occurred_at": "2026-01-15T12:00:00Z",
                },
            },
        },
        "application/x-ndjson": {"schema": {"type": "string"}},
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Durable; `refused` lists what was not taken in"},
    400: {"description": "The body cannot be read"},
    403: {"description": "The key may not write this source"},
    413: {"description": "The body is too large"},
    415: {"description": "The content type or encoding is not read here"},
    422: {"description": "Every record was refused"},
    429: {"description": "Too much waits; come back after Retry-After"},
    503: {"description": "The log cannot take it now: nothing was kept; come back after Retry-After"},
}


class _LeanRoute(APIRoute):
    """A route of which FastAPI knows the documentation only: its endpoint reads the request itself."""

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], **documentation: Any) -> None:
        super().__init__(path, endpoint, **documentation)
        self.app = request_response(endpoint)


def add_ingest(app: FastAPI, door: Door, authorise: Authorise) -> None:
    """Add `POST /api/v1/data/ingest/{source_system}`. Comes after the handlers of errors and before other middleware."""
    allowed = _on_loop(authorise)

    async def ingest(request: Request) -> Response:
        source = request.path_params["source_system"]
        await allowed(request, source)
        try:
            delivery = await _delivery(request, source, door.settings.max_body)
        except RefusedError as error:
            door.refused(source, error)
            return _too_large(error)
        except ClientDisconnect:
            # Nobody is left to read it.
            return problem(400, "invalid", "The body ended early.")
        try:
            receipt = await door.submit_async(delivery)
        except RefusedError as error:
            if error.reason not in _TOO_LARGE:
                raise
            return _too_large(error)
        except BackPressureError as error:
            waits = {"reason": "queue_full", "queue_age_seconds": round(error.queue_age, 1)}
            return problem(429, "back-pressure", error.message, errors=[waits], retry_after=error.retry_after)
        return _receipt(door, receipt)

    app.router.add_api_route(
        INGEST_PATH,
        ingest,
        methods=["POST"],
        tags=["data"],
        status_code=202,
        summary="Send records",
        description=_DESCRIPTION,
        responses=_RESPONSES,
        openapi_extra={"parameters": _PARAMETERS, "requestBody": _BODY},
        route_class_override=_LeanRoute,
    )
    app.add_middleware(
        Shortcut, route=app.router.routes[-1], path=INGEST_PATH, endpoint=ingest, handlers=app.exception_handlers
    )
    # No name has a slash, and what sends one is told so.
    app.router.add_api_route(
        INGEST_PATH.replace("}", ":path}"),
        ingest,
        methods=["POST"],
        include_in_schema=False,
        route_class_override=_LeanRoute,
    )


async def _delivery(request: Request, source: str, limit: int) -> Delivery:
    """What the request brings. Raises ProblemError for a lane that is none, and as `_body`."""
    headers, query = request.headers, request.query_params
    lane = query.get("lane", Lane.LIVE.label)
    if lane not in _LANES:
        wrong = {"field": "lane", "reason": "unknown_lane", "hint": f"Lanes are {' and '.join(_LANES)}."}
        raise ProblemError(422, "invalid", "A parameter or field is missing or wrong; see errors.", errors=[wrong])
    return Delivery(
        source=source,
        body=await _body(request, limit),
        content_type=headers.get("content-type"),
        content_encoding=headers.get("content-encoding"),
        idempotency_key=headers.get("idempotency-key"),
        stream=query.get("stream") or headers.get("mainstem-stream"),
        lane=_LANES[lane],
    )


def _on_loop(authorise: Authorise) -> Callable[[Request, str], Awaitable[None]]:
    """The same to be awaited; what may block goes to a thread, which costs more than a small request."""
    if any(map(inspect.iscoroutinefunction, (authorise, type(authorise).__call__))):
        return cast("Callable[[Request, str], Awaitable[None]]", authorise)

    async def in_thread(request: Request, source: str) -> None:
        await run_in_threadpool(authorise, request, source)

    return in_thread


async def _body(request: Request, limit: int) -> bytes:
    """The body. Raises RefusedError `too_large` before more than `limit` bytes are held, or read if they are declared."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _larger_than(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _larger_than(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _larger_than(limit: int) -> RefusedError:
    return RefusedError(
        "too_large", f"The body is larger than {limit} bytes.", hint="Send it in several bodies, or compressed."
    )


def _too_large(error: RefusedError) -> Response:
    response = problem(413, "too-large", error.message, hint=error.hint, errors=[{"reason": error.reason}])
    # The rest of the body is not read: the connection cannot be used for another request.
    response.headers["Connection"] = "close"
    return response


def _receipt(door: Door, receipt: Receipt) -> Response:
    if receipt.refused and not receipt.accepted:
        unreadable = all(refusal.reason == "unreadable" for refusal in receipt.refused)
        raise ProblemError(
            400 if unreadable else 422,
            "invalid",
            "No record was received; errors says why for each.",
            errors=[
                {"index": refusal.index, "field": refusal.field, "reason": refusal.reason, "hint": refusal.hint}
                for refusal in receipt.refused
            ],
        )
    data = {
        "accepted": receipt.accepted,
        "refused": receipt.refused,
        "warnings": receipt.warnings,
        "delivery": receipt.delivery,
        "received_at": receipt.received_at,
    }
    return answer(data, Meta.now(door.parts.clock), status=202)
