"""Mutes: what is known already, or no matter, is not told for a while."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

from mainstem.errors import ConfigurationError
from mainstem.quality.anomalies.anomaly import Anomaly, Signal
from mainstem.store import Connection, Database

__all__ = ["LONGEST_MUTE", "Mute", "add_mute", "end_mute", "read_mutes"]

LONGEST_MUTE = dt.timedelta(days=400)
"""Every mute expires: one for ever would be forgotten."""
# All are told with every list, and looked at for every anomaly.
_MOST_MUTES = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Mute:
    """Anomalies that agree with everything given are not told until `until`; they are found and shown all the same."""

    until: dt.datetime
    why: str
    author: str
    signal: Signal | None = None
    source: str | None = None
    stream: str | None = None
    name: str | None = None
    id: uuid.UUID = dataclasses.field(default_factory=uuid.uuid4)

    def covers(self, anomaly: Anomaly) -> bool:
        """Whether it speaks of the anomaly."""
        asked = (self.signal, self.source, self.stream, self.name)
        is_ = (anomaly.signal, anomaly.source, anomaly.stream, anomaly.name)
        return all(one is None or one == other for one, other in zip(asked, is_, strict=True))


def add_mute(database: Database, mute: Mute, now: dt.datetime) -> None:
    """Mute from now on.

    Raises ConfigurationError for a time that is past or too far, and where too many are in force, and UnavailableError.
    """
    if not now < mute.until <= now + LONGEST_MUTE:
        raise ConfigurationError(
            f"A mute ends within {LONGEST_MUTE.days} days, and not before it begins.",
            where="until",
            hint=f"It is {now:%Y-%m-%d %H:%M} UTC now.",
        )
    with database.transaction() as conn:
        [(count,)] = conn.execute("SELECT count(*) FROM anomaly_mute WHERE until > %s", [now]).fetchall()
        if count >= _MOST_MUTES:
            raise ConfigurationError(
                f"{_MOST_MUTES:,} mutes are in force already.",
                hint="Mute a whole source or signal, and end some others.",
            )
        conn.execute(
            "INSERT INTO anomaly_mute (id, signal, source, stream, name, until, why, author, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                mute.id,
                None if mute.signal is None else str(mute.signal),
                *(mute.source, mute.stream, mute.name, mute.until, mute.why, mute.author, now),
            ],
        )


def end_mute(database: Database, mute: uuid.UUID, now: dt.datetime) -> bool:
    """End a mute before its time; whether there was one. Raises UnavailableError."""
    with database.transaction() as conn:
        query = "UPDATE anomaly_mute SET until = %s WHERE id = %s AND until > %s"
        return conn.execute(query, [now, mute, now]).rowcount == 1


def read_mutes(conn: Connection, now: dt.datetime) -> Sequence[Mute]:
    """The mutes in force, the first to end first."""
    rows = conn.execute(
        "SELECT until, why, author, signal, source, stream, name, id FROM anomaly_mute WHERE until > %s ORDER BY until, id",
        [now],
    ).fetchall()
    return [
        Mute(until, why, author, None if signal is None else Signal(signal), *rest)
        for until, why, author, signal, *rest in rows
    ]
