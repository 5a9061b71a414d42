"""What each stream vouches for: the last instant up to which its source has told what happened, and what that is worth.

For plain ingest a source vouches up to its latest record or heartbeat, less the stream's grace for stragglers. Behind
that instant nothing is known, so nothing may be concluded from silence (DESIGN: silence or outage).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from typing import Protocol

from mainstem.contracts import Contract
from mainstem.metrics.definition import HOUR
from mainstem.metrics.settings import MetricsSettings
from mainstem.store import Connection

__all__ = ["Contracts", "Grade", "StreamClock", "read_stream_clocks"]


class Grade(enum.StrEnum):
    """What the inputs of a number are worth, best first."""

    FRESH = "fresh"
    PARTIAL = "partial"
    """Some input is missing."""
    HISTORICAL = "historical"
    """An input was past its freshness objective when it came: a load of history."""
    STALE = "stale"
    """An input has passed its freshness objective since."""
    NONE = "none"
    """There is nothing to grade."""

    @classmethod
    def worst(cls, grades: Iterable[Grade]) -> Grade:
        """The worst of the grades; NONE when there are none."""
        order = list(cls)
        return max(grades, key=order.index, default=cls.NONE)


class Contracts(Protocol):
    """The contracts in force, as `contracts.Registry` gives them."""

    def active(self, source: str, stream: str) -> Contract | None:
        """The contract of a stream."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class StreamClock:
    """What was heard of a stream. Times are data times but for `last_received_at` (wall)."""

    source: str
    stream: str
    last_occurred_at: dt.datetime | None
    last_received_at: dt.datetime | None
    heartbeat_at: dt.datetime | None
    grace: dt.timedelta
    objective: dt.timedelta
    """Age at which the stream is stale."""

    @property
    def newest_at(self) -> dt.datetime | None:
        """The latest record or heartbeat."""
        return max(filter(None, (self.last_occurred_at, self.heartbeat_at)), default=None)

    @property
    def complete_until(self) -> dt.datetime | None:
        """Up to where the stream is known to be complete; None when nothing was ever heard of it."""
        return None if self.newest_at is None else self.newest_at - self.grace

    def stale_at(self) -> dt.datetime | None:
        """When the stream becomes stale if nothing more comes."""
        return None if self.newest_at is None else self.newest_at + self.objective

    def grade(self, as_of: dt.datetime, ahead: dt.timedelta = dt.timedelta(0)) -> Grade:
        """What the stream is worth at an instant of data time; `ahead` is how far the wall clock is before the data's."""
        newest = self.newest_at
        if newest is None:
            return Grade.NONE
        if as_of <= newest + self.objective:
            return Grade.FRESH
        # Compared in data time: in a replay records are received long after they occurred and are not late for that.
        late = self.last_received_at is not None and self.last_received_at - ahead > newest + self.objective
        return Grade.HISTORICAL if late else Grade.STALE


def read_stream_clocks(
    conn: Connection, contracts: Contracts, settings: MetricsSettings
) -> Mapping[tuple[str, str], StreamClock]:
    """The clocks of all streams that were ever heard of, by (source, stream)."""
    rows = conn.execute(
        """
        SELECT source, stream, last_occurred_at, last_received_at, heartbeat.at
        FROM (
            SELECT source, stream, max(last_occurred_at) AS last_occurred_at, max(last_received_at) AS last_received_at
            FROM stream_clock GROUP BY source, stream
        ) AS clock FULL JOIN heartbeat USING (source, stream)
        """
    ).fetchall()
    clocks = {}
    for source, stream, occurred, received, beat in rows:
        contract = contracts.active(source, stream)
        grace = HOUR if contract is None else contract.grace
        objective = settings.freshness if contract is None or contract.freshness is None else contract.freshness
        clocks[source, stream] = StreamClock(source, stream, occurred, received, beat, grace, objective)
    return clocks
