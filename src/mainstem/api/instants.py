"""Instants as a request gives them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

__all__ = ["Instant"]

# At either end of what can be said at all, an offset leads beyond it.
Instant: TypeAlias = Annotated[
    AwareDatetime, Field(ge=dt.datetime(1, 1, 3, tzinfo=dt.UTC), lt=dt.datetime(9999, 12, 30, tzinfo=dt.UTC))
]
"""With an offset, and so that every other offset can say it too."""
