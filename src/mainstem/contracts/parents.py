"""Whether what a contract's fields refer to can be referred to: the primary key of a stream whose contract is known."""

from __future__ import annotations

from collections.abc import Callable

from mainstem.contracts.contract import Contract
from mainstem.errors import ConfigurationError
from mainstem.model import EntityKind

__all__ = ["check_parents"]


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
        if about.kind is not EntityKind.STATE or about.key != (field.parent.field,):
            key = " + ".join(about.key) or "none: it is a stream of events"
            raise ConfigurationError(
                f"{field.parent.field!r} is not the primary key of {about.source}.{about.stream}.",
                where=place,
                hint=f"Its primary key is {key}. A field can refer to a key of one field.",
            )
