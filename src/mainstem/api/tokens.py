"""Opaque tokens that clients hand back: where a subscription stood, where a page ended.

Signed, so that nobody reads or makes them but us; what they hold is no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any, TypeVar

import msgspec

__all__ = ["PageToken", "ResumeToken", "TokenSigner"]

_TAG_BYTES = 16


class ResumeToken(msgspec.Struct, frozen=True, tag="resume", array_like=True):
    """Where a subscription stood: every change up to `positions` (channel to sequence) of `generation` was applied."""

    generation: int
    positions: dict[int, int]
    subscription: str


class PageToken(msgspec.Struct, frozen=True, tag="page", array_like=True):
    """Where a page ended: the sort values of its last row, for the query with this fingerprint."""

    query: str
    after: list[Any]


_Token = TypeVar("_Token", ResumeToken, PageToken)


class TokenSigner:
    """Makes and reads tokens under one key (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"token\0" + key).digest()

    def sign(self, token: ResumeToken | PageToken) -> str:
        """The token as URL-safe text."""
        body = msgspec.msgpack.encode(token)
        return base64.urlsafe_b64encode(self._tag(body) + body).rstrip(b"=").decode()

    def read(self, text: str, kind: type[_Token]) -> _Token | None:
        """The token of a text; None when it is not one of ours or of another kind."""
        try:
            raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(body)):
            return None
        try:
            return msgspec.msgpack.decode(body, type=kind)
        except msgspec.DecodeError:
            return None

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_TAG_BYTES]
