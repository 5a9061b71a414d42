"""Whether the parts of a contract fit together: names that exist, types that can be, an identity that holds."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from mainstem.contracts._canonical import check_money
from mainstem.contracts._custom import Custom
from mainstem.contracts.contract import ANY_SOURCE, Constant, Contract, ContractField, Repeat
from mainstem.contracts.remedy import Impute
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import ENTITIES, Attribute, EntityKind, FieldType, PiiClass

__all__ = ["check_coherence"]

_T = FieldType
_IDENTITY_TYPES = (_T.STRING, _T.INTEGER)
_VERSION_TYPES = (_T.INTEGER, _T.TIMESTAMP, _T.DATE, _T.STRING)

# What loses nothing on the way.
_FITTING = {
    _T.STRING: (_T.STRING, _T.INTEGER, _T.BOOLEAN, _T.DATE),
    _T.INTEGER: (_T.INTEGER,),
    _T.NUMBER: (_T.NUMBER, _T.INTEGER),
    _T.BOOLEAN: (_T.BOOLEAN,),
    _T.TIMESTAMP: (_T.TIMESTAMP,),
    _T.DATE: (_T.DATE,),
    _T.OBJECT: (_T.OBJECT,),
}
_EVENT_ONLY = ("recordId", "repeat", "occurredAtImmutable", "oldest", "ahead")
_STATE_ONLY = ("entityVersion", "deleted")


def check_coherence(contract: Contract, custom: Custom, where: str) -> None:
    """Raise ConfigurationError at the first thing that does not fit."""
    _Coherence(contract, custom, where).check()


class _Coherence:
    def __init__(self, contract: Contract, custom: Custom, where: str) -> None:
        self._contract = contract
        self._custom = custom
        self._where = where
        self._entity = ENTITIES[contract.mapping.entity]

    def check(self) -> None:
        contract = self._contract
        self._check_named("partitionKey", contract.partition_key, _IDENTITY_TYPES)
        self._check_named("recordId", contract.record_id, _IDENTITY_TYPES)
        self._check_named("occurredAt", contract.occurred_at, (_T.TIMESTAMP,))
        self._check_named("entityVersion", contract.entity_version, _VERSION_TYPES)
        self._check_named("deleted", contract.deleted, (_T.BOOLEAN,))
        self._check_kind()
        self._check_mapping()
        if contract.kind is EntityKind.EVENT:
            self._check_event()
        else:
            self._check_state()
        self._check_partition_key()
        self._check_unique()
        self._check_forms()

    def _wrong(self, path: str, message: str, hint: str) -> ConfigurationError:
        return ConfigurationError(message, where=f"{self._where}: {path}", hint=hint)

    def _field_place(self, name: str) -> str:
        return f"schema[0].properties[{list(self._contract.fields).index(name)}]"

    def _check_named(self, name: str, field: str | None, types: Iterable[FieldType]) -> None:
        if field is None:
            return
        if field not in self._contract.fields:
            raise self._custom.wrong(name, f"{field!r} is no field.", near_miss(field, self._contract.fields))
        self._check_type(self._contract.fields[field], name, types)

    def _check_type(self, field: ContractField, name: str, types: Iterable[FieldType]) -> None:
        if field.type not in types:
            words = " or ".join(types)
            raise self._wrong(
                f"{self._field_place(field.name)}.logicalType",
                f"{field.name!r} is of type {field.type}, and as {name} must be {words}.",
                f"Declare it {words}, or name another field.",
            )

    def _check_kind(self) -> None:
        contract, entity = self._contract, self._entity
        if contract.kind is not entity.kind:
            raise self._custom.wrong(
                "kind",
                f"{contract.kind} does not fit the entity {entity.name!r}.",
                f"Write {entity.kind}, or remove it.",
            )
        other = _STATE_ONLY if contract.kind is EntityKind.EVENT else _EVENT_ONLY
        for name in other:
            if name in self._custom:
                raise self._custom.wrong(name, f"has no effect on a stream of kind {contract.kind}.", "Remove it.")

    def _check_unique(self) -> None:
        contract = self._contract
        for field in contract.fields.values():
            if not field.unique:
                continue
            place = f"{self._field_place(field.name)}.unique"
            if contract.kind is EntityKind.EVENT:
                raise self._wrong(
                    place,
                    f"is not checked of events, such as those of {contract.stream!r}.",
                    "Name what tells one event from another as `recordId`: its repeats are removed. Remove `unique`.",
                )
            if contract.source == ANY_SOURCE:
                raise self._wrong(
                    place, "is checked over the entities of one source.", "Declare it in the contract of that source."
                )
            if field.type is _T.OBJECT:
                raise self._wrong(place, f"is not checked of {field.name!r}, which is no single value.", "Remove it.")
            if field.name not in contract.mapping.attributes.values():
                raise self._wrong(
                    place,
                    f"is checked over what is held, and nothing is held of {field.name!r}.",
                    "Map it to an attribute, or remove `unique`.",
                )

    # Mapping.

    def _check_mapping(self) -> None:
        mapping, entity = self._contract.mapping, self._entity
        for name, to in mapping.attributes.items():
            attribute = entity.attributes.get(name)
            if attribute is None and entity.kind is EntityKind.EVENT:
                raise self._custom.wrong(
                    "mapping", f"{entity.name} has no attribute {name!r}.", near_miss(name, entity.attributes)
                )
            if isinstance(to, Constant):
                self._check_constant(name, attribute, to)
            else:
                self._check_mapped(name, attribute, to)
        for attribute in entity.attributes.values():
            if attribute.required:
                self._check_required(attribute)
        check_money(self._contract, self._custom)

    def _check_constant(self, name: str, attribute: Attribute | None, to: Constant) -> None:
        if attribute is None or attribute.type is _T.STRING:
            if attribute is not None and attribute.reference is not None:
                raise self._custom.wrong(
                    "mapping", f"{name!r} cannot be the same in every record.", "Map it to a field."
                )
            return
        try:
            fits = attribute.type is _T.NUMBER and abs(Decimal(to.value)) < 10**20
        except InvalidOperation:
            fits = False
        if not fits:
            raise self._custom.wrong(
                "mapping", f"{to.value!r} is no constant for {name!r} ({attribute.type}).", "Map it to a field."
            )

    def _check_mapped(self, name: str, attribute: Attribute | None, to: str) -> None:
        fields = self._contract.fields
        if to not in fields:
            raise self._custom.wrong(
                "mapping", f"{name!r} is mapped to {to!r}, which is no field.", near_miss(to, fields)
            )
        if attribute is None:
            return
        field = fields[to]
        if self._entity.kind is EntityKind.EVENT and attribute.column is None and field.pii is not PiiClass.NONE:
            raise self._custom.wrong(
                "mapping",
                f"{name!r} is mapped to {to!r}, which is personal ({field.pii}), and an event keeps it in clear.",
                "Leave it out: the record lies in the raw lake, sealed, with all that it says.",
            )
        if field.type not in _FITTING[attribute.type] or field.array:
            kind = "array" if field.array else field.type
            raise self._custom.wrong(
                "mapping",
                f"{name!r} is a {attribute.type}, which field {to!r} ({kind}) cannot become without loss.",
                f"Declare the field {' or '.join(_FITTING[attribute.type])}, or map another one.",
            )

    def _check_required(self, attribute: Attribute) -> None:
        to = self._contract.mapping.attributes.get(attribute.name)
        if to is None:
            raise self._custom.wrong(
                "mapping", f"{attribute.name!r} is not mapped, and {self._entity.name} needs it.", "Map it to a field."
            )
        if isinstance(to, str) and not self._contract.fields[to].required:
            raise self._wrong(
                f"{self._field_place(to)}.required",
                f"{to!r} is optional, and {self._entity.name} needs its {attribute.name!r}.",
                "Write required: true.",
            )

    # Identity.

    def _check_event(self) -> None:
        contract = self._contract
        if contract.occurred_at is None:
            raise self._wrong(
                "customProperties", "'occurredAt' is missing.", "Name the field that says when an event was."
            )
        mapped = contract.mapping.attributes.get("occurred_at")
        if mapped != contract.occurred_at:
            raise self._custom.wrong(
                "occurredAt",
                f"{contract.occurred_at!r} is not what the mapping says.",
                f"Name {mapped!r} in both places.",
            )
        if contract.key:
            raise self._wrong(
                f"{self._field_place(contract.key[0])}.primaryKey",
                "Events have no primary key.",
                "Name the field with the event's id as the custom property recordId.",
            )
        if contract.record_id is not None and contract.repeat is not Repeat.ID:
            raise self._custom.wrong(
                "recordId", f"has no effect with `repeat: {contract.repeat}`.", "Remove one of the two."
            )

    def _check_state(self) -> None:
        contract, entity = self._contract, self._entity
        if not contract.key:
            raise self._wrong(
                "schema[0].properties", "no field is the primary key.", "Write primaryKey: true on the field that is."
            )
        for name in contract.key:
            self._check_type(contract.fields[name], "primaryKey", _IDENTITY_TYPES)
        mapped = None if entity.own is None else contract.mapping.attributes.get(entity.own.name)
        if entity.own is not None and mapped is not None and contract.key != (mapped,):
            raise self._wrong(
                f"{self._field_place(contract.key[0])}.primaryKey",
                f"The primary key is not what is mapped to {entity.own.name!r}.",
                f"Let {mapped!r} alone be the primary key, so that others who speak of this {entity.name} mean the same.",
            )

    def _referring(self) -> set[str]:
        """Fields mapped to references."""
        return {
            to
            for attribute, to in self._contract.mapping.attributes.items()
            if isinstance(to, str)
            and attribute in self._entity.attributes
            and self._entity.attributes[attribute].reference is not None
        }

    def _check_forms(self) -> None:
        """What identifies is taken as it comes: others who speak of the same must come to the same."""
        contract = self._contract
        identifying = {contract.partition_key, contract.record_id, *contract.key, *self._referring()}
        for name in contract.fields.keys() & identifying:
            form = contract.fields[name].form
            remedies = contract.fields[name].remedies
            for word, given in (("codes", form.codes), ("default", form.default), ("remedies", remedies)):
                if given:
                    raise self._wrong(
                        f"{self._field_place(name)}.customProperties",
                        f"{name!r} identifies, and cannot have `{word}`.",
                        "Remove it, or declare a second field with the same `path` for what is shown.",
                    )
        for word, ordering in (
            ("occurredAt", contract.occurred_at),
            ("entityVersion", contract.entity_version),
            ("deleted", contract.deleted),
        ):
            if ordering is not None and contract.fields[ordering].remedies:
                raise self._wrong(
                    f"{self._field_place(ordering)}.customProperties",
                    f"{ordering!r} is the stream's `{word}`, and cannot have `remedies`.",
                    "Remove it, or declare a second field with the same `path` for what is shown.",
                )
        for name, field in contract.fields.items():
            imputed = [one.constant for one in field.remedies if isinstance(one, Impute)]
            for word, value in (
                ("impute", imputed[0] if imputed else None),
                *(("codes", value) for _, value in field.form.codes),
                ("default", field.form.default),
            ):
                if field.allowed and value is not None and not _allows(field, value):
                    raise self._wrong(
                        f"{self._field_place(name)}.customProperties",
                        f"`{word}` of {name!r} is {value!r}, which is none of the allowed values.",
                        "Allow it, or use an allowed one.",
                    )

    def _check_partition_key(self) -> None:
        contract = self._contract
        name = contract.partition_key
        if not contract.fields[name].required:
            raise self._wrong(
                f"{self._field_place(name)}.required",
                f"{name!r} is the partition key, and optional.",
                "Write required: true.",
            )
        if name not in self._referring() and name not in contract.key:
            whose = "a customer's" if self._entity.of_customers else f"a {self._entity.name}'s"
            raise self._custom.wrong(
                "partitionKey",
                f"{name!r} is neither mapped to a customer or person nor of the primary key.",
                f"Name the field that says whose a record is, so that all of {whose} records have one owner.",
            )


def _allows(field: ContractField, value: str) -> bool:
    """Whether a value that the contract itself gives is an allowed one; a factor goes for it as for all others."""
    if field.type not in {_T.INTEGER, _T.NUMBER}:
        return value in field.allowed
    return Decimal(value) * (field.form.factor or 1) in map(Decimal, field.allowed)
