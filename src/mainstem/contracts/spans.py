"""Spans of time as declarations write them."""

from __future__ import annotations

import datetime as dt
import re

__all__ = ["SPAN_HINT", "read_span"]

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = dt.timedelta(days=36_500)

SPAN_HINT = "Write a number and s, m, h, d or w, such as 10m; 100 years at most."


def read_span(value: object) -> dt.timedelta | None:
    """A span of time such as `90s`, `10m`, `1h`, `7d` or `2w`; None for what is none, or too long."""
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    span = dt.timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    return None if span is None or span > _LONGEST else span
