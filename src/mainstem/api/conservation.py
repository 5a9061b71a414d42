"""What the data routes and the live view tell of sources: the conservation equation, lag and freshness, in one snapshot."""

from __future__ import annotations

import dataclasses
import datetime as dt
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from mainstem.api.envelope import Meta, age_seconds, graded, nearest_to_stale
from mainstem.clock import Clock
from mainstem.contracts import ANY_SOURCE
from mainstem.errors import NotFoundError
from mainstem.hints import near_miss
from mainstem.metrics import Contracts, Grade, MetricsSettings, StreamClock, read_stream_clocks
from mainstem.processing import Ledger, Line
from mainstem.store import Database

__all__ = ["Conservation", "StreamState", "Totals"]

_DAYS = 60

# The log's counts of batches behind the sink's positions say which streams wait, and since when.
_OLDEST = """
    SELECT counted ->> 0, counted ->> 1, min(batch.received_at)
    FROM log_batch AS batch
    LEFT JOIN sink_position AS sink USING (epoch, partition, lane)
    CROSS JOIN LATERAL jsonb_array_elements(batch.counts) AS counted
    WHERE batch.position > coalesce(sink.position, 0)
    GROUP BY 1, 2
"""


# Received, and the states that add up to it.
_terms = operator.attrgetter("received", "accepted", "duplicate", "quarantined", "held", "discarded", "pending")


