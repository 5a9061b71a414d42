"""What may be set about deduplication."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["DedupSettings"]


class DedupSettings(BaseModel):
    """Sizes of the state that tells repeats; one key is 16 bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal_keys: int = Field(
        default=2_000_000,
        ge=1,
        description="Keys an owner of a partition keeps in memory before it seals them (32 MB).",
    )
    seal_runs: int = Field(
        default=4_000,
        ge=1,
        description="Commits whose keys a stream keeps in the database before they are sealed, however few.",
    )
    merge_segments: int = Field(
        default=4, ge=2, description="Sealed segments of one size class that are merged into one."
    )
    segment_keys: int = Field(
        default=64_000_000, ge=1, description="Size (1.1 GB) that a sealed segment does not outgrow by merging."
    )
