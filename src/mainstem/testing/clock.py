"""A clock that stands still until it is moved."""

from __future__ import annotations

import datetime as dt

from mainstem.clock import Replay

__all__ = ["FixedClock"]


class FixedClock:
    """Both times are `now` until `advance` or `set` moves them; `data` may be given a time of its own."""

    replay: Replay | None = None

    def __init__(self, now: dt.datetime | None = None) -> None:
        self._wall = now or dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
        self._data: dt.datetime | None = None

    def wall(self) -> dt.datetime:
        return self._wall

    def data(self) -> dt.datetime:
        return self._wall if self._data is None else min(self._data, self._wall)

    def advance(self, by: dt.timedelta) -> None:
        """Move both times forward (or, as a broken machine would, backward)."""
        self._wall += by
        if self._data is not None:
            self._data += by

    def set(self, wall: dt.datetime, data: dt.datetime | None = None) -> None:
        """Put the clock to a time; `data` None: data follows wall."""
        self._wall = wall
        self._data = data
