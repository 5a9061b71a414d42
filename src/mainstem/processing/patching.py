"""Payloads that are changed in a part: what is not changed keeps its bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from mainstem.errors import RecordError

__all__ = ["members_of", "merge_patch"]


def merge_patch(payload: bytes, patch: Mapping[str, Any]) -> bytes:
    """A JSON object with a merge patch (RFC 7396) applied; what the patch does not name keeps its bytes.

    A `msgspec.Raw` in the patch is JSON that is taken as it stands. Raises RecordError for a payload that is no JSON object,
    and for a value that JSON cannot say.
    """
    members = members_of(payload)
    for name, value in patch.items():
        if value is None:
            members.pop(name, None)
        elif isinstance(value, msgspec.Raw):
            members[name] = value
        elif isinstance(value, Mapping):
            inner = bytes(members.get(name, b"{}")).lstrip()
            members[name] = msgspec.Raw(merge_patch(inner if inner.startswith(b"{") else b"{}", value))
        else:
            members[name] = msgspec.Raw(_encoded(value))
    return msgspec.json.encode(members)


def _encoded(value: object) -> bytes:
    try:
        # The standard library refuses NaN and infinities, which msgspec would turn into null.
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise RecordError(
            "invalid_json",
            "A value of the patch is none of JSON's.",
            hint="NaN, infinities and half characters are not.",
        ) from error


def members_of(payload: bytes) -> dict[str, msgspec.Raw]:
    """The keys of a JSON object with their values' bytes. Raises RecordError for another payload."""
    try:
        return msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            "not_an_object", "The payload is not a JSON object.", hint="Give the whole corrected payload, as JSON."
        ) from error