@dataclasses.dataclass(frozen=True, slots=True)
class Totals:
    """The terms of the equation, added up over some lines; see docs/specs/api-shapes.md, Terms."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    held: int = 0
    discarded: int = 0
    pending: int = 0
    refused: int = 0
    balanced: bool = True

    @classmethod
    def of(cls, lines: Iterable[Line], refused: int = 0) -> Totals:
        """Added up; balanced when every single line is."""
        rows = [_terms(line) for line in lines]
        balanced = all(row[0] == sum(row[1:]) for row in rows)
        received, *states = [sum(column) for column in zip(*rows, strict=True)] or [0] * 7
        accepted, duplicate, quarantined, held, discarded, pending = states
        return cls(received, accepted, duplicate, quarantined, held, discarded, pending, refused, balanced)


@dataclasses.dataclass(frozen=True, slots=True)
class StreamState:
    """One stream: its lines by day, its clock (None when nothing took effect yet), and since when records of it wait."""

    source: str
    stream: str
    lines: tuple[Line, ...]
    clock: StreamClock | None
    waiting_since: dt.datetime | None


class DeclaredContracts(Contracts, Protocol):
    """The contracts in force, as `contracts.Registry` gives them."""

    def streams(self) -> Sequence[tuple[str, str]]:
        """Source (or `ANY_SOURCE`) and stream of each."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Conservation:
    """Reads what is told of sources."""

    database: Database
    ledger: Ledger
    contracts: DeclaredContracts
    clock: Clock
    settings: MetricsSettings

    def streams(self, source: str | None = None) -> list[StreamState]:
        """All streams (of a source), by source and stream; those of Mainstem itself are left out. One snapshot."""
        with self.database.snapshot() as connection:
            lines = self.ledger.lines(connection)
            clocks = read_stream_clocks(connection, self.contracts, self.settings)
            waiting = {(s, t): since for s, t, since in connection.execute(_OLDEST).fetchall()}
        grouped: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in lines:
            grouped[line.source, line.stream].append(line)
        return [
            StreamState(*name, tuple(grouped[name]), clocks.get(name), waiting.get(name))
            for name in sorted(grouped.keys() | clocks.keys())
            if (source is None or name[0] == source) and (name[0] != "mainstem" or source == "mainstem")
        ]

    def clocks(self) -> Mapping[tuple[str, str], StreamClock]:
        """The clocks of all streams."""
        with self.database.snapshot() as connection:
            return read_stream_clocks(connection, self.contracts, self.settings)

    def check_known(self, source: str | None, stream: str | None) -> None:
        """Raise NotFoundError for a source or stream that nothing was heard of and no contract in force is for."""
        if source is None and stream is None:
            return
        known = {(one.source, one.stream) for one in self.streams(source)} | set(self.contracts.streams())
        sources = {name for name, _ in known if name != ANY_SOURCE}
        if source is not None and source not in sources:
            heard = sources | {one.source for one in self.streams()}
            raise NotFoundError(f"Nothing was ever received from {source!r}.", hint=near_miss(source, heard))
        streams = {name for owner, name in known if source is None or owner in {source, ANY_SOURCE}}
        if stream is not None and stream not in streams:
            of = "" if source is None else f" from {source!r}"
            raise NotFoundError(f"Nothing was ever received of {stream!r}{of}.", hint=near_miss(stream, streams))

    def graded(self, source: str | None = None, stream: str | None = None, next_cursor: str | None = None) -> Meta:
        """The meta of an answer that rests on all streams, or on those of a source or this one stream."""
        clocks = [
            clock
            for name, clock in self.clocks().items()
            if (source in {None, name[0]} and stream in {None, name[1]})
            and (name[0] != "mainstem" or source == "mainstem")
        ]
        return graded(self.clock, clocks, next_cursor)

    def refusals(self, source: str) -> list[dict[str, Any]]:
        """What was refused at the door, by reason."""
        with self.database.autocommit() as connection:
            rows = connection.execute(
                "SELECT reason, sum(n)::bigint FROM log_refused WHERE source = %s GROUP BY reason ORDER BY 2 DESC, 1",
                (source,),
            ).fetchall()
        return [{"reason": reason, "count": count} for reason, count in rows]

    def summary(self, source: str, streams: list[StreamState]) -> dict[str, Any]:
        """A source in one line; see SourceSummary."""
        totals = Totals.of(line for stream in streams for line in stream.lines)
        return {
            "source": source,
            "label": label(source),
            "streams": len(streams),
            "received": totals.received,
            "accepted": totals.accepted,
            "pending": totals.pending,
            "quarantined": totals.quarantined,
            "held": totals.held,
            "balanced": totals.balanced,
            **self._times(streams),
        }

    def summaries(self) -> list[dict[str, Any]]:
        """All sources, by name."""
        by_source: defaultdict[str, list[StreamState]] = defaultdict(list)
        for stream in self.streams():
            by_source[stream.source].append(stream)
        return [self.summary(source, streams) for source, streams in sorted(by_source.items())]

    def status(self, source: str) -> dict[str, Any]:
        """Everything of a source; see SourceStatus. Raises NotFoundError for one that nothing was heard of."""
        streams = self.streams(source)
        refusals = self.refusals(source)
        if not streams and not refusals:
            known = {stream.source for stream in self.streams()}
            raise NotFoundError(f"Nothing was ever received from {source!r}.", hint=near_miss(source, known))
        lines = [line for stream in streams for line in stream.lines]
        by_day: defaultdict[dt.date, list[Line]] = defaultdict(list)
        for line in lines:
            by_day[line.day].append(line)
        refused = sum(refusal["count"] for refusal in refusals)
        refused_on = self._refused_by_day(source)
        return {
            "source": source,
            "label": label(source),
            **dataclasses.asdict(Totals.of(lines, refused)),
            **self._times(streams),
            "streams": [self._stream(stream) for stream in streams],
            "days": [
                {"day": day, **dataclasses.asdict(Totals.of(by_day[day], refused_on.get(day, 0)))}
                for day in sorted(by_day, reverse=True)[:_DAYS]
            ],
            "refusals": refusals,
        }

    def freshness(self, streams: Iterable[StreamState]) -> list[dict[str, Any]]:
        """Age against objective of each stream."""
        return [
            {
                "source": stream.source,
                "stream": stream.stream,
                "newest_at": stream.clock.newest_at if stream.clock else None,
                "seconds": self._age(stream.clock),
                "objective_seconds": stream.clock.objective.total_seconds() if stream.clock else None,
                "grade": self._grade(stream.clock),
                "last_received_at": stream.clock.last_received_at if stream.clock else None,
            }
            for stream in streams
        ]

    def _stream(self, stream: StreamState) -> dict[str, Any]:
        contract = self.contracts.active(stream.source, stream.stream)
        clock = stream.clock
        return {
            "stream": stream.stream,
            "contract_version": contract.version if contract else 0,
            **dataclasses.asdict(Totals.of(stream.lines)),
            **self._times([stream]),
            "objective_seconds": clock.objective.total_seconds() if clock else None,
            "last_occurred_at": clock.last_occurred_at if clock else None,
            "complete_until": clock.complete_until if clock else None,
        }

    def _times(self, streams: list[StreamState]) -> dict[str, Any]:
        waiting = [stream.waiting_since for stream in streams if stream.waiting_since is not None]
        clocks = [stream.clock for stream in streams if stream.clock is not None]
        nearest = nearest_to_stale(clocks, self.clock.data())
        received = [s.clock.last_received_at for s in streams if s.clock and s.clock.last_received_at is not None]
        return {
            "lag": max((self.clock.wall() - min(waiting)).total_seconds(), 0.0) if waiting else 0,
            "newest_at": None if nearest is None else nearest.newest_at,
            "freshness_seconds": self._age(nearest),
            "freshness_of": None if nearest is None else nearest.stream,
            "objective_seconds": None if nearest is None else nearest.objective.total_seconds(),
            "grade": Grade.worst(self._grade(stream.clock) for stream in streams),
            "last_received_at": max(received, default=None),
        }

    def _age(self, clock: StreamClock | None) -> float | None:
        return None if clock is None else age_seconds(clock, self.clock.data())

    def _grade(self, clock: StreamClock | None) -> Grade:
        return Grade.NONE if clock is None else clock.grade(self.clock.data(), self.clock.wall() - self.clock.data())

    def _refused_by_day(self, source: str) -> dict[dt.date, int]:
        with self.database.autocommit() as connection:
            rows = connection.execute(
                "SELECT day, sum(n)::bigint FROM log_refused WHERE source = %s GROUP BY day", (source,)
            ).fetchall()
        return dict(rows)


def label(name: str) -> str:
    """A name as people read it."""
    return name.replace("_", " ").capitalize()
