"""A load that is held as a whole. Its records say so themselves, in their `origin`: any reader of the log or the lake knows."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Self

__all__ = ["HeldLoad"]

_BEFORE = "load/held"


@dataclasses.dataclass(frozen=True, slots=True)
class HeldLoad:
    """Its id, how many rows it has, and the band it is outside of; None: no such bound."""

    id: uuid.UUID
    rows: int
    least: int | None
    most: int | None

    @property
    def origin(self) -> str:
        """The `origin` of its records."""
        least, most = ("" if bound is None else bound for bound in (self.least, self.most))
        return f"{_BEFORE}/{self.id.hex}/{self.rows}/{least}/{most}"

    @classmethod
    def of(cls, origin: str) -> Self | None:
        """The load whose records have this origin; None for every other one."""
        if not origin.startswith(f"{_BEFORE}/"):
            return None
        id_, rows, least, most = origin.removeprefix(f"{_BEFORE}/").split("/")
        return cls(uuid.UUID(id_), int(rows), int(least) if least else None, int(most) if most else None)

    def told(self) -> str:
        """Why it is held, and what to do."""
        if self.most is None:
            band = f"at least {self.least:,}"
        elif self.least is None:
            band = f"at most {self.most:,}"
        else:
            band = f"{self.least:,} to {self.most:,}"
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return (
            f"The load {self.id} has {rows}; {band} are expected. All of it is held. If it is right: "
            f"mainstem quarantine release --load {self.id}. Else: mainstem quarantine dismiss --load {self.id} --reason WHY."
        )
