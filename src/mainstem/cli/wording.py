"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, word: str) -> str:
    """A number with its word, "1 record" or "2,000 records"; for words whose plural ends in s."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
