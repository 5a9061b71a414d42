"""The durable log between the door and everything behind it."""

from mainstem.eventlog.log import Append, Counts, EventLog, Head, LogEpoch
from mainstem.eventlog.postgres import PostgresLog, pending_counts, received_counts

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
