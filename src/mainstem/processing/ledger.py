"""The conservation equation, per source, stream and received day, and the checks that nothing has falsified it.

    received = accepted + duplicate + quarantined + held + discarded + pending

Received and pending are counted by the log, the other terms by the sink, each where it is written and none by subtraction.
`check` compares them in one snapshot; `deep_check` also counts again what the terms stand for: keys of deduplication,
versions of entities, rows of the quarantine.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import LiteralString

from mainstem.errors import IntegrityError
from mainstem.eventlog import Counts, EventLog, PostgresLog, pending_counts, received_counts
from mainstem.model import Lane
from mainstem.processing.dedup import Segment, SegmentRow, SegmentStore, read_runs, read_segments
from mainstem.processing.dedup.segment import file_hash
from mainstem.store import Connection, Database

__all__ = ["Ledger", "Line", "Violation"]

_Key = tuple[str, str, dt.date]


_TERMS = """
    SELECT source, stream, day,
           coalesce(sum(n) FILTER (WHERE term = 'accepted'), 0)::bigint,
           coalesce(sum(n) FILTER (WHERE term = 'duplicate'), 0)::bigint,
           coalesce(sum(n) FILTER (WHERE term = 'quarantined'), 0)::bigint,
           coalesce(sum(n) FILTER (WHERE term = 'held'), 0)::bigint,
           coalesce(sum(n) FILTER (WHERE term = 'discarded'), 0)::bigint
    FROM ledger GROUP BY source, stream, day
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """The records of one source and stream that were received on one day, by what became of them."""

    source: str
    stream: str
    day: dt.date
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    held: int
    discarded: int
    pending: int

    @property
    def difference(self) -> int:
        """Received records of which the terms know nothing (or, negative, that the terms have too many of)."""
        states = self.accepted + self.duplicate + self.quarantined + self.held + self.discarded
        return self.received - states - self.pending


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """Something that does not add up. `day` is None where it concerns no single day."""

    source: str
    stream: str
    day: dt.date | None
    message: str


class Ledger:
    """Reads the ledger of one installation. Methods raise UnavailableError."""

    def __init__(self, database: Database, log: EventLog, segments: SegmentStore | None = None) -> None:
        """`segments` is where sealed keys lie; only `deep_check` needs it."""
        self._database = database
        self._log = log
        self._segments = segments

    def status(self, source: str | None = None) -> list[Line]:
        """The lines of a source (of all, when None), by source, stream and day."""
        with self._database.snapshot() as conn:
            return [line for line in self.lines(conn) if source is None or line.source == source]

    def check(self) -> list[Violation]:
        """The lines whose terms do not add up to what was received; none is how it has to be."""
        with self._database.snapshot() as conn:
            return list(_unbalanced(self.lines(conn)))

    def deep_check(self) -> list[Violation]:
        """As `check`, and the terms against what they stand for. Reads everything that deduplication keeps."""
        with self._database.snapshot() as conn:
            lines = self.lines(conn)
            found = list(_unbalanced(lines))
            accepted: Counter[_Key] = Counter()
            found += self._count_keys(conn, accepted)
            accepted.update(_entity_versions(conn))
            found += _compared(lines, "accepted", accepted)
            found += _compared(lines, "quarantined", _set_aside(conn, "held_by = '[]'"))
            found += _compared(lines, "held", _set_aside(conn, "held_by <> '[]'"))
            found += _compared(lines, "discarded", _discarded(conn))
            found += _undecided(conn)
        return found

    def lines(self, conn: Connection) -> list[Line]:
        """All lines as the connection's snapshot sees them, by source, stream and day."""
        rows = conn.execute("SELECT epoch, partition, lane, position FROM sink_position").fetchall()
        positions = {(epoch, partition, Lane(lane)): position for epoch, partition, lane, position in rows}
        received, pending = self._logged(conn, positions)
        terms: dict[_Key, list[int]] = {
            (source, stream, day): counts for source, stream, day, *counts in conn.execute(_TERMS).fetchall()
        }
        lines = []
        for key in sorted(received.keys() | pending.keys() | terms.keys()):
            accepted, duplicate, quarantined, held, discarded = terms.get(key, (0, 0, 0, 0, 0))
            lines.append(
                Line(
                    *key,
                    received=received.get(key, 0),
                    accepted=accepted,
                    duplicate=duplicate,
                    quarantined=quarantined,
                    held=held,
                    discarded=discarded,
                    pending=pending.get(key, 0),
                )
            )
        return lines

    def _logged(self, conn: Connection, positions: Mapping[tuple[int, int, Lane], int]) -> tuple[Counts, Counts]:
        """Received and pending, in the snapshot where the log lies in the same database."""
        if isinstance(self._log, PostgresLog):
            return received_counts(conn), pending_counts(conn, positions)
        return self._log.received(), self._log.pending(positions)

    def _count_keys(self, conn: Connection, accepted: Counter[_Key]) -> Iterator[Violation]:
        """Count the keys of runs and segments by the day their records were received; report what is damaged."""
        try:
            for run in read_runs(conn):
                for day, n in run.days.items():
                    accepted[run.unit.source, run.unit.stream, day] += n
        except IntegrityError as error:
            yield Violation("", "", None, str(error))
        for row in read_segments(conn):
            for day, n in row.days.items():
                accepted[row.unit.source, row.unit.stream, day] += n
            if row.n != sum(row.days.values()):
                yield Violation(row.unit.source, row.unit.stream, None, f"The counts of segment {row.name} disagree.")
            damage = None if self._segments is None else _damage(self._segments, row)
            # A segment that was merged into another after the snapshot is gone rightly.
            if damage and row in self._catalogued():
                yield Violation(row.unit.source, row.unit.stream, None, f"Segment {row.name} {damage}.")

    def _catalogued(self) -> list[SegmentRow]:
        with self._database.snapshot() as conn:
            return read_segments(conn)


