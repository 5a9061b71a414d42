"""The event log in PostgreSQL: one row a batch.

A position is taken from the head row of its partition and lane, whose lock is held until the commit: whoever gets the
next position has seen this one decided, and a reader who sees the next one sees this one. Head rows are locked in
ascending order, so that doors never wait for each other in a circle. An append is one statement and so one round trip,
its commit included.

The head row also says whether its epoch is open. Changing the number of partitions locks every head and closes it: an
append that waited finds it closed and does nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.clock import Clock
from mainstem.errors import FencedError, IntegrityError
from mainstem.eventlog import codec
from mainstem.eventlog.log import Append, Counts, Head, LogEpoch
from mainstem.model import Lane, LogBatch, check_partitions
from mainstem.privacy import Sealer
from mainstem.store import Connection, Database

__all__ = ["PostgresLog", "pending_counts", "received_counts"]

_CHANNEL = "mainstem_log"
_LOCK = "mainstem log epochs"
# One read looks at no more positions than this, however small the batches are, so that its cost has a bound.
_READ_POSITIONS = 2048

_APPEND = """
WITH given AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY partition, lane ORDER BY place) AS turn
    FROM unnest(%(partitions)s::smallint[], %(lanes)s::smallint[], %(records)s::integer[], %(sizes)s::bigint[],
                %(counts)s::text[], %(bodies)b::bytea[])
        WITH ORDINALITY AS given (partition, lane, records, bytes, counts, body, place)
), wanted AS MATERIALIZED (
    SELECT partition, lane, count(*) AS batches FROM given GROUP BY partition, lane
), locked AS MATERIALIZED (
    SELECT head.partition, head.lane
    FROM log_head AS head
    WHERE head.epoch = %(epoch)s::integer AND head.open AND (head.partition, head.lane) IN (SELECT partition, lane FROM wanted)
    ORDER BY head.partition, head.lane
    FOR UPDATE
), stamped AS (
    UPDATE log_head AS head SET
        position = head.position + wanted.batches,
        last_received_at = greatest(%(now)s::timestamptz, head.last_received_at, (
            SELECT max(other.last_received_at) FROM log_head AS other
            WHERE other.epoch = head.epoch AND other.partition = head.partition))
    FROM locked JOIN wanted USING (partition, lane)
    WHERE head.epoch = %(epoch)s::integer AND head.partition = locked.partition AND head.lane = locked.lane
        AND (SELECT count(*) FROM locked) = (SELECT count(*) FROM wanted)
    RETURNING head.partition, head.lane, head.position - wanted.batches AS before, head.last_received_at AS at
), batches AS (
    INSERT INTO log_batch (epoch, partition, lane, position, received_at, records, bytes, counts, body)
    SELECT %(epoch)s::integer, partition, lane, before + turn, at, records, bytes, counts::jsonb, body
    FROM given JOIN stamped USING (partition, lane)
), received AS (
    INSERT INTO log_received AS known (epoch, partition, lane, source, stream, day, n)
    SELECT %(epoch)s::integer, partition, lane, count.source, count.stream, (at AT TIME ZONE 'UTC')::date, count.n
    FROM unnest(%(count_partitions)s::smallint[], %(count_lanes)s::smallint[], %(count_sources)s::text[],
                %(count_streams)s::text[], %(count_numbers)s::bigint[])
        AS count (partition, lane, source, stream, n)
    JOIN stamped USING (partition, lane)
    ON CONFLICT (epoch, partition, lane, source, stream, day) DO UPDATE SET n = known.n + excluded.n
)
SELECT before + turn FROM given JOIN stamped USING (partition, lane) ORDER BY place
"""

_READ = """
SELECT position, received_at, body
FROM (
    SELECT position, received_at, body, row_number() OVER so_far AS turn,
           sum(records) OVER so_far AS records, sum(bytes) OVER so_far AS bytes
    FROM (
        SELECT position, received_at, records, bytes, body FROM log_batch
        WHERE epoch = %s AND partition = %s AND lane = %s AND position > %s
        ORDER BY position
        LIMIT %s
    ) AS next
    WINDOW so_far AS (ORDER BY position ROWS UNBOUNDED PRECEDING)
) AS summed
WHERE turn = 1 OR (records <= %s AND bytes <= %s)
ORDER BY position
"""

_PENDING = """
SELECT count.value ->> 0, count.value ->> 1, (batch.received_at AT TIME ZONE 'UTC')::date,
       sum((count.value ->> 2)::bigint)::bigint
FROM log_head AS head
LEFT JOIN unnest(%s::integer[], %s::smallint[], %s::smallint[], %s::bigint[])
    AS known (epoch, partition, lane, position) USING (epoch, partition, lane)
JOIN log_batch AS batch
    ON batch.epoch = head.epoch AND batch.partition = head.partition AND batch.lane = head.lane
    AND batch.position > coalesce(known.position, 0)
