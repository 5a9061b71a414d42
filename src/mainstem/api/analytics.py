"""Routes about customers as a whole: the overview, and usage over time."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mainstem.access import Permission
from mainstem.analytics.overview import spread
from mainstem.api.conservation import Conservation
from mainstem.api.customers import CustomerReader
from mainstem.api.envelope import answer, graded, told_replay
from mainstem.api.instants import zoned
from mainstem.api.live_metrics import counts, throughput
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.errors import NotFoundError
from mainstem.hints import near_miss
from mainstem.metrics import (
    Gauge,
    Grade,
    Granularity,
    Metric,
    Metrics,
    StreamClock,
    TrendRequest,
    read_gauge_trend,
    read_trend,
)

__all__ = ["analytics_router", "summary"]

_BEFORE = dt.timedelta(days=7)


def summary(reader: CustomerReader) -> dict[str, Any]:
    """How scores are spread and who moved: what the overview shows and the live view repeats."""
    model = reader.models.current()
    before = (reader.conservation.clock.data() - _BEFORE).date()
    with reader.database.snapshot() as connection:
        found = spread(connection, model.name, before)
        moved = reader.movers(connection, model, before)
    counted = {entry.band: entry for entry in found.bands}
    # Churned customers are in a band that no model declares.
    names = [band.name for band in model.bands] + [
        name for name in counted if name not in {b.name for b in model.bands}
    ]
    return {
        "average": {"score": found.average.score, "previous": found.average.previous},
        "distribution": [
            {
                "band": name,
                "count": counted[name].count if name in counted else 0,
                "previous": counted[name].previous if name in counted else None,
            }
            for name in names
        ],
        "histogram": [{"low": low, "high": high, "count": n} for low, high, n in found.histogram],
        "movers": {"days": _BEFORE.days, **moved},
    }


def analytics_router(reader: CustomerReader, conservation: Conservation, metrics: Metrics) -> APIRouter:
    """Routes below `/api/v1/analytics` that speak of many customers."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    database, clock = conservation.database, conservation.clock
    reads = [requires(Permission.ANALYTICS_READ)]

    @router.get("/overview", dependencies=reads)
    def overview() -> Response:
        streams = conservation.streams()
        told = counts(conservation, streams)
        data = {
            "balanced": told.pop("balanced"),
            "counts": told,
            "model": reader.told_model(),
            **summary(reader),
            "throughput": throughput(database, clock),
            "freshness": conservation.freshness(streams),
            "replay": told_replay(clock),
        }
        return answer(data, graded(clock, [stream.clock for stream in streams if stream.clock is not None]))

    @router.get("/usage-trends/{timeframe}", dependencies=reads)
    def usage_trends(
        timeframe: str,
        metric: str = "events",
        customer_id: str | None = None,
        segment: str | None = None,
        granularity: Granularity | None = None,
        known_at: dt.datetime | None = None,
    ) -> Response:
        current = metrics.current()
        known = current.measured
        if metric in current.unreadable:
            raise NotFoundError(
                f"The metric {metric!r} is not measured, because it cannot be read. {current.unreadable[metric]}",
                hint="Declare it anew: mainstem activate FOLDER.",
            )
        if metric not in known:
            raise NotFoundError(f"There is no metric {metric!r}.", hint=near_miss(metric, known))
        try:
            request = TrendRequest(
                timeframe=timeframe,
                as_of=clock.data(),
                granularity=granularity,
                ref=None if customer_id is None else reader.find(customer_id).bytes,
                segment=segment,
                known_at=zoned("known_at", known_at),
            )
            asked = known[metric]
            trend = (
                read_gauge_trend(database, asked, request)
                if isinstance(asked, Gauge)
                else read_trend(database, asked, request)
            )
        except ValueError as error:
            raise ProblemError(400, "invalid", str(error)) from error
        clocks = conservation.clocks()
        data = {
            **_described(known[metric]),
            "timeframe": timeframe,
            "granularity": trend.granularity,
            "known_at": request.known_at or clock.wall(),
            "points": trend.points,
            "total": trend.total,
            "previous_total": trend.previous_total,
            "approximate": trend.approximate,
            "filling": trend.filling,
            "available": [_described(known[name]) for name in sorted(known)],
            "unreadable": [{"metric": name, "reason": why} for name, why in sorted(current.unreadable.items())],
        }
        meta = graded(clock, _feeding(trend.streams, clocks))
        if trend.filling is not None:
            meta = dataclasses.replace(
                meta, grade=Grade.NONE, missing=(*meta.missing, f"{metric}: what there is is still being added up")
            )
        return answer(data, meta)

    return router


def _described(metric: Metric | Gauge) -> dict[str, str]:
    return {"metric": metric.name, "label": metric.label, "unit": metric.unit}


def _feeding(streams: tuple[tuple[str, str], ...], clocks: Any) -> list[StreamClock]:
    return [clocks[name] for name in streams if name in clocks]
