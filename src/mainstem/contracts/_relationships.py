"""What a field refers to: the standard's `relationships`, a foreign key to the primary key of another stream."""

from __future__ import annotations

import datetime as dt

from open_data_contract_standard.model import Relationship, SchemaProperty

from mainstem.contracts._custom import Custom
from mainstem.contracts.contract import Parent
from mainstem.errors import ConfigurationError
from mainstem.model import FieldType, is_name

__all__ = ["read_parent"]

_TYPES = (FieldType.STRING, FieldType.INTEGER)
_PROPERTIES = {"wait": "How long a record waits for what it refers to before it is quarantined."}
_DEFAULT_WAIT = dt.timedelta(hours=1)


def read_parent(one: SchemaProperty, kind: FieldType, place: str, where: str) -> Parent | None:
    """What the field's `relationships` say, None where there are none; `place` is the field's, `where` the file's name.

    Raises ConfigurationError for what would not be checked.
    """
    if one.relationships is None:
        return None
    at = f"{where}: {place}.relationships"
    if len(one.relationships) != 1:
        raise ConfigurationError(
            f"holds {len(one.relationships)} relationships.",
            where=at,
            hint="A field refers to one: write one, or none.",
        )
    at = f"{at}[0]"
    relationship = one.relationships[0]
    _check(relationship, kind, at)
    stream, _, field = str(relationship.to).partition(".")
    if not is_name(stream) or not is_name(field):
        raise ConfigurationError(
            f"{relationship.to!r} is no field of a stream.",
            where=f"{at}.to",
            hint="Write the stream and its primary key, such as accounts.account_id; the stream is the same source's.",
        )
    custom = Custom([(relationship.customProperties, f"{place}.relationships[0].customProperties")], _PROPERTIES, where)
    return Parent(stream, field, custom.duration("wait") if "wait" in custom else _DEFAULT_WAIT)


def _check(relationship: Relationship, kind: FieldType, at: str) -> None:
    if relationship.type not in (None, "foreignKey"):
        raise ConfigurationError(f"is {relationship.type!r}.", where=f"{at}.type", hint="Write foreignKey.")
    if relationship.from_ is not None:
        raise ConfigurationError(
            "has no effect at a field.", where=f"{at}.from", hint="Remove it: it is this field that refers."
        )
    if kind not in _TYPES:
        raise ConfigurationError(
            f"stands at a field of type {kind}.", where=at, hint="Only strings and integers can refer to a key."
        )
