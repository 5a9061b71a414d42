"""What may be set about the connections to PostgreSQL."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["StoreSettings"]


class StoreSettings(BaseModel):
    """Limits of one process's connections; times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool_size: int = Field(default=4, ge=1, le=100, description="Connections a process keeps at most, listening aside.")
    pool_timeout: float = Field(
        default=10.0,
        gt=0,
        description="How long a caller waits for a connection when all are in use, then: unavailable.",
    )
    connect_timeout: int = Field(default=5, ge=2, description="How long one attempt to connect may take.")
    connection_lifetime: float = Field(
        default=3600.0,
        gt=0,
        description="Age at which a connection is replaced, so that the server's caches do not grow.",
    )
    statement_timeout: float = Field(default=300.0, ge=0, description="Longest statement; 0: none.")
    lock_timeout: float = Field(default=30.0, ge=0, description="Longest wait for a lock; 0: none.")
    idle_in_transaction_timeout: float = Field(
        default=120.0, ge=0, description="The server ends a transaction whose client is silent for this long; 0: never."
    )
