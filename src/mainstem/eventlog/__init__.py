"""The durable log between the door and everything behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.eventlog.log import Append, Counts, EventLog, Head, LogEpoch
    from mainstem.eventlog.postgres import PostgresLog, pending_counts, received_counts
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "log": "Append Counts EventLog Head LogEpoch",
            "postgres": "PostgresLog pending_counts received_counts",
        },
    )

__all__ = [
    "Append",
    "Counts",
    "EventLog",
    "Head",
    "LogEpoch",
    "PostgresLog",
    "pending_counts",
    "received_counts",
]
