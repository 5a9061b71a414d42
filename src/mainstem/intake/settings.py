"""What may be set about the door."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["DoorSettings", "LoadSettings"]

_MIB = 1 << 20


class DoorSettings(BaseModel):
    """Limits of the door; sizes are in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body: int = Field(default=16 * _MIB, ge=1024, description="Largest body as it is sent, compressed or not.")
    max_decompressed: int = Field(default=64 * _MIB, ge=1024, description="Largest body after decompression.")
    max_ratio: int = Field(
        default=200, ge=2, description="A compressed body may grow by at most this factor (the first 4 MiB are free)."
    )
    max_records: int = Field(default=50_000, ge=1, description="Most records in one body.")
    max_record: int = Field(default=_MIB, ge=64, description="Largest single record.")
    max_nesting: int = Field(default=64, ge=4, le=500, description="Deepest nesting of objects and arrays in a record.")
    max_identifier: int = Field(
        default=1024,
        ge=16,
        description="Longest id, key, customer_id (characters) in an envelope, and Idempotency-Key.",
    )
    max_split: int = Field(
        default=8 * _MIB,
        ge=0,
        description="Largest body whose broken records are told from the good ones; a larger one is refused as a whole.",
    )
    inline: int = Field(
        default=256 * 1024,
        ge=0,
        description="Bodies up to this size are decoded on the event loop; larger ones in a thread.",
    )
    commit_records: int = Field(default=20_000, ge=1, description="Most records of one group commit in the live lane.")
    bulk_commit_records: int = Field(
        default=50_000,
        ge=1,
        description="Most records of one group commit in the bulk lane, which has a committer of its own.",
    )
    commit_bytes: int = Field(
        default=16 * _MIB, ge=1024, description="Most payload bytes of one group commit of either lane."
    )
    queue_bytes: int = Field(
        default=128 * _MIB,
        ge=1024,
        description="Most payload bytes of either lane that wait in memory for their commit.",
    )
    backlog_age: float = Field(
        default=3600.0,
        gt=0,
        description="The live lane answers 429 when its oldest record has waited for the workers longer than this.",
    )
    backlog_records: int = Field(
        default=20_000_000,
        ge=1,
        description="A lane answers 429 when more of its records than this wait for the workers.",
    )
    drain: float = Field(default=30.0, gt=0, description="How long a stop waits for the commits of what was taken in.")


class LoadSettings(BaseModel):
    """How files are loaded; times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_rows: int = Field(default=10_000, ge=1, le=50_000, description="Rows brought to the door at once.")
    chunks_under_way: int = Field(
        default=4, ge=1, le=64, description="Chunks that may be on their way at the same time."
    )
    memory: str = Field(
        default="512MB", description="Memory for reading files and numbering their rows; beyond it, disk."
    )
    patience: float = Field(
        default=600.0,
        ge=0,
        description="How long one chunk is brought again while the door cannot take it, before giving up.",
    )
