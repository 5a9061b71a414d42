"""For tests, ours and those of plug-in authors."""

from mainstem.testing.clock import FixedClock

__all__ = ["FixedClock"]
