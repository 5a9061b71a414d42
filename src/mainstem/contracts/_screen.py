"""The strict look at payloads before DuckDB sees them.

DuckDB's JSON reader forgives trailing commas and NaN, and one payload that it cannot read fails the query of a thousand.
So every payload is first skipped over by msgspec, which is strict (RFC 8259) and keeps nothing; the few that fail are
looked at one by one for the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts.nesting import deepest
from mainstem.contracts.reasons import Reason

__all__ = ["DEEPEST", "SCREENED", "screen"]

DEEPEST = 256
"""Levels of nesting a payload may have: far below what any reader or store behind us breaks at."""

SCREENED = (Reason.INVALID_JSON, Reason.INVALID_TEXT, Reason.NOT_AN_OBJECT, Reason.TOO_DEEP)
"""The reasons found here."""


class _Nothing(msgspec.Struct, gc=False):
    """An object of which no key is kept."""


_skip = msgspec.json.Decoder(_Nothing).decode
_skip_any = msgspec.json.Decoder(msgspec.Raw).decode
# A string, or what is left of one that does not end: it always matches, so that no text makes it go back.
_EMPTY = b"{}"


def screen(payloads: pa.Array) -> tuple[pa.Array, Mapping[int, Reason]]:
    """The payloads (binary) as text that DuckDB can read, and the reason of each that is not (there, text is `{}`)."""
    values = payloads.to_pylist()
    defects: dict[int, Reason] = {}
    try:
        for value in values:
            _skip(value)
    except (msgspec.MsgspecError, RecursionError):
        defects = _defects(values)
    for row in _perhaps_deep(payloads):
        if deepest(values[row]) > DEEPEST:
            defects[row] = Reason.TOO_DEEP
    try:
        text = payloads.cast(pa.string())
    except pa.ArrowInvalid:
        defects |= {row: Reason.INVALID_TEXT for row, value in enumerate(values) if not _is_utf8(value)}
    else:
        if not defects:
            return text, defects
    for row in defects:
        values[row] = _EMPTY
    return pa.array(values, pa.string()), defects


def _defects(values: list[bytes]) -> dict[int, Reason]:
    defects: dict[int, Reason] = {}
    for row, value in enumerate(values):
        try:
            _skip(value)
        except (msgspec.MsgspecError, RecursionError):
            defects[row] = _why(value)
    return defects


def _why(value: bytes) -> Reason:
    """The reason of a payload that msgspec does not read as an object."""
    if deepest(value) > DEEPEST:
        return Reason.TOO_DEEP
    try:
        _skip_any(value)
    except (msgspec.MsgspecError, RecursionError):
        pass
    else:
        return Reason.INVALID_TEXT if not _is_utf8(value) else Reason.NOT_AN_OBJECT
    try:
        # The standard library reads half surrogates, and is strict about everything else with these arguments.
        json.loads(value.decode(), parse_constant=_refuse, parse_int=str, parse_float=str)
    except UnicodeDecodeError:
        return Reason.INVALID_TEXT
    except (ValueError, RecursionError):
        return Reason.INVALID_JSON
    return Reason.INVALID_TEXT


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _perhaps_deep(payloads: pa.Array) -> list[int]:
    """Rows with enough opening brackets to be too deep; a payload too short to be is not looked at."""
    long = np.flatnonzero(pc.binary_length(payloads).to_numpy(zero_copy_only=False) > 2 * DEEPEST)
    if not len(long):
        return []
    some = payloads.take(pa.array(long))
    brackets = pc.add(pc.count_substring(some, "{"), pc.count_substring(some, "["))
    return [int(row) for row in long[brackets.to_numpy(zero_copy_only=False) > DEEPEST]]
