"""What may be set about scores."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AnalyticsSettings"]


class AnalyticsSettings(BaseModel):
    """How scores are kept up to date."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(default=500, ge=1, le=5_000, description="Customers scored in one transaction, at most.")
    batch_rows: int = Field(
        default=5_000, ge=100, description="Midnights, those of past days included, scored in one transaction, at most."
    )
    batch_seconds: float = Field(
        default=0.25,
        gt=0,
        description="How long such a transaction should take; batches that take longer are made smaller.",
    )
    pause_seconds: float = Field(
        default=0.25,
        ge=0,
        description="Least rest between two rounds, so that customers touched often are scored together; "
        "longer rounds are followed by a longer one.",
    )
    poll_seconds: float = Field(default=1.0, gt=0, description="Longest wait for a sign that customers were touched.")
    sweep: dt.timedelta = Field(
        default=dt.timedelta(minutes=5),
        description="How often, in data time, scores that time alone has moved are found.",
    )
    daily_wait: dt.timedelta = Field(
        default=dt.timedelta(hours=36),
        description="How long, in data time, the score of a midnight waits for streams that are behind it.",
    )
    live_days: int = Field(
        default=90, ge=1, description="Days for which the history keeps more than one score a day, once exported."
    )
