"""Keeping timelines small: what is old goes, many rows of a day are joined, rows of earlier releases are written anew.

Customers come in shares of equal size, and every share and every few rows have a transaction of their own: a row that
cannot be read, or a customer of whom there is much, keeps no other from being trimmed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import psycopg
import structlog

from mainstem.errors import IntegrityError, UnavailableError
from mainstem.privacy import Sealer
from mainstem.processing.tables.timeline_body import MOST_BYTES, Line, encode_line, pack_body, plain_lines
from mainstem.processing.tables.timeline_reading import body_slices, newest_lines
from mainstem.store import Connection, Database, contended

__all__ = ["trim_timeline"]

_log = structlog.get_logger()

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# References are hashes, so that equal stretches of them hold equally many customers.
_SHARES = 256
# Two rows smaller than this are together no larger than a row should be.
_SMALL = MOST_BYTES // 2
# Of one transaction.
_BYTES, _ROWS = 16 * 1024 * 1024, 500

_OLD = """
    DELETE FROM timeline AS t USING (
        SELECT ref, last_at, id, last_at < %(before)s
            OR sum(n) OVER (PARTITION BY ref ORDER BY last_at DESC, id DESC) - n >= %(keep)s AS old
        FROM timeline WHERE ref BETWEEN %(first)s AND %(last)s
    ) AS judged
    WHERE judged.old AND (t.ref, t.last_at, t.id) = (judged.ref, judged.last_at, judged.id)
    """
_CROWDED = """
    SELECT ref, source, stream, day, bytes FROM (
        SELECT ref, source, stream, (last_at AT TIME ZONE 'UTC')::date AS day, sum(octet_length(body)) AS bytes,
            count(*) AS n, sum(count(*)) OVER (PARTITION BY ref, source, stream) AS all_days
        FROM timeline
        WHERE ref BETWEEN %(first)s AND %(last)s AND octet_length(body) < %(small)s AND NOT clear
        GROUP BY ref, source, stream, (last_at AT TIME ZONE 'UTC')::date
    ) AS days WHERE n > 1 AND all_days > %(crowd)s
    """
_JOINED = """
    WITH small AS (
        SELECT t.ref, t.last_at, t.id, t.source, t.stream, days.day, sum(octet_length(t.body)) OVER (
            PARTITION BY t.ref, t.source, t.stream, days.day ORDER BY t.last_at, t.id) AS up_to
        FROM unnest(%(refs)s::uuid[], %(sources)s::text[], %(streams)s::text[], %(days)s::date[])
            AS days (ref, source, stream, day)
        JOIN timeline AS t ON (t.ref, t.source, t.stream) = (days.ref, days.source, days.stream)
            AND t.last_at >= days.day::timestamp AT TIME ZONE 'UTC'
            AND t.last_at < (days.day + 1)::timestamp AT TIME ZONE 'UTC'
        WHERE octet_length(t.body) < %(small)s AND NOT t.clear
    ), pieces AS (
        SELECT *, count(*) OVER (PARTITION BY ref, source, stream, day, piece) AS together FROM (
            SELECT *, (up_to - 1) / %(small)s AS piece FROM small WHERE up_to > %(behind)s AND up_to <= %(behind)s + %(bytes)s
        ) AS cut
    ), gone AS (
        DELETE FROM timeline AS t USING pieces AS p
        WHERE (t.ref, t.last_at, t.id) = (p.ref, p.last_at, p.id) AND p.together > 1
        RETURNING t.*, p.day, p.piece
    )
    INSERT INTO timeline (ref, last_at, source, stream, n, body)
    SELECT ref, max(last_at), source, stream, sum(n), string_agg(body, ''::bytea ORDER BY last_at, id)
    FROM gone GROUP BY ref, source, stream, day, piece
    """

_FAILING = (psycopg.Error, IntegrityError, UnavailableError)

_THESE = "unnest(%(refs)s::uuid[], %(times)s::timestamptz[], %(ids)s::bigint[]) AS these (ref, last_at, id)"
_SAME = "(t.ref, t.last_at, t.id) = (these.ref, these.last_at, these.id)"


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """One row, but for its body of `size` bytes."""

    ref: uuid.UUID
    last_at: dt.datetime
    number: int
    source: str
    stream: str
    size: int


_T = TypeVar("_T")


def trim_timeline(database: Database, sealer: Sealer, *, before: dt.datetime, keep: int, crowd: int = 32) -> int:
    """Forget rows wholly older than `before` or behind a customer's latest `keep` events; how many.

    Where a customer has more than `crowd` rows of a stream, those of a day are joined, to rows of `MOST_BYTES` at most. A row
    that an earlier release wrote in clear, or larger than that, is written anew. What fails is logged and tried again the
    next time. Raises StorageFullError or UnavailableError.
    """
    forgotten = 0
    for first, last in _shares():
        span = {"first": first, "last": last}
        with _alone("forgetting", first), database.transaction() as conn:
            forgotten += conn.execute(_OLD, {**span, "before": before, "keep": keep}).rowcount
        _rewrite_clear(database, sealer, span, keep)
        with database.snapshot() as conn:
            crowded = conn.execute(_CROWDED, {**span, "small": _SMALL, "crowd": crowd}).fetchall()
        days = [(tuple(day), int(size)) for *day, size in crowded]
        for day, size in days:
            # The last part first: joining it leaves those before where they are.
            for part in reversed(range(1, -(-size // _BYTES))):
                _join(database, [day], part * _BYTES)
        for some in _batches(days):
            _join(database, some, 0)
    return forgotten


def _shares() -> Iterator[tuple[uuid.UUID, uuid.UUID]]:
    """The first and the last reference of each share."""
    width = 2**128 // _SHARES
    for number in range(_SHARES):
        yield uuid.UUID(int=number * width), uuid.UUID(int=(number + 1) * width - 1)


@contextlib.contextmanager
def _alone(what: str, ref: uuid.UUID) -> Iterator[None]:
    """What fails within it for a reason that lies in the rows, or in who else is at them, is logged, and stops nothing else."""
    try:
        yield
    except _FAILING as error:
        _tell(what, ref, error)


def _tell(what: str, ref: uuid.UUID, error: Exception) -> None:
    """Raises the error where the database is gone: then nothing else would succeed either."""
    if isinstance(error, UnavailableError) and not contended(error):
        raise error
    failed = error.__cause__ if isinstance(error, UnavailableError) else error
    code = failed.sqlstate if isinstance(failed, psycopg.Error) else "damaged"
    _log.warning("timeline_not_trimmed", at=what, ref=str(ref), code=code)


def _batches(sized: Sequence[tuple[_T, int]]) -> Iterator[list[_T]]:
    """Things with their bytes, as many together as one transaction should write, and one at least."""
    batch: list[_T] = []
    total = 0
    for one, size in sized:
        if batch and (total + size > _BYTES or len(batch) == _ROWS):
            yield batch
            batch, total = [], 0
        batch.append(one)
        total += size
    if batch:
        yield batch


def _join(database: Database, days: Sequence[tuple[Any, ...]], behind: int) -> None:
    """Join those small rows of days that lie behind so many bytes of them; where that fails, of each day alone."""
    names = ("refs", "sources", "streams", "days")
    given = {name: list(values) for name, values in zip(names, zip(*days, strict=True), strict=True)}
    try:
        with database.transaction() as conn:
            conn.execute(_JOINED, {**given, "small": _SMALL, "bytes": _BYTES, "behind": behind})
    except _FAILING as error:
        if len(days) == 1:
            _tell("joining", days[0][0], error)
        else:
            for day in days:
                _join(database, [day], behind)


def _rewrite_clear(database: Database, sealer: Sealer, span: dict[str, uuid.UUID], keep: int) -> None:
    """Write anew what lies there as an earlier release wrote it, sealed and in rows of bounded size."""
    with database.snapshot() as conn:
        rows = conn.execute(
            """
            SELECT ref, last_at, id, source, stream, octet_length(body) FROM timeline
            WHERE clear AND ref BETWEEN %(first)s AND %(last)s ORDER BY ref, last_at, id
            """,
            span,
        ).fetchall()
    for some in _batches([(_Row(*row), row[-1]) for row in rows]):
        try:
            _rewrite(database, some, sealer, keep)
        except _FAILING:
            for row in some:
                with _alone("rewriting", row.ref):
                    _rewrite(database, [row], sealer, keep)


def _rewrite(database: Database, rows: Sequence[_Row], sealer: Sealer, keep: int) -> None:
    """Put the latest `keep` events of each row into rows as they are written now, but for those that cannot be read."""
    with database.transaction() as conn:
        known = _bodies(conn, [row for row in rows if row.size <= _SMALL])
        read: dict[int, tuple[_Row, list[Line]]] = {}
        for row in rows:
            with _alone("rewriting", row.ref):
                body = known.get(row.number)
                slices = body_slices(conn, row.ref, row.last_at, row.number, row.size) if body is None else [body]
                read[row.number] = row, newest_lines(plain_lines(slices, row.ref.bytes, sealer), keep)
        gone = conn.execute(
            f"DELETE FROM timeline AS t USING {_THESE} WHERE {_SAME} RETURNING t.id",
            _named([row for row, _ in read.values()]),
        ).fetchall()
        written = (new for (number,) in gone for new in _anew(*read[number], sealer))
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO timeline (ref, last_at, source, stream, n, body) VALUES (%s, %s, %s, %s, %s, %s)",
                list(written),
            )


def _named(rows: Sequence[_Row]) -> dict[str, list[Any]]:
    return {
        "refs": [row.ref for row in rows],
        "times": [row.last_at for row in rows],
        "ids": [row.number for row in rows],
    }


def _bodies(conn: Connection, rows: Sequence[_Row]) -> dict[int, bytes]:
    """The bodies of small rows, by the row's number."""
    return dict(
        conn.execute(f"SELECT t.id, t.body FROM timeline AS t JOIN {_THESE} ON {_SAME}", _named(rows)).fetchall()
    )


def _anew(row: _Row, newest: Sequence[Line], sealer: Sealer) -> Iterator[tuple[Any, ...]]:
    """What rows are to be written in place of one."""
    for piece in _pieces(sorted(newest, key=lambda line: line.us)):
        text = b"".join(map(encode_line, piece))
        sealed = any(bytes(line.properties) != b"null" for line in piece)
        body = pack_body(text, row.ref.bytes, sealer if sealed else None)
        last_at = _EPOCH + dt.timedelta(microseconds=piece[-1].us)
        yield row.ref, last_at, row.source, row.stream, len(piece), body


def _pieces(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines, as many together as one row holds."""
    piece: list[Line] = []
    size = 0
    for line in lines:
        length = len(encode_line(line))
        if piece and size + length > MOST_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += length
    if piece:
        yield piece
