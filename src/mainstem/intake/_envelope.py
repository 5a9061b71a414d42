"""The envelope as msgspec reads it."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

__all__ = ["ENVELOPE_KEYS", "Envelope", "Identifier", "LenientEnvelope", "OpName", "PlainEnvelope"]

Identifier = str | int | None
OpName = Literal["event", "upsert", "patch", "delete"]


class PlainEnvelope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What a record has to have; the payload is not looked into, only skipped over (which proves that it is JSON)."""

    stream: str
    payload: msgspec.Raw


class Envelope(PlainEnvelope, gc=False, forbid_unknown_fields=True):
    """A record as it may be sent."""

    id: Identifier = None
    key: Identifier = None
    customer_id: Identifier = None
    occurred_at: dt.datetime | None = None
    observed_at: dt.datetime | None = None
    op: OpName | None = None


class LenientEnvelope(Envelope, gc=False, forbid_unknown_fields=False):
    """The same with keys of which nothing is known."""


ENVELOPE_KEYS = Envelope.__struct_fields__
