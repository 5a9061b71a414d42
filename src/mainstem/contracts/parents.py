"""Whether what a contract's fields refer to can be referred to: the primary key of a stream whose contract is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mainstem.contracts.contract import Contract, Parent
from mainstem.errors import ConfigurationError
from mainstem.model import EntityKind

__all__ = ["check_children", "check_parents"]


def check_parents(contract: Contract, known: Callable[[str, str], Contract | None], where: str) -> None:
    """`known` gives the contract in force, or about to be, of a source and stream; `where` names the contract's file.

    Raises ConfigurationError for a field whose parents could never come.
    """
    for number, field in enumerate(contract.fields.values()):
        if field.parent is None:
            continue
        place = f"{where}: schema[0].properties[{number}].relationships[0].to"
        about = known(contract.source, field.parent.stream)
        if about is None:
            raise ConfigurationError(
                f"{contract.source}.{field.parent.stream} has no contract, so none of its records would be known.",
                where=place,
                hint="Activate its contract first, or in the same folder.",
            )
        _check_key(field.parent, about, place)


def check_children(contract: Contract, others: Iterable[Contract]) -> None:
    """Raises ConfigurationError where a field of one of the others refers to what is not the primary key of this contract."""
    for other in others:
        for field in other.fields.values() if other.source == contract.source else ():
            if field.parent is not None and field.parent.stream == contract.stream:
                _check_key(
                    field.parent, contract, f"{other.source}.{other.stream}, whose field {field.name} refers to it"
                )


def _check_key(parent: Parent, about: Contract, place: str) -> None:
    if about.kind is not EntityKind.STATE or about.key != (parent.field,):
        key = " + ".join(about.key) or "none: it is a stream of events"
        raise ConfigurationError(
            f"{parent.field!r} is not the primary key of {about.source}.{about.stream}.",
            where=place,
            hint=f"Its primary key is {key}. A field can refer to a key of one field.",
        )
