"""What a quarantined record keeps: its whole envelope and the untouched payload, sealed for its place."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from mainstem.errors import IntegrityError
from mainstem.model import ENVELOPE, Place
from mainstem.privacy import Sealer

__all__ = ["QuarantinedRecord", "open_record", "quarantine_id", "seal_record"]

_IDS = uuid.UUID("6c0b6d1e-4b0c-5f0e-9a53-6d61696e7374")


class QuarantinedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the log held it (`model.ENVELOPE`)."""

    source: str
    stream: str
    contract_version: int
    record_id: str | None
    key: str | None
    partition_key: str | None
    slot: int
    op: str
    occurred_at: dt.datetime | None
    observed_at: dt.datetime
    origin: str
    delivery: str
    delivery_index: int
    content_type: str
    payload: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(QuarantinedRecord).decode
_names = [field.name for field in ENVELOPE]


def quarantine_id(place: Place) -> uuid.UUID:
    """The id under which the record of this place is quarantined, the same in every fold."""
    return uuid.uuid5(_IDS, str(place))


def seal_record(sealer: Sealer, place: Place, row: Mapping[str, Any]) -> bytes:
    """The record of a row of `ENVELOPE` columns, sealed; it opens only as the record of this place."""
    return sealer.seal(_encode({name: row[name] for name in _names}), _context(place))


def open_record(sealer: Sealer, place: Place, sealed: bytes) -> QuarantinedRecord:
    """The inverse of `seal_record`. Raises IntegrityError when it is damaged or another place's."""
    try:
        return _decode(sealer.open(sealed, _context(place)))
    except msgspec.DecodeError as error:
        raise IntegrityError(f"The quarantined record of {place} cannot be read.") from error


def _context(place: Place) -> bytes:
    return b"mainstem.quarantine\0" + str(place).encode()
