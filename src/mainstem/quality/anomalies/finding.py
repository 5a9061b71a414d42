"""Looking for anomalies beside the sink: days that are over, again and again for a week."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from mainstem.clock import Clock
from mainstem.quality.anomalies.anomaly import Anomaly
from mainstem.quality.anomalies.register import register
from mainstem.quality.anomalies.series import DAYS_JUDGED, SeriesReader, read_received_series
from mainstem.store import Database

__all__ = ["find_anomalies"]

# What was received just before midnight is in effect by then.
_SETTLED = dt.timedelta(minutes=15)


def find_anomalies(database: Database, readers: Iterable[SeriesReader], clock: Clock) -> Sequence[Anomaly]:
    """Judge the last days of what is counted here and of the readers' series, and tell what is new; this.

    Raises UnavailableError.
    """
    now = clock.wall()
    last = (now - _SETTLED).astimezone(dt.UTC).date() - dt.timedelta(days=1)
    series = [*read_received_series(database, last), *(one for reader in readers for one in reader(database))]
    judged = [day for one in series for day in one.judged(DAYS_JUDGED, now)]
    return register(database, judged, now)
