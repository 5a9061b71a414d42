"""What becomes of customers: of what is shown of them now, and of their midnights. Instants are microseconds of data time."""

from __future__ import annotations

import dataclasses

from mainstem.analytics.subjects import Subject

__all__ = ["Filling", "HistoryRow", "Outcome"]


@dataclasses.dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row of the history, or the score that is shown. `score` is in hundredths, `as_of` in microseconds."""

    kind: str
    as_of: int
    complete: bool
    score: int
    band: str
    grade: str
    cause: str
    basis: bytes
    """See `basis`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The present of a customer. `shown` None: what is shown stays; `logged` is the live row for the history, if any."""

    subject: Subject
    shown: HistoryRow | None
    logged: HistoryRow | None
    due_at: int
    last_seen: int | None
    daily_at: int
    settled_at: int
    logged_at: int | None
    pending: bool
    midnights_since: int | None
    restate_until: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Filling:
    """Midnights of a customer, and those that still wait afterwards."""

    subject: Subject
    rows: tuple[HistoryRow, ...]
    daily_at: int
    settled_at: int
    midnights_since: int | None
    restate_until: int | None
