"""The forms of time that are read, once for Python and for DuckDB: ISO 8601 in extended form, and numbers since 1970."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "EPOCH",
    "LOCAL",
    "MIDNIGHT",
    "SHORT_EPOCH",
    "TIME",
    "ZULU",
    "time_of_number",
    "time_of_text",
    "times_of_texts",
]

_DAY = r"\d{4}-\d{2}-\d{2}"
_OFFSET = r"([Zz]|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
ZULU = _DAY + "T" + _CLOCK + r":[0-5]\d(\.\d{1,9})?(Z|[+-]00:00)"
"""The commonest forms: in UTC, so that the offset need not be read."""
TIME = _DAY + r"([Tt ]" + _CLOCK + r"(:[0-5]\d(\.\d{1,9})?)?" + _OFFSET + r"?)?"
"""Every form of text."""
LOCAL = _DAY + r"([Tt ]" + _CLOCK + r"(:[0-5]\d(\.\d{1,9})?)?)?"
"""Those without an offset."""
MIDNIGHT = _DAY + r"([Tt ]00:00(:00(\.0+)?)?([Zz]|[+-]00(:?00)?)?)?"
"""What is a date."""
EPOCH = r"-?\d{9,17}(\.\d+)?"
"""A number in a text: of eight digits and fewer it might be a date without hyphens."""
SHORT_EPOCH = r"-?\d{1,8}(\.\d+)?"

_TIME = re.compile(TIME, re.ASCII)
_NUMBER = re.compile(rf"{EPOCH}|{SHORT_EPOCH}", re.ASCII)
_EPOCH = re.compile(EPOCH, re.ASCII)
_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_from_iso = dt.datetime.fromisoformat

_TIMESTAMP = pa.timestamp("us", tz="UTC")
# Arrow's reading of a column: its type, and the lengths at which it reads an hour without minutes, which is no form here.
_READINGS = ((_TIMESTAMP, {14, 16, 18, 19}), (pa.timestamp("us"), {13}))
# The years 1 to 9999, in microseconds since 1970.
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def time_of_text(text: str) -> dt.datetime | None:
    """The instant a text names, cut to microseconds, in UTC where none is named; None when it names none."""
    if _TIME.fullmatch(text) is None:
        return time_of_number(text) if _EPOCH.fullmatch(text) else None
    try:
        at = _from_iso(text.upper())
        return at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def times_of_texts(column: Sequence[Any]) -> pa.Array | None:
    """The instants of texts (and nulls) as `time_of_text` gives them, as timestamps, by one call for all of them.

    None when they are of rarer or of several forms, or one is no text: then each needs a look.
    """
    try:
        texts = pa.array(column, pa.string())
    except (pa.ArrowException, UnicodeEncodeError):
        return None
    lengths = set(pc.unique(pc.binary_length(texts)).to_pylist())
    for kind, doubtful in _READINGS:
        if lengths.isdisjoint(doubtful):
            with contextlib.suppress(pa.ArrowInvalid):
                times = texts.cast(kind).cast(_TIMESTAMP)
                return times if _in_our_years(times) else None
    return None


def _in_our_years(times: pa.Array) -> bool:
    """Whether Python can hold them all; Arrow's years go further."""
    if times.null_count == len(times):
        return True
    bounds = pc.min_max(times.cast(pa.int64())).as_py()
    return bool(bounds["min"] >= _FIRST and bounds["max"] <= _LAST)


def time_of_number(text: str) -> dt.datetime | None:
    """The instant a number (seconds, milli- or microseconds since 1970, by its magnitude) stands for, or None."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = Decimal(text)
    size = abs(number)
    if size < 10**11:
        micros = number.quantize(Decimal("1E-7"), ROUND_HALF_UP) * 1_000_000
    elif size < 10**17:
        micros = number * (1000 if size < 10**14 else 1)
    else:
        return None
    try:
        return _START + dt.timedelta(microseconds=int(micros.to_integral_value(ROUND_FLOOR)))
    except OverflowError:
        return None
