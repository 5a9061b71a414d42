"""Who owns what, for how long, and the number that proves it.

A lease has one owner at a time and an *epoch* that rises whenever the owner changes. An owner writes the epoch's proof
into each of its transactions (`check_lease`): a zombie, which believes it still owns what another has taken over, finds
its epoch passed and commits nothing. Time is the database's, so that owners' clocks need not agree.
"""

from __future__ import annotations

import datetime as dt

from mainstem.errors import FencedError
from mainstem.store.database import Database
from mainstem.store.pool import Connection

__all__ = ["Lease", "check_lease"]


class Lease:
    """One owner's claim to `name`. `owner` names one process's life, so that its next life is another owner.

    Every method raises StorageFullError or UnavailableError; what the claim is worth is then unknown until it is
    renewed, and `check_lease` decides in any case.
    """

    def __init__(self, database: Database, name: str, owner: str, ttl: dt.timedelta) -> None:
        self.name = name
        self.owner = owner
        self.ttl = ttl
        self.epoch: int | None = None
        """Of the claim held, as far as is known here; None when none is."""
        self._database = database

    def acquire(self) -> int | None:
        """Take the lease when it is free, has run out or is ours; its epoch, or None when another holds it.

        One that runs far longer than any is given has seen the clock step back: nobody waits until it has caught up. A
        living owner renews, and is fenced at worst.
        """
        with self._database.autocommit() as connection:
            # The row's lock makes a taker wait for an owner's transaction that checked the lease and is under way.
            row = connection.execute(
                """
                INSERT INTO lease AS held (name, epoch, owner, expires_at)
                VALUES (%(name)s, 1, %(owner)s, clock_timestamp() + %(ttl)s)
                ON CONFLICT (name) DO UPDATE SET
                    epoch = held.epoch + CASE WHEN held.owner = excluded.owner THEN 0 ELSE 1 END,
                    owner = excluded.owner,
                    expires_at = clock_timestamp() + %(ttl)s
                WHERE held.owner = excluded.owner OR held.expires_at <= clock_timestamp()
                    OR held.expires_at > clock_timestamp() + greatest(3 * %(ttl)s, interval '1 minute')
                RETURNING epoch
                """,
                {"name": self.name, "owner": self.owner, "ttl": self.ttl},
            ).fetchone()
        self.epoch = None if row is None else int(row[0])
        return self.epoch

    def renew(self) -> bool:
        """Hold the lease for another `ttl` from now; False when it is no longer ours."""
        with self._database.autocommit() as connection:
            renewed = connection.execute(
                "UPDATE lease SET expires_at = clock_timestamp() + %s WHERE name = %s AND owner = %s AND epoch = %s",
                [self.ttl, self.name, self.owner, self.epoch],
            ).rowcount
        if not renewed:
            self.epoch = None
        return bool(renewed)

    def release(self) -> None:
        """Give the lease up, if it is ours, so that another need not wait for its end. It is fenced from here on."""
        with self._database.autocommit() as connection:
            connection.execute(
                """
                UPDATE lease SET epoch = epoch + 1, owner = '', expires_at = '-infinity'
                WHERE name = %s AND owner = %s AND epoch = %s
                """,
                [self.name, self.owner, self.epoch],
            )
        self.epoch = None


def check_lease(conn: Connection, name: str, epoch: int) -> None:
    """Inside a transaction: prove that `epoch` still owns the lease, and keep it so until the transaction ends.

    Raises FencedError when another owner has taken over or the lease was given up. A lease that has run out but was not
    taken is still the owner's: whoever wants it waits for this transaction.
    """
    held = conn.execute("SELECT epoch FROM lease WHERE name = %s FOR SHARE", [name]).fetchone()
    if held is None or held[0] != epoch:
        raise FencedError(f"The lease {name} is no longer held with epoch {epoch}.")
