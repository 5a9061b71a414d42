"""The live view of data: throughput, freshness, sources and counts."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, WebSocket

from mainstem.access import Permission
from mainstem.api.conservation import Conservation, StreamState, Totals
from mainstem.api.envelope import Meta, graded, told_replay
from mainstem.api.hub import LiveHub
from mainstem.api.security import Gate
from mainstem.api.sockets import serve_subscription
from mainstem.clock import Clock
from mainstem.store import Change, Database

__all__ = ["LiveMetrics", "counts", "live_metrics_router", "throughput"]

_STEP_SECONDS = 5
_SPAN = dt.timedelta(minutes=5)


def throughput(database: Database, clock: Clock, span: dt.timedelta = _SPAN) -> dict[str, Any]:
    """Records that took effect per second, over the last `span` of wall time."""
    now = clock.wall()
    last = now.replace(second=now.second // _STEP_SECONDS * _STEP_SECONDS, microsecond=0)
    step = dt.timedelta(seconds=_STEP_SECONDS)
    starts = [last - step * n for n in range(int(span / step), 0, -1)]
    with database.autocommit() as connection:
        rows = connection.execute(
            """
            SELECT date_bin(%(step)s, at, 'epoch'), sum((stream ->> 'accepted')::bigint)::bigint
            FROM change CROSS JOIN LATERAL jsonb_array_elements(body -> 'streams') AS stream
            WHERE kind = 'ledger' AND at >= %(from)s AND stream ? 'accepted' AND stream ->> 'source' <> 'mainstem'
            GROUP BY 1
            """,
            {"step": step, "from": starts[0]},
        ).fetchall()
    counts: dict[dt.datetime, int] = dict(rows)
    points = [{"at": start, "value": counts.get(start, 0) / _STEP_SECONDS} for start in starts]
    return {"per_second": points[-1]["value"], "step_seconds": _STEP_SECONDS, "points": points}


def counts(conservation: Conservation, streams: Sequence[StreamState]) -> dict[str, Any]:
    """How much there is of everything; the `counts` of the overview, and `balanced`."""
    totals = Totals.of(line for stream in streams for line in stream.lines)
    with conservation.database.snapshot() as connection:
        [(customers, scored)] = connection.execute(
            """
            SELECT (SELECT count(*) FROM reference WHERE kind = 'customer'),
                   (SELECT count(*) FROM (SELECT DISTINCT ref FROM score) AS one)
            """
        ).fetchall()
    return {
        "customers": customers,
        "scored": scored,
        "sources": len({stream.source for stream in streams}),
        "streams": len(streams),
        "received": totals.received,
        "accepted": totals.accepted,
        "pending": totals.pending,
        "quarantined": totals.quarantined,
        "held": totals.held,
        "balanced": totals.balanced,
    }


@dataclasses.dataclass(slots=True)
class LiveMetrics:
    """The feed of `/api/v1/stream/live-metrics`; one subscription for everybody."""

    conservation: Conservation
    _told_at: dt.datetime | None = None

    @property
    def key(self) -> str:
        return "live-metrics"

    def snapshot(self) -> tuple[Meta, Any]:
        streams = self.conservation.streams()
        meta = graded(self.conservation.clock, [stream.clock for stream in streams if stream.clock is not None])
        told = counts(self.conservation, streams)
        return meta, {
            "throughput": throughput(self.conservation.database, self.conservation.clock),
            "freshness": self.conservation.freshness(streams),
            "sources": self._sources(streams),
            "balanced": told.pop("balanced"),
            "counts": told,
            "replay": told_replay(self.conservation.clock),
        }

    def delta(self, changes: Sequence[Change]) -> tuple[Meta, list[dict[str, Any]]]:
        streams = self.conservation.streams()
        meta = graded(self.conservation.clock, [stream.clock for stream in streams if stream.clock is not None])
        if not any(change.kind == "ledger" for change in changes) and not self._due(meta.generated_at):
            return meta, []
        database, clock = self.conservation.database, self.conservation.clock
        # The step that has just ended, and the one before, which commits under way may still have added to.
        rate = throughput(database, clock, dt.timedelta(seconds=2 * _STEP_SECONDS))
        told = [{"kind": "throughput", "value": point} for point in rate["points"]]
        told += [{"kind": "freshness", "value": entry} for entry in self.conservation.freshness(streams)]
        told += [{"kind": "source", "value": entry} for entry in self._sources(streams)]
        told.append({"kind": "counts", "value": counts(self.conservation, streams)})
        replay = told_replay(clock)
        if replay is not None:
            told.append({"kind": "replay", "value": replay})
        self._told_at = meta.generated_at
        return meta, told

    def _due(self, now: dt.datetime) -> bool:
        """Ages move without changes; they are told every step of the throughput."""
        return self._told_at is None or (now - self._told_at).total_seconds() >= _STEP_SECONDS

    def _sources(self, streams: Sequence[StreamState]) -> list[dict[str, Any]]:
        return [
            self.conservation.summary(source, [stream for stream in streams if stream.source == source])
            for source in sorted({stream.source for stream in streams})
        ]


def live_metrics_router(conservation: Conservation, gate: Gate, hub: LiveHub) -> APIRouter:
    """`/api/v1/stream/live-metrics`."""
    router = APIRouter(prefix="/api/v1/stream", tags=["stream"])

    @router.websocket("/live-metrics")
    async def live_metrics(socket: WebSocket) -> None:
        await serve_subscription(socket, gate, Permission.DATA_READ, hub, lambda: LiveMetrics(conservation))

    return router
