"""What of the history may go: between midnights, and only what lies in the lake already."""

from __future__ import annotations

import datetime as dt

from mainstem.store import Database

__all__ = ["trim_history"]


def trim_history(database: Database, before: dt.datetime) -> int:
    """Forget live rows as of before an instant of data time, once exported; how many. Midnights stay for ever.

    Raises StorageFullError or UnavailableError.
    """
    with database.transaction() as conn:
        return conn.execute(
            "DELETE FROM score_history WHERE kind = 'live' AND exported AND as_of < %s", [before]
        ).rowcount
