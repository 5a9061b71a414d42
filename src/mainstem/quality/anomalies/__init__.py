"""Anomalies: values far from what the days before them let expect; volume, shares of bad values, freshness, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.quality.anomalies.ages import NewestReader, watch_ages
    from mainstem.quality.anomalies.anomaly import Anomaly, Series, Signal
    from mainstem.quality.anomalies.expectation import HISTORY, Scale, Tier
    from mainstem.quality.anomalies.finding import find_anomalies
    from mainstem.quality.anomalies.mutes import LONGEST_MUTE, Mute, add_mute, end_mute, read_mutes
    from mainstem.quality.anomalies.register import read_anomalies, trim_anomalies
    from mainstem.quality.anomalies.series import DAYS_JUDGED, SeriesReader
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "ages": "NewestReader watch_ages",
            "anomaly": "Anomaly Series Signal",
            "expectation": "HISTORY Scale Tier",
            "finding": "find_anomalies",
            "mutes": "LONGEST_MUTE Mute add_mute end_mute read_mutes",
            "register": "read_anomalies trim_anomalies",
            "series": "DAYS_JUDGED SeriesReader",
        },
    )

__all__ = [
    "DAYS_JUDGED",
    "HISTORY",
    "LONGEST_MUTE",
    "Anomaly",
    "Mute",
    "NewestReader",
    "Scale",
    "Series",
    "SeriesReader",
    "Signal",
    "Tier",
    "add_mute",
    "end_mute",
    "find_anomalies",
    "read_anomalies",
    "read_mutes",
    "trim_anomalies",
    "watch_ages",
]
