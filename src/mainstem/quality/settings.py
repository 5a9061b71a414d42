"""What may be set about the quality of data."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["QualitySettings"]


class QualitySettings(BaseModel):
    """What fields are held to that declare nothing themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    completeness: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Share of a day's records that are to have a value of a required field, where its contract declares no `completeness`.",
    )
    accuracy: float = Field(
        default=0.99,
        gt=0,
        le=1,
        description="Share of values that are to agree with the truth they are compared with, where they are. It is missed when all of the 95 % interval lies below it.",
    )
    kept: dt.timedelta = Field(
        default=dt.timedelta(days=730),
        ge=dt.timedelta(days=90),
        description="How long anomalies, and what was judged of loads, are kept. What still goes on, or says what is usual or is waited for, stays longer.",
    )
    least_records: int = Field(
        default=20,
        ge=1,
        description="Records of the day under way before it can be a breach; a day that is over can with any number.",
    )
