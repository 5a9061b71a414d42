"""Which partitions are this worker's: a fair share of them, held by leases.

Every worker holds one lease of its own name; that is how workers know of each other. The partitions of an epoch are shared
out by the rank of a worker's name among those alive: who has more than its share gives some back, who has fewer takes what
is free. Nothing rests on the shares being agreed on, only on the leases.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import structlog

from mainstem.processing.sink_postgres import lease_name
from mainstem.store import Database, Lease

__all__ = ["Ownership"]

_log = structlog.get_logger()
_WORKERS = "worker/"


@dataclasses.dataclass(slots=True)
class _Held:
    lease: Lease
    epoch: int
    """Of the lease, not of the log."""


class Ownership:
    """The partitions of one log epoch at a time that `owner` holds. Used by one thread.

    Methods raise UnavailableError or StorageFullError; what is held is then unknown until the next `balance`, and the
    leases' epochs decide in any case.
    """

    def __init__(self, database: Database, owner: str, ttl: dt.timedelta) -> None:
        self.owner = owner
        self._database = database
        self._ttl = ttl
        self._own = Lease(database, f"{_WORKERS}{owner}", owner, ttl)
        self._held: dict[tuple[int, int], _Held] = {}

    def held(self) -> dict[tuple[int, int], int]:
        """Lease epochs of the partitions held, by (log epoch, partition)."""
        return {key: held.epoch for key, held in self._held.items()}

    def balance(self, epoch: int, partitions: int) -> None:
        """Stay alive, renew what is held, give back or take until it is this worker's share of the epoch."""
        self._own.acquire()
        for key, held in list(self._held.items()):
            if not held.lease.renew():
                _log.warning("worker_lease_lost", epoch=key[0], partition=key[1])
                del self._held[key]
        for key in [key for key in self._held if key[0] != epoch]:
            self.give_up(*key)
        share = self._share(partitions)
        for key in sorted(self._held)[share:]:
            self.give_up(*key)
        for partition in range(partitions):
            if len(self._held) >= share:
                break
            if (epoch, partition) not in self._held:
                self._take(epoch, partition)

    def drop(self, epoch: int, partition: int) -> None:
        """Take note that a partition is another's."""
        self._held.pop((epoch, partition), None)

    def give_up(self, epoch: int, partition: int) -> None:
        """Give a partition back, so that another can take it at once."""
        held = self._held.pop((epoch, partition), None)
        if held is not None:
            held.lease.release()
            _log.info("worker_partition_released", epoch=epoch, partition=partition)

    def close(self) -> None:
        """Give everything back."""
        for key in list(self._held):
            self.give_up(*key)
        self._own.release()

    def _share(self, partitions: int) -> int:
        with self._database.autocommit() as conn:
            rows = conn.execute(
                "SELECT owner FROM lease WHERE starts_with(name, %s) AND expires_at > clock_timestamp() ORDER BY owner",
                [_WORKERS],
            ).fetchall()
        alive = [owner for (owner,) in rows]
        if self.owner not in alive:
            return 0
        return partitions // len(alive) + (alive.index(self.owner) < partitions % len(alive))

    def _take(self, epoch: int, partition: int) -> None:
        lease = Lease(self._database, lease_name(epoch, partition), self.owner, self._ttl)
        taken = lease.acquire()
        if taken is not None:
            self._held[epoch, partition] = _Held(lease, taken)
            _log.info("worker_partition_taken", epoch=epoch, partition=partition, lease_epoch=taken)
