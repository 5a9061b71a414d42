"""How much work fits into a transaction of a wanted length, by how long it took of late."""

from __future__ import annotations

__all__ = ["Pace"]

# The share of the latest batch in what is expected of the next one.
_LATEST = 0.5


class Pace:
    """Sizes of batches; never below `least`, since fewer at once are not worth a transaction of their own."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._each = 0.0

    def size(self, seconds: float, most: int) -> int:
        """How much to take for about `seconds`, at most `most`; little at first, when nothing is known."""
        fitting = int(seconds / self._each) if self._each else self._least
        return min(most, max(self._least, fitting))

    def took(self, count: int, seconds: float) -> None:
        """Learn from a batch."""
        each = seconds / max(1, count)
        self._each = each if not self._each else self._each + _LATEST * (each - self._each)
