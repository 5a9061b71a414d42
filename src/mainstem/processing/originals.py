"""Entities of which a remedy changed or marked a value: how it came, beside what it is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from mainstem.contracts import Contract
from mainstem.model import PiiClass
from mainstem.privacy import Sealer
from mainstem.processing.tables.entities import entity_context
from mainstem.store import Connection

__all__ = ["Original", "read_originals"]

# What lies sealed is opened to know whether it is what is asked for: of so many entities, those observed last.
_MOST_OPENED = 2_000


@dataclasses.dataclass(frozen=True, slots=True)
class Original:
    """An entity's attribute as it is, and as it came. `by` are all remedies that did something to it, in order."""

    ref: uuid.UUID
    customer: uuid.UUID | None
    attribute: str
    came: Any
    value: Any
    by: tuple[str, ...]
    at: dt.datetime


def read_originals(
    conn: Connection, sealer: Sealer, contract: Contract, source: str, of: tuple[str, str], *, limit: int
) -> list[Original]:
    """The entities of a source to which a remedy did something in what is in force, the latest observed first.

    `of` is the field and the remedy's name. None for a field that no attribute of an entity is mapped from. Of a personal
    field those among the `_MOST_OPENED` entities with sealed originals that were observed last. Raises IntegrityError for
    what cannot be opened.
    """
    field, remedy = of
    attributes = [name for name, to in contract.mapping.attributes.items() if to == field]
    personal = field in contract.fields and contract.fields[field].pii is not PiiClass.NONE
    found: list[Original] = []
    for attribute in attributes:
        condition = "remedied_sealed IS NOT NULL" if personal else "remedied -> %(attribute)s -> 'by' ? %(remedy)s"
        rows = conn.execute(
            f"""
            SELECT ref, customer, observed_at, attributes, sealed, remedied, remedied_sealed FROM entity
            WHERE entity = %(entity)s AND source = %(source)s AND NOT deleted AND {condition}
            ORDER BY observed_at DESC, ref LIMIT %(limit)s
            """,
            {
                "entity": contract.mapping.entity,
                "source": source,
                "attribute": attribute,
                "remedy": remedy,
                "limit": _MOST_OPENED if personal else limit,
            },
        ).fetchall()
        for ref, customer, _, clear, sealed, remedied, remedied_sealed in rows:
            one = _opened(sealer, ref, remedied_sealed) if personal else remedied
            if attribute not in one or remedy not in one[attribute]["by"]:
                continue
            values = _opened(sealer, ref, sealed) if personal else clear
            found.append(_original(ref, customer, attribute, one[attribute], values))
            if len(found) == limit:
                return found
    return found


def _opened(sealer: Sealer, ref: uuid.UUID, sealed: bytes | None) -> Mapping[str, Any]:
    if sealed is None:
        return {}
    opened: dict[str, Any] = msgspec.json.decode(sealer.open(sealed, entity_context(ref.bytes)))
    return opened


def _original(
    ref: uuid.UUID, customer: uuid.UUID | None, attribute: str, told: Mapping[str, Any], values: Mapping[str, Any]
) -> Original:
    return Original(
        ref=ref,
        customer=customer,
        attribute=attribute,
        came=told["from"],
        value=values.get(attribute),
        by=tuple(told["by"]),
        at=dt.datetime.fromisoformat(told["at"]),
    )
