"""What a round of scoring works with: the model, what feeds it, and the time."""

from __future__ import annotations

import dataclasses
import datetime as dt

from mainstem.analytics.evaluation import FeedGrades, feed_grades
from mainstem.analytics.explain import Explainer
from mainstem.analytics.inputs import Feed, microseconds
from mainstem.analytics.model import HealthModel
from mainstem.analytics.settings import AnalyticsSettings
from mainstem.clock import Clock
from mainstem.metrics import (
    FILLED,
    Contracts,
    Measure,
    MetricSet,
    MetricsSettings,
    begun_gauges,
    read_stream_clocks,
)
from mainstem.store import Connection

__all__ = ["Context", "ScorerParts", "read_context"]


@dataclasses.dataclass(frozen=True, slots=True)
class ScorerParts:
    """What scoring needs from the rest of the installation."""

    clock: Clock
    contracts: Contracts
    metrics: MetricSet
    model: HealthModel
    metrics_settings: MetricsSettings
    settings: AnalyticsSettings


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """One moment. `now` is data time in microseconds, `as_of` the same instant, `wall` wall time."""

    model: HealthModel
    feeds: tuple[Feed, ...]
    grades: FeedGrades
    explainer: Explainer
    as_of: dt.datetime
    wall: dt.datetime
    settings: AnalyticsSettings

    @property
    def now(self) -> int:
        """The data clock in microseconds since 1970."""
        return microseconds(self.as_of)


def read_context(conn: Connection, parts: ScorerParts) -> Context:
    """The present moment of scoring. Raises UnavailableError."""
    rows = conn.execute(
        "SELECT series, metric, source, stream, measure FROM series WHERE metric = ANY(%s) ORDER BY series",
        [list(parts.model.metrics)],
    ).fetchall()
    clocks = read_stream_clocks(conn, parts.contracts, parts.metrics_settings)
    # A gauge that is not filled, or that nobody can read, feeds nothing: its numbers are wrong until it is.
    asked = {one.metric for one in parts.model.components if one.kind.of_gauges}
    begun = (
        begun_gauges(conn, [gauge for name, gauge in parts.metrics.gauges.items() if name in asked]) if asked else None
    )
    filled = {gauge.name for gauge, filled_to in begun.measured if filled_to == FILLED} if begun else set()
    feeds = tuple(
        Feed(
            series,
            metric,
            source,
            stream,
            Measure(measure) is Measure.DISTINCT,
            clocks.get((source, stream)),
            gauge=metric in filled,
        )
        for series, metric, source, stream, measure in rows
        if metric in filled or metric not in asked
    )
    as_of, wall = parts.clock.data(), parts.clock.wall()
    return Context(
        model=parts.model,
        feeds=feeds,
        grades=feed_grades(feeds, wall - as_of),
        explainer=Explainer(parts.metrics.measured),
        as_of=as_of,
        wall=wall,
        settings=parts.settings,
    )
