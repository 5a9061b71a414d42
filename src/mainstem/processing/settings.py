"""What may be set about processing."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

from mainstem.processing.dedup import DedupSettings

__all__ = ["ProcessingSettings"]


class ProcessingSettings(BaseModel):
    """Sizes and times of the worker and the sink."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_records: int = Field(
        default=100_000, ge=1, description="Records of one commit at most (one batch of the log at least)."
    )
    batch_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1,
        description="Bytes of records of one commit at most (one batch of the log at least).",
    )
    bulk_seconds: float = Field(
        default=1.5,
        gt=0,
        description="How long a span of bulk records should take where nothing live came in for a minute; live records wait for the one under way.",
    )
    bulk_share: float = Field(
        default=0.2, ge=0.05, le=0.95, description="Share of commits that bulk gets while live records are waiting."
    )
    lease: dt.timedelta = Field(
        default=dt.timedelta(seconds=15), description="How long a partition waits for a worker that has died."
    )
    idle: dt.timedelta = Field(
        default=dt.timedelta(seconds=1),
        description="How long a worker sleeps at most before it looks for records unasked.",
    )
    back_off: dt.timedelta = Field(
        default=dt.timedelta(seconds=1), description="First wait after an error; doubled until thirty times as long."
    )
    timeline_age: dt.timedelta = Field(
        default=dt.timedelta(days=35), description="How far back from data time a customer's timeline is kept."
    )
    timeline_events: int = Field(
        default=1_000, ge=1, description="Events of a customer's timeline that are kept at most."
    )
    decide_at_once: int = Field(
        default=10_000,
        ge=1,
        description="Records in quarantine that one request over HTTP decides about at most; about more it makes an order, which the scheduler carries out.",
    )
    dedup: DedupSettings = Field(default=DedupSettings(), description="Deduplication of events.")
