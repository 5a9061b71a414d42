"""What may be set about metrics."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MetricsSettings"]


class MetricsSettings(BaseModel):
    """What a stream is held to that declares nothing itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    freshness: dt.timedelta = Field(
        default=dt.timedelta(days=1),
        description="Age at which a stream is stale, for contracts that declare no freshness objective.",
    )
