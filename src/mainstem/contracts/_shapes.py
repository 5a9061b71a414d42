"""What sample values look like: the words that stand for nothing among them, and forms of time other than ISO 8601."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Sequence

from mainstem.contracts._time_format import TimeFormat

__all__ = ["surely_nothing", "time_formats", "words_for_nothing"]

_NOTHING = ("?", "N/A", "n/a", "#N/A", "NA", "NULL", "null", "None", "none", "NaN", "nan", "-", "--")
_CERTAIN = frozenset(("?", "N/A", "n/a", "#N/A"))
_DAYS = (
    *("d/M/yyyy", "M/d/yyyy", "d.M.yyyy", "d-M-yyyy", "M-d-yyyy", "yyyy/M/d", "yyyy.M.d"),
    *("d MMM yyyy", "d MMMM yyyy", "d-MMM-yyyy", "MMM d, yyyy", "MMMM d, yyyy", "d/M/yy", "M/d/yy", "d.M.yy"),
)
_CLOCKS = ("", "H:mm", "H:mm:ss", "H:mm:ss.SSS", "h:mm a", "h:mm:ss a")


def words_for_nothing(texts: Sequence[str]) -> tuple[str, ...]:
    """The words among the texts that often say that there is no value."""
    present = set(texts)
    return tuple(word for word in _NOTHING if word in present)


def surely_nothing(words: Sequence[str]) -> bool:
    """Whether none of the words could be a value, whatever the field is about."""
    return _CERTAIN.issuperset(words)


def time_formats(texts: Sequence[str]) -> list[str]:
    """Every known pattern that all the texts (at least one) are of; more than one where days and months cannot be told."""
    patterns = [f"{day} {clock}".strip() for day, clock in itertools.product(_DAYS, _CLOCKS)]
    return [pattern for pattern in patterns if _all_are(texts, TimeFormat.of(pattern))]


def _all_are(texts: Sequence[str], form: TimeFormat) -> bool:
    shape = re.compile(form.matches, re.ASCII)
    return all(shape.fullmatch(text) is not None and _is_time(form.in_full(text), form.reads) for text in texts)


def _is_time(text: str, reads: str) -> bool:
    try:
        dt.datetime.strptime(text, reads)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True
