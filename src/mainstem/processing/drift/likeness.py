"""Whether a new key is a declared field under another name: by the values of both, by their names and types."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Collection
from typing import Any

__all__ = ["Likeness", "compare", "compare_names", "likely"]

# What two sets of values have in common by chance: below this many, agreeing says little.
_ENOUGH_VALUES = 5
_OVERLAP = 0.5
_NAMES_ALIKE = 0.6


@dataclasses.dataclass(frozen=True, slots=True)
class Likeness:
    """What speaks for a rename. `overlap` is the share of the `compared` distinct values that the old field had too."""

    overlap: float
    compared: int
    names: float
    same_type: bool

    @property
    def score(self) -> float:
        """Of two likely ones the higher is likelier."""
        weight = self.overlap if self.compared >= _ENOUGH_VALUES else self.overlap / 2
        return 2 * weight + self.names + self.same_type / 2

    def told(self) -> dict[str, Any]:
        """As evidence."""
        return {
            "overlap": round(self.overlap, 3),
            "compared": self.compared,
            "names": round(self.names, 3),
            "same_type": self.same_type,
        }


def likely(one: Likeness) -> bool:
    """Whether it is more than chance."""
    if one.compared >= _ENOUGH_VALUES and one.overlap >= _OVERLAP:
        return True
    return one.same_type and one.names >= _NAMES_ALIKE


def compare(old: str, new: str, before: Collection[str], after: Collection[str], *, same_type: bool) -> Likeness:
    """Names, and distinct values as text."""
    common = sum(value in before for value in after)
    overlap = common / len(after) if after else 0.0
    return Likeness(overlap, len(after) if before else 0, compare_names(old, new), same_type)


def compare_names(old: str, new: str) -> float:
    """From 0 to 1: one is a part of the other, or they have words or letters in common."""
    a, b = (re.sub(r"[^a-z0-9]+", "", name.lower()) for name in (old, new))
    if not a or not b:
        return 0.0
    words = [
        set(re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())) for name in (old, new)
    ]
    shared = len(words[0] & words[1]) / min(map(len, words)) if all(words) else 0.0
    return max(difflib.SequenceMatcher(None, a, b).ratio(), 0.75 * shared)
