"""The tables behind deduplication: packed runs of new keys, and the catalogue of sealed segments."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from psycopg.types.json import Jsonb

from mainstem.errors import FencedError, IntegrityError
from mainstem.processing.dedup.keys import Keys, Space
from mainstem.store import Connection

__all__ = [
    "Days",
    "Run",
    "SegmentRow",
    "Slots",
    "Unit",
    "added",
    "insert_runs",
    "read_runs",
    "read_segments",
    "replace",
    "squash_receipts",
]

Days = Mapping[dt.date, int]
"""Keys by the received day of their records."""

# `Slots.meets` in SQL.
_MEETS = """
    WHERE mod(partition, least(partitions, %(partitions)s)) = mod(%(partition)s, least(partitions, %(partitions)s))
"""

_RECEIPTS = "none"
"""The space of receipts that cannot repeat: they are counted in a run without keys."""


@dataclasses.dataclass(frozen=True, slots=True)
class Slots:
    """The slots that are `partition` modulo `partitions`: whose keys these are, whatever log or epoch wrote them."""

    partitions: int
    partition: int

    def meets(self, other: Slots) -> bool:
        """Whether some slot is of both; both numbers of partitions are powers of two."""
        fewer = min(self.partitions, other.partitions)
        return self.partition % fewer == other.partition % fewer

    def covers(self, other: Slots) -> bool:
        """Whether every slot of the other is one of these."""
        return other.partitions >= self.partitions and self.meets(other)


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """What is searched together: the keys of one stream in one space. `space` None: receipts that cannot repeat."""

    source: str
    stream: str
    space: Space | None


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """The new keys of one commit, sorted; `keys` is None for receipts that cannot repeat, of which there are `n`."""

    unit: Unit
    keys: Keys | None
    days: Days
    slots: Slots
    id: int = 0

    @property
    def n(self) -> int:
        """How many records were new."""
        return sum(self.days.values()) if self.keys is None else len(self.keys)


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentRow:
    """A catalogued segment. `n` keys lie in the file `name`, whose bytes have the SHA-256 `content_hash`."""

    unit: Unit
    name: str
    n: int
    days: Days
    content_hash: str
    slots: Slots
    id: int = 0


def insert_runs(conn: Connection, runs: Sequence[Run]) -> list[int]:
    """Inside the sink's transaction: keep the runs; their ids, in order."""
    ids = []
    for run in runs:
        packed = None if run.keys is None else run.keys.pack()
        [[id_]] = conn.execute(
            """
            INSERT INTO dedup_run (partitions, partition, source, stream, space, n, days, checksum, keys)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %b) RETURNING id
            """,
            [
                run.slots.partitions,
                run.slots.partition,
                run.unit.source,
                run.unit.stream,
                run.unit.space or _RECEIPTS,
                run.n,
                _days_out(run.days),
                zlib.crc32(packed or b""),
                packed,
            ],
        ).fetchall()
        ids.append(int(id_))
    return ids


def read_runs(conn: Connection, slots: Slots | None = None) -> Iterator[Run]:
    """The runs that may hold keys of these slots (all, when None), oldest first.

    Raises IntegrityError when a run's keys, their number or their sum over days disagree.
    """
    rows = conn.cursor(binary=True).stream(
        f"""
        SELECT id, partitions, partition, source, stream, space, n, days, checksum, keys FROM dedup_run
        {_MEETS if slots else ""} ORDER BY id
        """,
        _meeting(slots),
    )
    for id_, partitions, partition, source, stream, space, n, days, checksum, keys in rows:
        whole = n == sum(days.values()) and checksum == zlib.crc32(keys or b"")
        if not whole or (keys is not None and len(keys) != 16 * n):
            raise IntegrityError(f"The deduplication run {id_} of {source}.{stream} contradicts itself.")
        unit = Unit(source, stream, None if space == _RECEIPTS else Space(space))
        yield Run(unit, None if keys is None else Keys.unpack(keys), _days_in(days), Slots(partitions, partition), id_)


def read_segments(conn: Connection, slots: Slots | None = None) -> list[SegmentRow]:
    """The catalogued segments that may hold keys of these slots (all, when None), oldest first."""
    rows = conn.execute(
        f"""
        SELECT id, partitions, partition, source, stream, space, path, n, days, content_hash FROM dedup_segment
        {_MEETS if slots else ""} ORDER BY id
        """,
        _meeting(slots),
    )
    return [
        SegmentRow(
            Unit(source, stream, Space(space)), path, n, _days_in(days), content_hash, Slots(partitions, partition), id_
        )
        for id_, partitions, partition, source, stream, space, path, n, days, content_hash in rows
    ]


def replace(conn: Connection, runs: Sequence[int], segments: Sequence[int], by: SegmentRow) -> int:
    """In one transaction: catalogue a segment in the place of the runs and segments it was made from; its id.

    Raises FencedError when they are not all there any more: another owner has replaced them.
    """
    removed = conn.execute("DELETE FROM dedup_run WHERE id = ANY(%s)", [list(runs)]).rowcount
    removed += conn.execute("DELETE FROM dedup_segment WHERE id = ANY(%s)", [list(segments)]).rowcount
    if removed != len(runs) + len(segments):
        raise FencedError("The deduplication state was changed by another owner.")
    [[id_]] = conn.execute(
        """
        INSERT INTO dedup_segment (partitions, partition, source, stream, space, path, n, days, content_hash)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
        """,
        [
            by.slots.partitions,
            by.slots.partition,
            by.unit.source,
            by.unit.stream,
            by.unit.space,
            by.name,
            by.n,
            _days_out(by.days),
            by.content_hash,
        ],
    ).fetchall()
    return int(id_)


def squash_receipts(conn: Connection, slots: Slots) -> int:
    """Inside a transaction: make one run of these slots' receipts that cannot repeat, per stream; the runs there were."""
    rows = conn.execute(
        """
        DELETE FROM dedup_run WHERE partitions = %s AND partition = %s AND space = %s
        RETURNING source, stream, days
        """,
        [slots.partitions, slots.partition, _RECEIPTS],
    ).fetchall()
    by_unit: defaultdict[Unit, list[Days]] = defaultdict(list)
    for source, stream, days in rows:
        by_unit[Unit(source, stream, None)].append(_days_in(days))
    insert_runs(conn, [Run(unit, None, added(parts), slots) for unit, parts in by_unit.items()])
    return len(rows)


def added(parts: Sequence[Days]) -> Days:
    """The sum of counts by day."""
    total: Counter[dt.date] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _meeting(slots: Slots | None) -> dict[str, int] | None:
    return None if slots is None else dataclasses.asdict(slots)


def _days_out(days: Days) -> Jsonb:
    return Jsonb({day.isoformat(): n for day, n in sorted(days.items())})


def _days_in(days: Mapping[str, int]) -> Days:
    return {dt.date.fromisoformat(day): n for day, n in days.items()}
