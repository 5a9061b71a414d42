"""The quality of what was received: counted where records are checked, scored when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.quality.breaches import BREACH_CHANNEL, Breach, find_breaches, read_breaches
    from mainstem.quality.counts import StreamCounts, joined
    from mainstem.quality.dimensions import WHOLE, Counted, Dimension, Share
    from mainstem.quality.distinct import FIELD_REGISTERS, seed_of
    from mainstem.quality.history import (
        TREND_DAYS,
        QualityQuery,
        RemedyTotal,
        Spans,
        read_field_days,
        read_fields,
        read_remedied,
        read_remedies,
        read_streams,
    )
    from mainstem.quality.interval import Interval, wilson
    from mainstem.quality.measurements import Measured, Measurement, Method, read_measurements, write_measurements
    from mainstem.quality.report import QualityReport, read_report
    from mainstem.quality.scoring import DayScores, QualityGrade, QualityScorer, Score, Scored, by_worst, replayed_days
    from mainstem.quality.settings import QualitySettings
    from mainstem.quality.tally import BatchCounts, Refused, Tally
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "breaches": "BREACH_CHANNEL Breach find_breaches read_breaches",
            "counts": "StreamCounts joined",
            "dimensions": "WHOLE Counted Dimension Share",
            "distinct": "FIELD_REGISTERS seed_of",
            "interval": "Interval wilson",
            "history": "TREND_DAYS QualityQuery RemedyTotal Spans read_field_days read_fields read_remedied read_remedies read_streams",
            "measurements": "Measured Measurement Method read_measurements write_measurements",
            "report": "QualityReport read_report",
            "scoring": "DayScores QualityGrade Score Scored QualityScorer by_worst replayed_days",
            "settings": "QualitySettings",
            "tally": "BatchCounts Refused Tally",
        },
    )

__all__ = [
    "BREACH_CHANNEL",
    "FIELD_REGISTERS",
    "TREND_DAYS",
    "WHOLE",
    "BatchCounts",
    "Breach",
    "Counted",
    "DayScores",
    "Dimension",
    "Interval",
    "Measured",
    "Measurement",
    "Method",
    "QualityGrade",
    "QualityQuery",
    "QualityReport",
    "QualityScorer",
    "QualitySettings",
    "Refused",
    "RemedyTotal",
    "Score",
    "Scored",
    "Share",
    "Spans",
    "StreamCounts",
    "Tally",
    "by_worst",
    "find_breaches",
    "joined",
    "read_breaches",
    "read_field_days",
    "read_fields",
    "read_measurements",
    "read_remedied",
    "read_remedies",
    "read_report",
    "read_streams",
    "replayed_days",
    "seed_of",
    "wilson",
    "write_measurements",
]
