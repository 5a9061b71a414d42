"""Instants as a request gives them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, TypeAlias

from pydantic import AwareDatetime, Field

from mainstem.api.problems import ProblemError

__all__ = ["Instant", "zoned"]

_EARLIEST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# So far from the last that there is that a year, as far as any answer looks ahead, leads to none beyond it.
_LATEST: Final = dt.datetime(9990, 1, 1, tzinfo=dt.UTC)

# At either end of what can be said at all, an offset leads beyond it.
Instant: TypeAlias = Annotated[
    AwareDatetime, Field(ge=dt.datetime(1, 1, 3, tzinfo=dt.UTC), lt=dt.datetime(9999, 12, 30, tzinfo=dt.UTC))
]
"""With an offset, and so that every other offset can say it too."""


def zoned(name: str, at: dt.datetime | None) -> dt.datetime | None:
    """A parameter's instant; one without a zone is UTC, as everywhere. Raises ProblemError 400 for one out of all reach."""
    if at is None:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
    if not _EARLIEST <= at < _LATEST:
        where = "before 1970" if at < _EARLIEST else "after the year 9989"
        raise ProblemError(400, "invalid", f"The instant `{name}` lies {where}.")
    return at
