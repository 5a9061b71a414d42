"""One envelope for every answer: the data, and what it rests on."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from fastapi.responses import Response

from mainstem.clock import Clock
from mainstem.metrics import Grade, StreamClock

__all__ = ["Meta", "age_seconds", "answer", "encode", "graded", "nearest_to_stale", "told_replay"]


@dataclasses.dataclass(frozen=True, slots=True)
class Meta:
    """What an answer rests on; see docs/specs/api-shapes.md."""

    generated_at: dt.datetime
    as_of: dt.datetime
    freshness_seconds: float | None = None
    freshness_of: str | None = None
    freshness_objective_seconds: float | None = None
    grade: Grade = Grade.NONE
    missing: tuple[str, ...] = ()
    next_cursor: str | None = None
    replay: dict[str, Any] | None = None

    @classmethod
    def now(cls, clock: Clock) -> Meta:
        """Of an answer that grades nothing."""
        return cls(generated_at=clock.wall(), as_of=clock.data(), replay=told_replay(clock))


def graded(clock: Clock, streams: Collection[StreamClock], next_cursor: str | None = None) -> Meta:
    """The meta of an answer that rests on these streams: their worst grade, and how near the nearest is to stale."""
    wall, now = clock.wall(), clock.data()
    grades = {stream: stream.grade(now, wall - now) for stream in streams}
    nearest = nearest_to_stale(streams, now)
    missing = [
        f"{stream.source}.{stream.stream}: no data since {stream.newest_at:%Y-%m-%dT%H:%MZ}"
        for stream, grade in grades.items()
        if grade is Grade.STALE and stream.newest_at is not None
    ]
    return Meta(
        generated_at=wall,
        as_of=now,
        freshness_seconds=None if nearest is None else age_seconds(nearest, now),
        freshness_of=None if nearest is None else f"{nearest.source}.{nearest.stream}",
        freshness_objective_seconds=None if nearest is None else nearest.objective.total_seconds(),
        grade=Grade.worst(grades.values()),
        missing=tuple(missing),
        next_cursor=next_cursor,
        replay=told_replay(clock),
    )


def nearest_to_stale(streams: Iterable[StreamClock], now: dt.datetime) -> StreamClock | None:
    """The stream that has used up most of its freshness objective; None where nothing was heard of any."""
    return max(
        (stream for stream in streams if stream.newest_at is not None),
        key=lambda stream: (age_seconds(stream, now) or 0.0) / max(stream.objective.total_seconds(), 1.0),
        default=None,
    )


def age_seconds(stream: StreamClock, now: dt.datetime) -> float | None:
    """The age of a stream's newest record or heartbeat on the data clock; None where nothing was heard of it."""
    return None if stream.newest_at is None else max((now - stream.newest_at).total_seconds(), 0.0)


def told_replay(clock: Clock) -> dict[str, Any] | None:
    """The replay that data time follows; None when data time is wall time. See Replay in docs/specs/api-shapes.md."""
    replay, now = clock.replay, clock.wall()
    if replay is None:
        return None
    return {
        "name": replay.name,
        "origin": replay.origin,
        "started": replay.started,
        "speed": replay.speed,
        "data_now": replay.data_at(now),
        "finished": replay.finished_at(now),
    }


def _default(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_default, decimal_format="number")


def encode(value: Any) -> bytes:
    """JSON bytes; times in UTC with Z, decimals as numbers."""
    return _encoder.encode(value)


def answer(data: Any, meta: Meta, *, status: int = 200) -> Response:
    """The answer of a route: `{data, meta}`."""
    return Response(encode({"data": data, "meta": meta}), status, media_type="application/json")
