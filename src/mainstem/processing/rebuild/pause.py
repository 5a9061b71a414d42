"""Owning everybody's partitions for a while: nothing is committed, the door goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import structlog

from mainstem.errors import RetryableError
from mainstem.store import Connection, Database, check_lease

__all__ = ["Pause"]

_log = structlog.get_logger()
# If this process dies, the owners wait this long.
_TTL_SECONDS = 45
_RENEW_SECONDS = 10.0


class Pause:
    """Takes the leases away from whoever has them, after the transactions that rest on them, and gives them back."""

    def __init__(self, database: Database, names: Sequence[str], owner: str) -> None:
        """`names` are of leases; nothing happens before the block is entered."""
        self._database = database
        self._names = sorted(names)
        self._owner = owner
        self._epochs: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mainstem-pause", daemon=True)

    def __enter__(self) -> Self:
        with self._database.transaction() as conn:
            # The rows' locks wait for commits under way; afterwards those owners' epochs are passed.
            for name in self._names:
                [(epoch,)] = conn.execute(
                    """
                    INSERT INTO lease AS held (name, epoch, owner, expires_at)
                    VALUES (%(name)s, 1, %(owner)s, clock_timestamp() + make_interval(secs => %(ttl)s))
                    ON CONFLICT (name) DO UPDATE SET epoch = held.epoch + 1, owner = excluded.owner,
                        expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
                    RETURNING epoch
                    """,
                    {"name": name, "owner": self._owner, "ttl": _TTL_SECONDS},
                ).fetchall()
                self._epochs[name] = int(epoch)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        try:
            with self._database.autocommit() as conn:
                conn.execute(
                    """
                    UPDATE lease SET epoch = epoch + 1, owner = '', expires_at = '-infinity'
                    WHERE name = ANY(%s) AND owner = %s
                    """,
                    [self._names, self._owner],
                )
        except RetryableError:
            # They run out by themselves.
            _log.warning("rebuild_leases_left", leases=len(self._names))

    def check(self, conn: Connection) -> None:
        """Inside a transaction: prove that nothing was committed meanwhile. Raises FencedError."""
        for name, epoch in self._epochs.items():
            check_lease(conn, name, epoch)

    def _keep(self) -> None:
        while not self._over.wait(_RENEW_SECONDS):
            try:
                with self._database.autocommit() as conn:
                    conn.execute(
                        "UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs => %s) "
                        "WHERE name = ANY(%s) AND owner = %s",
                        [_TTL_SECONDS, self._names, self._owner],
                    )
            except RetryableError:
                _log.warning("rebuild_leases_not_renewed")
