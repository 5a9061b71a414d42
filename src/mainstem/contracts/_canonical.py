"""What a canonical attribute says of the field that is mapped to it: its values, and the shape of a currency.

The field gets these as if its contract had declared them, so that a value outside of them is a defect like any other.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from difflib import get_close_matches
from types import MappingProxyType

from mainstem.contracts._custom import Custom
from mainstem.contracts.contract import Constant, Contract, ContractField, Limit
from mainstem.hints import near_miss
from mainstem.model import CURRENCY, ENTITIES, Attribute, FieldType

__all__ = ["canonical_fields", "check_money", "near_attributes", "with_canonical"]

_CURRENCY = "^[A-Za-z]{3}$"
# Nearer than what a hint needs: an attribute of one's own is right, and only looks like a slip.
_NEAR = 0.8


def with_canonical(contract: Contract, custom: Custom) -> Contract:
    """The contract whose fields have the canonical values of what they are mapped to.

    Raises ConfigurationError for a constant, an `enum` or a type that has none of them.
    """
    fields = dict(contract.fields)
    entity = ENTITIES[contract.mapping.entity]
    for name, to in contract.mapping.attributes.items():
        attribute = entity.attributes.get(name)
        if attribute is None or not (attribute.allowed or name == CURRENCY):
            continue
        if isinstance(to, Constant):
            _check_constant(custom, entity.name, attribute, to)
        elif to in fields:
            field = fields[to]
            fields[to] = _narrowed(custom, entity.name, attribute, field) if attribute.allowed else _shaped(field)
    return dataclasses.replace(contract, fields=MappingProxyType(fields))


def canonical_fields(contract: Contract) -> frozenset[str]:
    """The fields that have canonical values: drift adds none to them."""
    attributes = ENTITIES[contract.mapping.entity].attributes
    return frozenset(
        to
        for name, to in contract.mapping.attributes.items()
        if isinstance(to, str) and name in attributes and attributes[name].allowed
    )


def check_money(contract: Contract, custom: Custom) -> None:
    """Raise ConfigurationError where an amount of money has no currency in every record."""
    entity, mapped = ENTITIES[contract.mapping.entity], contract.mapping.attributes
    amounts = [name for name, one in entity.attributes.items() if one.money and name in mapped]
    if not amounts:
        return
    to = mapped.get(CURRENCY)
    if to is None:
        raise custom.wrong(
            "mapping",
            f"{amounts[0]!r} is an amount of money, and {CURRENCY!r} is not mapped.",
            f"Map it to a field, or write {CURRENCY}: {{constant: EUR}}.",
        )
    field = contract.fields.get(to) if isinstance(to, str) else None
    if field is not None and not field.required and field.form.default is None:
        raise custom.wrong(
            "mapping",
            f"{field.name!r} is optional, and {amounts[0]!r} is worth nothing without its {CURRENCY}.",
            "Write required: true, or say what holds where there is none: `default: EUR`.",
        )


def near_attributes(contract: Contract) -> Iterator[tuple[str, str]]:
    """Mapped attributes of the contract's own that look like slips: each with the canonical one it is near to.

    They are kept as they are, because an entity may have attributes of its own.
    """
    known, mapped = ENTITIES[contract.mapping.entity].attributes, contract.mapping.attributes
    unmapped = [name for name in known if name not in mapped]
    for name in mapped:
        if name not in known and (close := get_close_matches(name, unmapped, n=1, cutoff=_NEAR)):
            yield name, close[0]


def _check_constant(custom: Custom, entity: str, attribute: Attribute, to: Constant) -> None:
    if attribute.allowed and to.value not in attribute.allowed:
        raise custom.wrong(
            "mapping",
            f"{to.value!r} is no {attribute.name} of the entity {entity}.",
            near_miss(to.value, attribute.allowed),
        )
    if attribute.name == CURRENCY and re.fullmatch(_CURRENCY, to.value) is None:
        raise custom.wrong("mapping", f"{to.value!r} is no currency.", "Write three letters of ISO 4217, such as EUR.")


def _narrowed(custom: Custom, entity: str, attribute: Attribute, field: ContractField) -> ContractField:
    values = ", ".join(attribute.allowed)
    if field.type is not FieldType.STRING:
        raise custom.wrong(
            "mapping",
            f"{attribute.name!r} is one of {values}, and field {field.name!r} is of type {field.type}.",
            "Declare the field string, and say with `codes` what its values mean.",
        )
    for value in field.allowed:
        if value not in attribute.allowed:
            raise custom.wrong(
                "mapping",
                f"field {field.name!r} may be {value!r}, which is no {attribute.name} of the entity {entity}.",
                f"{near_miss(value, attribute.allowed)} Say with `codes` what the source's values mean, and allow those.",
            )
    return field if field.allowed else dataclasses.replace(field, allowed=attribute.allowed)


def _shaped(field: ContractField) -> ContractField:
    if field.type is not FieldType.STRING or any(limit.word == "pattern" for limit in field.limits):
        return field
    return dataclasses.replace(field, limits=(*field.limits, Limit("pattern", _CURRENCY)))
