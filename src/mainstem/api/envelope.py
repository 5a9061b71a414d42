"""One envelope for every answer: the data, and what it rests on."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from collections.abc import Collection
from typing import Any

import msgspec
from fastapi.responses import Response

from mainstem.clock import Clock
from mainstem.metrics import Grade, StreamClock

__all__ = ["Meta", "answer", "encode", "graded", "told_replay"]


@dataclasses.dataclass(frozen=True, slots=True)
class Meta:
    """What an answer rests on; see docs/specs/api-shapes.md."""

    generated_at: dt.datetime
    as_of: dt.datetime
    freshness_seconds: float | None = None
    grade: Grade = Grade.NONE
    missing: tuple[str, ...] = ()
    next_cursor: str | None = None
    replay: dict[str, Any] | None = None

    @classmethod
    def now(cls, clock: Clock) -> Meta:
        """Of an answer that grades nothing."""
        return cls(generated_at=clock.wall(), as_of=clock.data(), replay=told_replay(clock))


def graded(clock: Clock, streams: Collection[StreamClock], next_cursor: str | None = None) -> Meta:
    """The meta of an answer that rests on these streams: their worst grade, the age of the oldest, and what is stale."""
    wall, now = clock.wall(), clock.data()
    grades = {stream: stream.grade(now, wall - now) for stream in streams}
    newest = [stream.newest_at for stream in streams if stream.newest_at is not None]
    missing = [
        f"{stream.source}.{stream.stream}: no data since {stream.newest_at:%Y-%m-%dT%H:%MZ}"
        for stream, grade in grades.items()
        if grade is Grade.STALE and stream.newest_at is not None
    ]
    return Meta(
        generated_at=wall,
        as_of=now,
        freshness_seconds=max((now - min(newest)).total_seconds(), 0.0) if newest else None,
        grade=Grade.worst(grades.values()),
        missing=tuple(missing),
        next_cursor=next_cursor,
        replay=told_replay(clock),
    )


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
