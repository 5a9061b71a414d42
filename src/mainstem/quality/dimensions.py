"""The dimensions of quality, and what counts come to in each."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from decimal import Decimal

from mainstem.contracts import Contract, Repeat
from mainstem.model import EntityKind
from mainstem.quality.settings import QualitySettings

__all__ = ["WHOLE", "Counted", "Dimension", "Share", "objective", "unmeasured"]

WHOLE = ""
"""In the place of a field's name: the record as a whole."""

_NO_ACCURACY = (
    "Whether values are true is only ever stated against a truth, and nothing has been compared with one: neither another "
    "system nor records fetched again."
)


class Dimension(enum.StrEnum):
    """What quality is measured in."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    CONSISTENCY = "consistency"
    UNIQUENESS = "uniqueness"
    TIMELINESS = "timeliness"
    ACCURACY = "accuracy"


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """`good` of `of`."""

    good: int
    of: int

    @property
    def value(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.good / self.of if self.of else None

    def below(self, objective: Decimal | None) -> bool:
        """Whether it misses an objective; of nothing, and without one, it does not."""
        return objective is not None and self.good < objective * self.of


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """Counts of a field, or of whole records, over some days."""

    checked: int = 0
    missing: int = 0
    invalid: int = 0
    inconsistent: int = 0
    timed: int = 0
    late: int = 0
    told: int = 0
    """Events that took effect, and their repeats."""
    repeated: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    def share(self, dimension: Dimension, field: str) -> Share:
        """What they come to; a value that is not there is neither valid nor not, and none says by itself whether it is true."""
        present = self.checked if field == WHOLE else self.checked - self.missing
        return {
            Dimension.COMPLETENESS: Share(self.checked - self.missing, self.checked),
            Dimension.VALIDITY: Share(present - self.invalid, present),
            Dimension.CONSISTENCY: Share(self.checked - self.inconsistent, self.checked),
            Dimension.UNIQUENESS: Share(self.told - self.repeated, self.told),
            Dimension.TIMELINESS: Share(self.timed - self.late, self.timed),
            Dimension.ACCURACY: Share(0, 0),
        }[dimension]


def objective(contract: Contract | None, field: str, settings: QualitySettings) -> Decimal | None:
    """The completeness that a field, or whole records, are held to."""
    usual = Decimal(str(settings.completeness))
    if field == WHOLE:
        return usual
    declared = None if contract is None else contract.fields.get(field)
    if declared is None:
        return None
    return declared.completeness or (usual if declared.required else None)


def unmeasured(contract: Contract | None, field: str) -> Mapping[Dimension, str]:
    """The dimensions that the checks of records say nothing about for a field, or whole records, and why."""
    why = {Dimension.ACCURACY: _NO_ACCURACY}
    if contract is None:
        unknown = "No contract is in force for the stream."
        return {**dict.fromkeys((Dimension.CONSISTENCY, Dimension.UNIQUENESS), unknown), **why}
    rules = [rule for rule in contract.rules if len(rule.uses) > 1 and (field == WHOLE or field in rule.uses)]
    if not rules:
        why[Dimension.CONSISTENCY] = "No rule of the contract compares several fields, and no other system is compared."
    if contract.kind is not EntityKind.EVENT:
        why[Dimension.UNIQUENESS] = (
            "The key of an entity comes again with every version of it, and its fields have not been looked at for shared values."
            if field == WHOLE
            else "The field is not declared `unique`, or was not looked at yet."
        )
    elif contract.repeat is Repeat.NONE:
        why[Dimension.UNIQUENESS] = "By the contract every receipt counts: nothing is a repeat."
    elif field not in {WHOLE, contract.record_id}:
        why[Dimension.UNIQUENESS] = "The field does not tell one record from another."
    if contract.occurred_at is None:
        why[Dimension.TIMELINESS] = "The contract names no field that says when a record was true."
    elif field not in {WHOLE, contract.occurred_at}:
        why[Dimension.TIMELINESS] = "The field says no time by which lateness is judged."
    return why
