"""What the door writes beside the log: heartbeats, and how many records it refused."""

from __future__ import annotations

import collections
import datetime as dt
import threading

from mainstem.store import Database
from mainstem.telemetry import RECORDS_REFUSED

__all__ = ["Notes"]


class Notes:
    """Heartbeats are written at once; refusals are counted in memory and written by `flush`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._refused: collections.Counter[tuple[str, dt.date, str]] = collections.Counter()

    def heartbeat(self, source: str, stream: str, at: dt.datetime) -> None:
        """Note that the source vouches for the stream up to `at`. Raises StorageFullError or UnavailableError."""
        with self._database.transaction() as connection:
            connection.execute(
                """
                INSERT INTO heartbeat (source, stream, at) VALUES (%s, %s, %s)
                ON CONFLICT (source, stream) DO UPDATE SET at = greatest(heartbeat.at, excluded.at)
                """,
                [source, stream, at],
            )

    def refused(self, source: str, day: dt.date, reason: str, n: int = 1) -> None:
        """Count refused records of a source, or a whole body as one."""
        RECORDS_REFUSED.labels(source, reason).inc(n)
        with self._lock:
            self._refused[source, day, reason] += n

    def flush(self) -> None:
        """Write what was counted. Raises StorageFullError or UnavailableError, and then keeps the counts."""
        with self._lock:
            counted, self._refused = self._refused, collections.Counter()
        if not counted:
            return
        # Sorted, so that two doors never lock the same rows in opposite order.
        rows = sorted((*key, n) for key, n in counted.items())
        try:
            with self._database.transaction() as connection, connection.cursor() as cursor:
                cursor.executemany(
                    """
                    INSERT INTO log_refused AS known (source, day, reason, n) VALUES (%s, %s, %s, %s)
                    ON CONFLICT (source, day, reason) DO UPDATE SET n = known.n + excluded.n
                    """,
                    rows,
                )
        except BaseException:
            with self._lock:
                self._refused.update(counted)
            raise
