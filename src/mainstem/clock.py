"""Two clocks, passed in and never taken.

`wall` is the time of the world: received_at, known_at, leases, sessions, retention, the lake's date. `data` is the time
the records speak of: as_of, due times, bucket ends, freshness, relative timeframes, the bound against the future. They
are equal except while history is replayed; a replay ends when data has caught up with wall.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Protocol

__all__ = ["Clock", "Replay", "ReplayClock", "SystemClock", "utc"]


def utc(value: dt.datetime) -> dt.datetime:
    """The same instant in UTC. Raises ValueError for a datetime without a zone."""
    if value.tzinfo is None:
        raise ValueError("a datetime without a time zone has no instant")
    return value.astimezone(dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Replay:
    """A replay of history: data time was `origin` at wall time `started` and runs `speed` data seconds a second."""

    origin: dt.datetime
    started: dt.datetime
    speed: float
    name: str = ""

    def data_at(self, wall: dt.datetime) -> dt.datetime:
        """Data time at a wall time: never before the origin, never after wall."""
        elapsed = max((wall - self.started).total_seconds(), 0.0)
        # Past this many data seconds the replay has caught up; it also keeps timedelta from overflowing.
        horizon = max((wall - self.origin).total_seconds(), 0.0)
        return min(wall, self.origin + dt.timedelta(seconds=min(elapsed * self.speed, horizon)))

    def finished_at(self, wall: dt.datetime) -> bool:
        """Whether data has caught up with wall."""
        return self.data_at(wall) >= wall


class Clock(Protocol):
    """Both times, always zone-aware UTC, and the replay that makes them differ, if there is one."""

    @property
    def replay(self) -> Replay | None:
        """The replay that data time follows; None when data equals wall."""
        ...

    def wall(self) -> dt.datetime:
        """The time of the world."""
        ...

    def data(self) -> dt.datetime:
        """The time the records speak of; never after `wall`."""
        ...


class SystemClock:
    """The machine's clock; data and wall are equal."""

    replay: Replay | None = None

    def wall(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def data(self) -> dt.datetime:
        return self.wall()


class ReplayClock:
    """A clock whose data time follows a replay; `replay` None means data equals wall.

    Every process holds its own and refreshes `replay` from the store, so that all agree.
    """

    def __init__(self, wall: Clock | None = None, replay: Replay | None = None) -> None:
        self._wall = wall or SystemClock()
        self.replay: Replay | None = replay

    def wall(self) -> dt.datetime:
        return self._wall.wall()

    def data(self) -> dt.datetime:
        now = self.wall()
        return now if self.replay is None else self.replay.data_at(now)
