"""The timeline of a customer: its latest events, and between them the scores that were shown and days put right."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from mainstem.analytics.happenings import RestatedDay, ShownScore, restated_days, shown_scores
from mainstem.analytics.model import CHURNED, HealthModel
from mainstem.clock import Clock
from mainstem.processing import TimelineEvent
from mainstem.store import Connection

if TYPE_CHECKING:
    from mainstem.api.customers import CustomerReader

__all__ = ["Seen", "read_timeline"]

_MOST = 200
_AGE = dt.timedelta(days=35)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """From where it is looked at: up to an instant of data time, with what was known at one of wall time (None: now)."""

    until: dt.datetime
    known_at: dt.datetime | None


def read_timeline(
    reader: CustomerReader, connection: Connection, ref: uuid.UUID, model: HealthModel, seen: Seen
) -> list[dict[str, Any]]:
    """The newest entries; see `timeline` of customer health in docs/specs/api-shapes.md."""
    clock = reader.conservation.clock
    known = seen.known_at or clock.wall()
    labels = {band.name: band.label for band in model.bands} | {CHURNED: CHURNED.capitalize()}
    entries = [
        *_events(reader.customers.timeline(connection, ref, seen.until, _MOST)),
        *_scores(shown_scores(connection, ref, model.name, seen.until, seen.known_at), labels),
        *_restated(restated_days(connection, ref, (known - _AGE, known)), clock, seen.until),
    ]
    return sorted(entries, key=lambda entry: entry["at"], reverse=True)[:_MOST]


def _entry(at: dt.datetime, kind: str, title: str, **more: Any) -> dict[str, Any]:
    return {
        "at": at,
        "kind": kind,
        "title": title,
        "detail": None,
        "source": None,
        "stream": None,
        "quantity": None,
        "properties": None,
        "properties_left_out": False,
    } | more


def _events(events: Iterable[tuple[str, str, TimelineEvent]]) -> Iterator[dict[str, Any]]:
    for source, stream, event in events:
        quantity = None if event.quantity is None else Decimal(event.quantity)
        yield _entry(
            event.at,
            "event",
            event.event,
            detail=event.object,
            source=source,
            stream=stream,
            quantity=quantity,
            properties=None if event.properties is None else msgspec.Raw(event.properties),
            properties_left_out=event.left_out,
        )


def _scores(scores: Iterable[ShownScore], labels: dict[str, str]) -> Iterator[dict[str, Any]]:
    for one in scores:
        label = labels.get(one.band, one.band)
        if one.previous is None:
            yield _entry(one.at, "score", f"Score {one.score:.1f}", detail=label)
        elif one.band != one.previous_band:
            yield _entry(one.at, "score", f"Band changed to {label}", detail=f"{one.previous:.1f} to {one.score:.1f}")
        else:
            verb = "rose" if one.score > one.previous else "fell"
            title = (
                f"Score {verb} to {one.score:.1f}" if one.score != one.previous else f"Score stayed at {one.score:.1f}"
            )
            yield _entry(one.at, "score", title, detail=f"{one.score - one.previous:+.1f}, {label}")


def _restated(days: Iterable[RestatedDay], clock: Clock, until: dt.datetime) -> Iterator[dict[str, Any]]:
    """A correction stands where it became known, on the data clock as everything here."""
    replay = clock.replay
    for one in days:
        at = one.known_at if replay is None else replay.data_at(one.known_at)
        if at <= until:
            told = ", ".join(
                f"{metric.replace('_', ' ')} moved by {new:f}, not {old:f}"
                if metric in one.gauges
                else f"{metric.replace('_', ' ')} {old:f} to {new:f}"
                for metric, old, new in one.changes
            )
            yield _entry(
                at, "correction", f"Late data restated {one.day}", detail=told, source=one.source, stream=one.stream
            )