CROSS JOIN LATERAL jsonb_array_elements(batch.counts) AS count (value)
GROUP BY 1, 2, 3
"""


def received_counts(conn: Connection) -> Counts:
    """`EventLog.received` as one snapshot sees it, beside whatever else is read in it."""
    rows = conn.execute("SELECT source, stream, day, sum(n)::bigint FROM log_received GROUP BY 1, 2, 3").fetchall()
    return {(source, stream, day): n for source, stream, day, n in rows}


def pending_counts(conn: Connection, positions: Mapping[tuple[int, int, Lane], int]) -> Counts:
    """`EventLog.pending` as one snapshot sees it, beside whatever else is read in it."""
    columns = [[int(chain[place]) for chain in positions] for place in range(3)]
    rows = conn.execute(_PENDING, [*columns, list(positions.values())]).fetchall()
    return {(source, stream, day): n for source, stream, day, n in rows}


class PostgresLog:
    """An `EventLog` in the control plane's tables; safe to share between threads, and any number may be open.

    `partitions` is the number of a log that is new; one that exists keeps its own until `repartition`.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, *, partitions: int) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._partitions = check_partitions(partitions)
        # What the caller was last told: it computed its partitions with this, so an append to another epoch is refused.
        self._told: LogEpoch | None = None

    def epochs(self) -> Sequence[LogEpoch]:
        query = """
            SELECT epoch, partitions, closed_at IS NOT NULL FROM log_epoch AS one
            WHERE closed_at IS NULL OR EXISTS (SELECT FROM log_batch WHERE log_batch.epoch = one.epoch)
            ORDER BY epoch
        """
        with self._database.autocommit() as connection:
            rows = connection.execute(query).fetchall()
            if not rows or rows[-1][2]:
                with connection.transaction():
                    self._open_first(connection)
                rows = connection.execute(query).fetchall()
        epochs = [LogEpoch(*row) for row in rows]
        self._told = epochs[-1]
        return epochs

    def append(self, appends: Sequence[Append]) -> Sequence[int]:
        if not appends:
            return []
        epoch = self._told or self.epochs()[-1]
        for append in appends:
            codec.check(append.records)
            self._check_partition(append, epoch)
        parameters = self._encoded(appends, epoch)
        with self._database.autocommit() as connection:
            positions = self._append_on(connection, parameters)
            if positions:
                # After the commit and without a transaction number: PostgreSQL lets notifying commits pass one by one,
                # which here costs no disk. Were it lost, readers would look at their next timeout.
                connection.execute("SELECT pg_notify(%s, '')", [_CHANNEL])
        if not positions:
            raise FencedError(f"Epoch {epoch.number} of the log is closed.", hint="Ask for its epochs again.")
        return positions

    def read(
        self, epoch: int, partition: int, lane: Lane, after: int, *, max_records: int, max_bytes: int
    ) -> Sequence[LogBatch]:
        chain = [epoch, partition, int(lane), after]
        limit = max(1, min(max_records, _READ_POSITIONS))
        with self._database.autocommit() as connection:
            rows = connection.execute(_READ, [*chain, limit, max_records, max_bytes], binary=True).fetchall()
        return [
            LogBatch(epoch, partition, lane, position, received_at, codec.decode(body, self._sealer))
            for position, received_at, body in rows
        ]

    def heads(self, epoch: int) -> Sequence[Head]:
        with self._database.autocommit() as connection:
            rows = connection.execute(
                "SELECT partition, lane, position FROM log_head WHERE epoch = %s ORDER BY partition, lane", [epoch]
            ).fetchall()
        return [Head(epoch, partition, Lane(lane), position) for partition, lane, position in rows]

    def received(self) -> Counts:
        with self._database.autocommit() as connection:
            return received_counts(connection)

    def pending(self, positions: Mapping[tuple[int, int, Lane], int]) -> Counts:
        with self._database.autocommit() as connection:
            return pending_counts(connection, positions)

    def oldest(self, epoch: int, partition: int, lane: Lane, after: int) -> dt.datetime | None:
        with self._database.autocommit() as connection:
            row = connection.execute(
                """
                SELECT received_at FROM log_batch
                WHERE epoch = %s AND partition = %s AND lane = %s AND position > %s
                ORDER BY position LIMIT 1
                """,
                [epoch, partition, int(lane), after],
            ).fetchone()
        return None if row is None else row[0]

    def repartition(self, partitions: int) -> LogEpoch:
        check_partitions(partitions)
        with self._database.transaction() as connection:
            self._lock_epochs(connection)
            connection.execute("SELECT FROM log_head WHERE open ORDER BY epoch, partition, lane FOR UPDATE")
            connection.execute("UPDATE log_head SET open = false WHERE open")
            connection.execute("UPDATE log_epoch SET closed_at = %s WHERE closed_at IS NULL", [self._clock.wall()])
            epoch = self._mint(connection, partitions)
        self._told = epoch
        return epoch

    def trim(self, epoch: int, partition: int, lane: Lane, through: int) -> int:
        with self._database.autocommit() as connection:
            return connection.execute(
                "DELETE FROM log_batch WHERE epoch = %s AND partition = %s AND lane = %s AND position <= %s",
                [epoch, partition, int(lane), through],
            ).rowcount

    def wait(self, timeout: float) -> None:
        self._database.listen(_CHANNEL, timeout)

    def wake(self) -> None:
        self._database.ring(_CHANNEL)

    def restore(self, closed: Sequence[LogEpoch], received: Counts) -> LogEpoch:
        """Begin a log whose predecessor is lost but was kept in the lake: its epochs, ended, and what it had received.

        Opens an epoch behind them. Raises IntegrityError when this log has epochs of its own already.
        """
        with self._database.transaction() as connection:
            self._lock_epochs(connection)
            if connection.execute("SELECT FROM log_epoch LIMIT 1").fetchone() is not None:
                raise IntegrityError("A log that was written to cannot take over another's past.")
            now = self._clock.wall()
            for epoch in closed:
                connection.execute(
                    "INSERT INTO log_epoch (epoch, partitions, opened_at, closed_at) VALUES (%s, %s, %s, %s)",
                    [epoch.number, epoch.partitions, now, now],
                )
            last = max((epoch.number for epoch in closed), default=0)
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO log_received (epoch, partition, lane, source, stream, day, n) "
                    "VALUES (%s, 0, 0, %s, %s, %s, %s)",
                    [(last, *counted, n) for counted, n in received.items()],
                )
            epoch = self._mint(connection, self._partitions)
        self._told = epoch
        return epoch

    def _encoded(self, appends: Sequence[Append], epoch: LogEpoch) -> dict[str, Any]:
        """The parameters of `_APPEND`; everything costly is done here, before any lock is held."""
        counts = [codec.count(append.records) for append in appends]
        total: Counter[tuple[int, int, str, str]] = Counter()
        for append, counted in zip(appends, counts, strict=True):
            for (source, stream), n in counted.items():
                total[append.partition, int(append.lane), source, stream] += n
        return {
            "epoch": epoch.number,
            "now": self._clock.wall(),
            "partitions": [append.partition for append in appends],
            "lanes": [int(append.lane) for append in appends],
            "records": [append.records.num_rows for append in appends],
            "sizes": [codec.size(append.records) for append in appends],
            "counts": [json.dumps([[*pair, n] for pair, n in counted.items()]) for counted in counts],
            "bodies": [codec.encode(append.records, self._sealer) for append in appends],
            "count_partitions": [partition for partition, _, _, _ in total],
            "count_lanes": [lane for _, lane, _, _ in total],
            "count_sources": [source for _, _, source, _ in total],
            "count_streams": [stream for _, _, _, stream in total],
            "count_numbers": list(total.values()),
        }

    @staticmethod
    def _append_on(connection: Connection, parameters: dict[str, Any]) -> list[int]:
        """The positions, or none when a head is closed and so nothing was done."""
        return [position for (position,) in connection.execute(_APPEND, parameters).fetchall()]

    @staticmethod
    def _check_partition(append: Append, epoch: LogEpoch) -> None:
        slots = append.records.column("slot").to_numpy()
        if not (slots % epoch.partitions == append.partition).all():
            raise FencedError(
                f"Records for partition {append.partition} do not belong there with {epoch.partitions} partitions.",
                hint="Ask the log for its epochs again.",
            )

    def _open_first(self, connection: Connection) -> None:
        self._lock_epochs(connection)
        if connection.execute("SELECT FROM log_epoch WHERE closed_at IS NULL").fetchone() is None:
            self._mint(connection, self._partitions)

    def _lock_epochs(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_LOCK])

    def _mint(self, connection: Connection, partitions: int) -> LogEpoch:
        row = connection.execute(
            """
            INSERT INTO log_epoch (epoch, partitions, opened_at)
            SELECT coalesce(max(epoch), 0) + 1, %s, %s FROM log_epoch
            RETURNING epoch
            """,
            [partitions, self._clock.wall()],
        ).fetchall()
        number = int(row[0][0])
        connection.execute(
            """
            INSERT INTO log_head (epoch, partition, lane, open, last_received_at)
            SELECT %(epoch)s::integer, partition, lane, true,
                   (SELECT coalesce(max(last_received_at), '-infinity') FROM log_head)
            FROM generate_series(0, %(partitions)s - 1) AS partition, unnest(%(lanes)s::smallint[]) AS lane
            """,
            {"epoch": number, "partitions": partitions, "lanes": [int(lane) for lane in Lane]},
        )
        return LogEpoch(number, partitions, closed=False)
