"""The manifest: which commits and files exist, and how far each chain has come.

It lies in PostgreSQL. An object of the lake exists when a row here names it, and not before. Commits of a chain may not
overlap (a constraint) and follow one another without a gap (the position, compare-and-set with the lease's epoch).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mainstem.clock import Clock
from mainstem.errors import ConfigurationError, FencedError
from mainstem.lake.commit import Chain, FileKey, LakeCommit, LakeFile
from mainstem.model import Lane, Span
from mainstem.store import Connection, Database, check_lease

__all__ = ["LakeTotal", "Manifest", "Proof"]

_FILE_COLUMNS = "f.path, f.source, f.stream, f.day, f.contract_version, f.rows, f.row_sum, f.bytes, f.content_hash"
_COMMIT_COLUMNS = "c.epoch, c.partition, c.lane, c.first, c.last, c.descriptor"


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """A writer's lease: its name and the epoch it was acquired with."""

    lease: str
    epoch: int


@dataclasses.dataclass(frozen=True, slots=True)
class LakeTotal:
    """What the lake holds of one stream's received day."""

    source: str
    stream: str
    day: dt.date
    files: int
    rows: int
    size: int


class Manifest:
    """Safe to share between threads.

    Every method raises StorageFullError or UnavailableError with nothing changed, except that a connection which breaks
    during a commit leaves its outcome unknown.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def positions(self) -> Mapping[tuple[int, int, Lane], int]:
        """The last position in the lake by (epoch, partition, lane); absent when there is none."""
        with self._database.autocommit() as connection:
            rows = connection.execute("SELECT epoch, partition, lane, position FROM lake_position").fetchall()
        return {(epoch, partition, Lane(lane)): position for epoch, partition, lane, position in rows}

    def chains(self) -> Sequence[Chain]:
        """All chains that have commits, in order."""
        with self._database.autocommit() as connection:
            rows = connection.execute("SELECT DISTINCT epoch, partition, lane FROM lake_commit ORDER BY 1, 2, 3")
            return [Chain(epoch, partition, Lane(lane)) for epoch, partition, lane in rows]

    def commits(self, chain: Chain, after: int = 0, limit: int | None = None) -> Sequence[LakeCommit]:
        """Commits of the chain with positions behind `after`, in order, `limit` at most, of one moment."""
        with self._database.autocommit() as connection:
            rows = connection.execute(
                f"""
                SELECT {_COMMIT_COLUMNS}, {_FILE_COLUMNS}
                FROM (SELECT * FROM lake_commit WHERE epoch = %s AND partition = %s AND lane = %s AND last > %s
                      ORDER BY first LIMIT %s) c
                JOIN lake_file f ON f.commit_id = c.id
                ORDER BY c.first, f.path
                """,
                [chain.epoch, chain.partition, chain.lane, after, limit],
            ).fetchall()
        return _commits(rows)

    def files(self, source: str, stream: str, days: tuple[dt.date, dt.date] | None = None) -> Sequence[LakeCommit]:
        """Commits with their files of the stream only, received within the days (both included), in order of place."""
        first, last = days or (dt.date.min, dt.date.max)
        with self._database.autocommit() as connection:
            rows = connection.execute(
                f"""
                SELECT {_COMMIT_COLUMNS}, {_FILE_COLUMNS}
                FROM lake_file f JOIN lake_commit c ON c.id = f.commit_id
                WHERE f.source = %s AND f.stream = %s AND f.day BETWEEN %s AND %s
                ORDER BY c.epoch, c.partition, c.lane, c.first, f.path
                """,
                [source, stream, first, last],
            ).fetchall()
        return _commits(rows)

    def totals(self) -> Sequence[LakeTotal]:
        """What lies in the lake, by source, stream and received day."""
        with self._database.autocommit() as connection:
            return _totals(connection)

    def census(self) -> tuple[Mapping[tuple[int, int, Lane], int], Sequence[LakeTotal]]:
        """`positions` and `totals` of one moment."""
        with self._database.snapshot() as connection:
            rows = connection.execute("SELECT epoch, partition, lane, position FROM lake_position").fetchall()
            totals = _totals(connection)
        return {(epoch, partition, Lane(lane)): position for epoch, partition, lane, position in rows}, totals

    def commit(
        self, commit: LakeCommit, proof: Proof, beside: Callable[[Connection], None] = lambda _connection: None
    ) -> None:
        """Make a commit whose objects are durable exist, and move the chain's position to its end, once.

        `beside` runs in the same transaction. A repeat by the same owner (the first answer was lost) changes nothing.
        Raises FencedError when the lease was lost or the span does not follow the position.
        """
        span = commit.span
        chain = [span.epoch, span.partition, span.lane]
        with self._database.transaction() as connection:
            check_lease(connection, proof.lease, proof.epoch)
            connection.execute(
                "INSERT INTO lake_position VALUES (%s, %s, %s, 0, 0) ON CONFLICT DO NOTHING",
                chain,
            )
            row = connection.execute(
                """
                SELECT position, lease_epoch FROM lake_position
                WHERE epoch = %s AND partition = %s AND lane = %s FOR UPDATE
                """,
                chain,
            ).fetchone()
            if row == (span.last, proof.epoch):
                return
            if row is None or row[0] != span.first - 1:
                raise FencedError(f"The lake's position of {Chain.of(span)} is not {span.first - 1} any more.")
            connection.execute(
                """
                UPDATE lake_position SET position = %s, lease_epoch = %s
                WHERE epoch = %s AND partition = %s AND lane = %s
                """,
                [span.last, proof.epoch, *chain],
            )
            self._insert(connection, commit)
            beside(connection)

    def replace(self, inputs: Sequence[LakeCommit], output: LakeCommit) -> None:
        """Put one commit in the place of consecutive ones; files it does not take over are kept for `collectable`.

        Raises FencedError when an input is not a commit any more: another compaction was faster.
        """
        kept = {file.path for file in output.files}
        gone = [commit.descriptor for commit in inputs]
        gone += [file.path for commit in inputs for file in commit.files if file.path not in kept]
        descriptors = [commit.descriptor for commit in inputs]
        with self._database.transaction() as connection:
            ids = connection.execute(
                "SELECT id FROM lake_commit WHERE descriptor = ANY(%s) ORDER BY id FOR UPDATE", [descriptors]
            ).fetchall()
            if len(ids) != len(inputs):
                raise FencedError("The commits to be compacted were replaced meanwhile.")
            commit_ids = [row[0] for row in ids]
            connection.execute("DELETE FROM lake_file WHERE commit_id = ANY(%s)", [commit_ids])
            connection.execute("DELETE FROM lake_commit WHERE id = ANY(%s)", [commit_ids])
            self._insert(connection, output)
            connection.execute(
                "INSERT INTO lake_replaced (path, replaced_at) SELECT unnest(%s::text[]), %s",
                [gone, self._clock.wall()],
            )

    def restore(self, commits: Iterable[LakeCommit]) -> None:
        """Fill an empty manifest, whole or not at all. Raises ConfigurationError when it is not empty."""
        with self._database.transaction() as connection:
            connection.execute("LOCK TABLE lake_commit, lake_position IN EXCLUSIVE MODE")
            counted = connection.execute(
                "SELECT (SELECT count(*) FROM lake_commit) + (SELECT count(*) FROM lake_position)"
            ).fetchone()
            if counted != (0,):
                raise ConfigurationError("The manifest is not empty; only a lost one can be recovered.")
            for commit in commits:
                self._insert(connection, commit)
            connection.execute(
                """
                INSERT INTO lake_position
                SELECT epoch, partition, lane, max(last), 0 FROM lake_commit GROUP BY 1, 2, 3
                """
            )

    def known(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths that the manifest names: as a file, a descriptor, or replaced and not yet removed."""
        with self._database.autocommit() as connection:
            rows = connection.execute(
                """
                SELECT path FROM lake_file WHERE path = ANY(%(paths)s)
                UNION ALL SELECT descriptor FROM lake_commit WHERE descriptor = ANY(%(paths)s)
                UNION ALL SELECT path FROM lake_replaced WHERE path = ANY(%(paths)s)
                """,
                {"paths": list(paths)},
            ).fetchall()
        return {row[0] for row in rows}

    def collectable(self, before: dt.datetime, limit: int) -> Sequence[str]:
        """Objects replaced before that time."""
        with self._database.autocommit() as connection:
            rows = connection.execute(
                "SELECT path FROM lake_replaced WHERE replaced_at < %s ORDER BY replaced_at LIMIT %s", [before, limit]
            ).fetchall()
        return [row[0] for row in rows]

    def collected(self, paths: Sequence[str]) -> None:
        """Forget replaced objects, which have been removed."""
        with self._database.autocommit() as connection:
            connection.execute("DELETE FROM lake_replaced WHERE path = ANY(%s)", [list(paths)])

    def _insert(self, connection: Connection, commit: LakeCommit) -> None:
        span = commit.span
        row = connection.execute(
            """
            INSERT INTO lake_commit (epoch, partition, lane, first, last, records, row_sum, descriptor, committed_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
            """,
            [
                *(span.epoch, span.partition, span.lane, span.first, span.last),
                *(commit.records, commit.row_sum, commit.descriptor, self._clock.wall()),
            ],
        ).fetchone()
        assert row is not None  # noqa: S101 -- INSERT ... RETURNING gives a row or raises
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO lake_file VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    [
                        *(file.path, row[0], file.key.source, file.key.stream, file.key.day),
                        *(file.key.contract_version, file.rows, file.row_sum, file.size, file.content_hash),
                    ]
                    for file in commit.files
                ],
            )


def _totals(connection: Connection) -> Sequence[LakeTotal]:
    rows = connection.execute(
        """
        SELECT source, stream, day, count(*), sum(rows)::bigint, sum(bytes)::bigint FROM lake_file
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """
    )
    return [LakeTotal(*row) for row in rows]


def _commits(rows: Sequence[tuple[Any, ...]]) -> list[LakeCommit]:
    """Commits from rows of a commit's columns and a file's, sorted by commit."""
    commits: list[LakeCommit] = []
    for epoch, partition, lane, first, last, descriptor, path, *rest in rows:
        source, stream, day, version, count, row_sum, size, content_hash = rest
        file = LakeFile(path, FileKey(source, stream, day, version), count, int(row_sum), size, content_hash)
        if commits and commits[-1].descriptor == descriptor:
            commits[-1] = dataclasses.replace(commits[-1], files=(*commits[-1].files, file))
        else:
            commits.append(LakeCommit(Span(epoch, partition, Lane(lane), first, last), (file,), descriptor))
    return commits
