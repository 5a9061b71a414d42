"""What becomes of records that are not as their contract says: kinds of drift, and the policy for each.

docs/specs/drift.md has the table of what every policy does for every kind.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from mainstem.contracts.reasons import Reason

__all__ = ["DRIFT_OF_REASON", "DriftKind", "Policies", "Policy"]


class DriftKind(enum.StrEnum):
    """How a stream departs from its contract. `RENAME` is told beside a new and a missing field, and has no policy."""

    NEW_FIELD = "new_field"
    MISSING_FIELD = "missing_field"
    TYPE_CHANGE = "type_change"
    ENUM_GROWTH = "enum_growth"
    RENAME = "rename"


class Policy(enum.StrEnum):
    """What is done about it."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    DISCARD_VALUE = "discard_value"
    DISCARD_ROW = "discard_row"
    QUARANTINE = "quarantine"


DRIFT_OF_REASON: Mapping[Reason, DriftKind] = {
    Reason.UNDECLARED: DriftKind.NEW_FIELD,
    Reason.MISSING: DriftKind.MISSING_FIELD,
    Reason.WRONG_TYPE: DriftKind.TYPE_CHANGE,
    Reason.OUT_OF_RANGE: DriftKind.TYPE_CHANGE,
    Reason.INVALID_TIME: DriftKind.TYPE_CHANGE,
    Reason.NOT_ALLOWED: DriftKind.ENUM_GROWTH,
}
"""Of which kind the defects of a record are that a policy decides about."""


@dataclasses.dataclass(frozen=True, slots=True)
class Policies:
    """A policy for each kind that has one; the defaults lose nothing."""

    new_field: Policy = Policy.EVOLVE
    missing_field: Policy = Policy.QUARANTINE
    type_change: Policy = Policy.QUARANTINE
    enum_growth: Policy = Policy.QUARANTINE

    def of(self, kind: DriftKind) -> Policy:
        """The policy for a kind; a rename's is that of the new field."""
        if kind is DriftKind.RENAME:
            return self.new_field
        policy: Policy = getattr(self, kind.value)
        return policy

    def about(self, reason: Reason) -> Policy:
        """The policy that decides about a defect; quarantine for one that is no drift."""
        kind = DRIFT_OF_REASON.get(reason)
        return Policy.QUARANTINE if kind is None else self.of(kind)
