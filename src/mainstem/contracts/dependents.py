"""Who uses a field: the port through which this room asks the rooms below, which fulfil it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from mainstem.contracts.contract import Contract

__all__ = ["Dependents", "Use"]


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """Something that rests on a field: its kind (`entity`, `metric`, `journey`, `health component`, `contract`), its name, and by what."""

    kind: str
    name: str
    by: str


class Dependents(Protocol):
    """Answers who uses a field of a contract."""

    def of(self, contract: Contract, field: str) -> Sequence[Use]:
        """What rests on the field, directly or through other things, each once."""
        ...