def _damage(segments: SegmentStore, row: SegmentRow) -> str | None:
    """What is wrong with a segment's file; None when nothing is."""
    try:
        path = segments.path(row.name)
        if file_hash(path) != row.content_hash:
            return "is not as it was written"
        segment = Segment(path)
    except FileNotFoundError:
        return "is gone"
    except IntegrityError:
        return "is damaged"
    return None if len(segment) == row.n else f"holds {len(segment)} keys and not {row.n}"


def _unbalanced(lines: Sequence[Line]) -> Iterator[Violation]:
    for line in lines:
        if line.difference:
            yield Violation(
                line.source,
                line.stream,
                line.day,
                f"Of {line.received} records received, the terms and the {line.pending} pending ones leave"
                f" {line.difference} unaccounted for.",
            )


def _compared(lines: Sequence[Line], term: str, counted: Mapping[_Key, int]) -> Iterator[Violation]:
    """A term of every line against what was counted again."""
    told = {(line.source, line.stream, line.day): int(getattr(line, term)) for line in lines}
    for key in sorted(told.keys() | counted.keys()):
        ledger, again = told.get(key, 0), counted.get(key, 0)
        if ledger != again:
            yield Violation(*key, f"The ledger says {ledger} {term}, counted again there are {again}.")


def _entity_versions(conn: Connection) -> Mapping[_Key, int]:
    rows = conn.execute(
        "SELECT source, stream, day, count(*) FROM entity_version WHERE accepted GROUP BY 1, 2, 3"
    ).fetchall()
    return {(source, stream, day): n for source, stream, day, n in rows}


def _set_aside(conn: Connection, which: LiteralString) -> Mapping[_Key, int]:
    """Records that wait, or were dismissed and stay in the term that they waited in."""
    rows = conn.execute(
        f"""
        SELECT source, stream, (received_at AT TIME ZONE 'UTC')::date, count(*) FROM quarantine
        WHERE state IN ('quarantined', 'held', 'dismissed') AND {which} GROUP BY 1, 2, 3
        """
    ).fetchall()
    return {(source, stream, day): n for source, stream, day, n in rows}


def _discarded(conn: Connection) -> Mapping[_Key, int]:
    rows = conn.execute("SELECT source, stream, day, sum(discarded) FROM drift_count GROUP BY 1, 2, 3").fetchall()
    return {(source, stream, day): int(n) for source, stream, day, n in rows}


def _undecided(conn: Connection) -> Iterator[Violation]:
    """Decisions about records that never came to quarantine."""
    rows = conn.execute(
        """
        SELECT q.source, q.stream, count(*) FROM quarantine AS q
        WHERE q.sealed = ''::bytea AND EXISTS (
            SELECT FROM sink_position AS p
            WHERE (p.epoch, p.partition, p.lane) = (q.epoch, q.partition, q.lane) AND p.position >= q.position)
        GROUP BY 1, 2
        """
    ).fetchall()
    for source, stream, n in rows:
        yield Violation(source, stream, None, f"{n} decisions are about records that were never in quarantine.")
