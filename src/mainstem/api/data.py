"""Routes about data itself: sources, conservation, quality."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mainstem.access import Permission
from mainstem.api.conservation import Conservation, StreamState, Totals
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.security import requires

__all__ = ["data_router"]

# Defects of a record in which something required is not there at all.
_INCOMPLETE = ("missing", "no_partition_key", "no_identity")
_OPEN = "state IN ('quarantined', 'held')"


def data_router(conservation: Conservation) -> APIRouter:
    """Routes below `/api/v1/data` but for ingest and quarantine."""
    router = APIRouter(prefix="/api/v1/data", tags=["data"])
    database, clock = conservation.database, conservation.clock
    reads = [requires(Permission.DATA_READ)]

    def meta(streams: list[StreamState]) -> Meta:
        return graded(clock, [stream.clock for stream in streams if stream.clock is not None])

    @router.get("/sources", dependencies=reads)
    def sources() -> Response:
        return answer(conservation.summaries(), meta(conservation.streams()))

    @router.get("/status/{source_system}", dependencies=reads)
    def status(source_system: str) -> Response:
        return answer(conservation.status(source_system), meta(conservation.streams(source_system)))

    @router.get("/quality/metrics", dependencies=reads)
    def quality(source: str | None = None, stream: str | None = None) -> Response:
        streams = [state for state in conservation.streams(source) if stream is None or state.stream == stream]
        with database.autocommit() as connection:
            incomplete = {
                (found_source, found_stream): count
                for found_source, found_stream, count in connection.execute(
                    f"SELECT source, stream, count(*) FROM quarantine WHERE {_OPEN} AND reason = ANY(%s) GROUP BY 1, 2",
                    (list(_INCOMPLETE),),
                ).fetchall()
            }
        measured = [_quality(conservation, state, incomplete.get((state.source, state.stream), 0)) for state in streams]
        return answer({"streams": measured}, meta(streams))

    return router


def _quality(conservation: Conservation, state: StreamState, incomplete: int) -> dict[str, Any]:
    totals = Totals.of(state.lines)
    judged = totals.accepted + totals.duplicate + totals.quarantined + totals.held + totals.discarded
    clock = state.clock
    [freshness] = conservation.freshness([state])
    seconds, objective = freshness["seconds"], freshness["objective_seconds"]
    return {
        "source": state.source,
        "stream": state.stream,
        "records": judged,
        "completeness": _ratio(judged - incomplete, judged),
        "validity": _ratio(totals.accepted + totals.duplicate, judged),
        "freshness": {
            "seconds": seconds,
            "objective_seconds": objective,
            "met": None if clock is None or seconds is None else seconds <= objective,
        },
    }


def _ratio(good: int, of: int) -> dict[str, Any]:
    return {"value": good / of if of else None, "good": good, "of": of}
