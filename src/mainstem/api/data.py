"""Routes about data itself: sources, conservation, quality, quarantine."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from mainstem.access import Permission
from mainstem.api.conservation import Conservation, StreamState, Totals
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.api.tokens import PageToken, TokenSigner

__all__ = ["data_router"]

# Defects of a record in which something required is not there at all.
_INCOMPLETE = ("missing", "no_partition_key", "no_identity")
_OPEN = "state IN ('quarantined', 'held')"
_FILTER = "(%(source)s::text IS NULL OR source = %(source)s) AND (%(stream)s::text IS NULL OR stream = %(stream)s)"


def data_router(conservation: Conservation, signer: TokenSigner) -> APIRouter:
    """Routes below `/api/v1/data` but for ingest."""
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

    @router.get("/quarantine", dependencies=[requires(Permission.QUARANTINE_READ)])
    def quarantine(
        source: str | None = None,
        stream: str | None = None,
        reason: str | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        query = f"quarantine/{source}/{stream}/{reason}"
        after = None
        if cursor is not None:
            token = signer.read(cursor, PageToken)
            if token is None or token.query != query:
                raise ProblemError(400, "invalid", "The cursor is of another query, or not ours.")
            after = token.after
        parameters = {"source": source, "stream": stream, "reason": reason, "limit": limit + 1}
        parameters |= {"at": after[0] if after else None, "id": after[1] if after else None}
        matching = f"{_OPEN} AND {_FILTER} AND (%(reason)s::text IS NULL OR reason = %(reason)s)"
        with database.snapshot() as connection:
            groups = connection.execute(
                f"SELECT source, stream, reason, field, min(message), count(*), min(received_at), max(received_at)"
                f" FROM quarantine WHERE {matching} GROUP BY 1, 2, 3, 4 ORDER BY 6 DESC, 1, 2, 3, 4 LIMIT 200",
                parameters,
            ).fetchall()
            rows = connection.execute(
                "SELECT id, source, stream, reason, field, message, contract_version, received_at, state,"
                " epoch, partition, lane, position, index"
                f" FROM quarantine WHERE {matching}"
                " AND (%(at)s::timestamptz IS NULL OR (received_at, id) < (%(at)s::timestamptz, %(id)s::uuid))"
                " ORDER BY received_at DESC, id DESC LIMIT %(limit)s",
                parameters,
            ).fetchall()
            [(total,)] = connection.execute(f"SELECT count(*) FROM quarantine WHERE {matching}", parameters).fetchall()
        more = len(rows) > limit
        rows = rows[:limit]
        next_cursor = signer.sign(PageToken(query, [rows[-1][7].isoformat(), str(rows[-1][0])])) if more else None
        names = ("source", "stream", "reason", "field", "message", "count", "first_at", "last_at")
        data = {
            "total": total,
            "reasons": [dict(zip(names, group, strict=True)) for group in groups],
            "rows": [_row(row) for row in rows],
        }
        return answer(data, graded(clock, [], next_cursor))

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


def _row(row: tuple[Any, ...]) -> dict[str, Any]:
    names = ("id", "source", "stream", "reason", "field", "message", "contract_version", "received_at", "state")
    epoch, partition, lane, position, index = row[9:]
    place = {
        "epoch": epoch,
        "partition": partition,
        "lane": "bulk" if lane else "live",
        "position": position,
        "index": index,
    }
    return {**dict(zip(names, row[:9], strict=True)), "place": place}
