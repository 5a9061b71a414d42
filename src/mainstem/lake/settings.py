"""What may be set about the lake."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LakeSettings"]

_MIB = 1024 * 1024
_DAY = 86_400.0


class LakeSettings(BaseModel):
    """Sizes are in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(
        default=None, description="Where the lake lies: a folder or a file:// URL; none: `lake` in the data folder."
    )
    flush_bytes: int = Field(
        default=64 * _MIB, ge=1, description="A lake commit is made when a lane has this much, as received."
    )
    flush_seconds: float = Field(default=30.0, ge=0, description="... or when its oldest record has waited this long.")
    buffer_bytes: int = Field(
        default=96 * _MIB, ge=1, description="Memory of one writer for records not yet committed, over all lanes."
    )
    read_bytes: int = Field(default=8 * _MIB, ge=1, description="How much of the log is read at once.")
    read_records: int = Field(default=50_000, ge=1, description="... and how many records.")
    poll_seconds: float = Field(
        default=1.0, gt=0, description="How often the log is looked at when it is read to its end."
    )
    lease_seconds: float = Field(
        default=30.0, gt=0, description="How long a writer that vanished keeps its partitions from others."
    )
    block_records: int = Field(default=10_000, ge=1, le=10_000, description="Records sealed together, at most.")
    block_bytes: int = Field(default=8 * _MIB, ge=1, description="... and bytes; one larger record is a block alone.")
    # 1 and not zstd's usual 3: on blocks of JSON it is twice as fast, and the blocks are no larger.
    compression_level: int = Field(default=1, ge=1, le=19, description="Of zstd, for columns and sealed blocks.")
    compact_bytes: int = Field(default=64 * _MIB, ge=1, description="Compaction makes commits of at most this size.")
    compact_commits: int = Field(default=8, ge=2, description="Compaction replaces at least this many commits by one.")
    orphan_seconds: float = Field(
        default=_DAY, gt=0, description="Age at which objects that no commit names are removed."
    )
    replaced_seconds: float = Field(
        default=_DAY, ge=0, description="How long objects replaced by compaction are kept for readers under way."
    )
