"""How much of the log waits for the workers, and when that is too much."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import TypeAlias

from mainstem.clock import Clock
from mainstem.errors import BackPressureError
from mainstem.intake._committer import Route
from mainstem.intake.settings import DoorSettings
from mainstem.model import Lane

__all__ = ["Backlog", "Positions"]

Positions: TypeAlias = Callable[[], Mapping[tuple[int, int, Lane], int]]
"""The sink's committed positions by (epoch, partition, lane), as `processing.Sink.positions` gives them."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Pending:
    records: int = 0
    oldest: dt.datetime | None = None


class Backlog:
    """Measured by `refresh`, about once a second; `check` only compares."""

    def __init__(self, route: Route, positions: Positions, clock: Clock, settings: DoorSettings) -> None:
        self._route = route
        self._positions = positions
        self._clock = clock
        self._settings = settings
        self._pending = dict.fromkeys(Lane, _Pending())

    def refresh(self) -> None:
        """Ask log and sink anew. Raises UnavailableError, and then what was known stays."""
        done = self._positions()
        log = self._route.log
        epochs = self._route.refresh()
        heads = {(head.epoch, head.partition, head.lane): head for epoch in epochs for head in log.heads(epoch.number)}
        pending = {}
        for lane in Lane:
            # With the other lane taken for done, what is pending is this lane's.
            taken = {chain: done.get(chain, 0) if head.lane is lane else head.position for chain, head in heads.items()}
            behind = [chain for chain, head in heads.items() if head.lane is lane and taken[chain] < head.position]
            records = sum(log.pending(taken).values()) if behind else 0
            stamps = (log.oldest(*chain, taken[chain]) for chain in behind)
            pending[lane] = _Pending(records, min((stamp for stamp in stamps if stamp is not None), default=None))
        self._pending = pending

    def check(self, lane: Lane) -> None:
        """Raises BackPressureError when the lane has to wait."""
        pending = self._pending[lane]
        if pending.oldest is None:
            return
        age = max((self._clock.wall() - pending.oldest).total_seconds(), 0.0)
        # Bulk records are old by nature: live ones overtake them.
        too_old = lane is Lane.LIVE and age > self._settings.backlog_age
        if too_old or pending.records > self._settings.backlog_records:
            raise BackPressureError(
                f"{pending.records} records wait in the {lane.label} lane, the oldest for {age:.0f} s.",
                retry_after=min(max(age / 10, 1.0), 30.0),
                queue_age=age,
            )
