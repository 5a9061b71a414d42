"""The nouns of agreement: what two systems are to say alike of the same things."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from mainstem.contracts import ANY_SOURCE, Contract, ContractField
from mainstem.model import PiiClass

__all__ = [
    "AGREEMENT",
    "OWN_KEY",
    "Agreement",
    "Comparison",
    "ContractVersions",
    "Contracts",
    "Part",
    "Side",
    "Truth",
    "Way",
    "field_of",
    "is_personal",
    "part_of",
]

AGREEMENT = "agreement"
"""The kind of its declarations."""

OWN_KEY = "key"
"""In the place of an attribute: what the source calls the entity by."""


class Truth(enum.StrEnum):
    """Which side is held to be right."""

    LEFT = "left"
    RIGHT = "right"
    NEITHER = "neither"


class Way(enum.StrEnum):
    """How two values are compared."""

    EXACT = "exact"
    """As they are held, character by character."""
    IGNORE_CASE = "ignore_case"
    """As texts, without outer white space and without regard to case."""
    NUMBER = "number"
    TIME = "time"


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """The entities of a stream, and the attribute (or `OWN_KEY`) by which they match those of the other side."""

    source: str
    stream: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """An attribute of the left beside one of the right.

    `tolerance` is a number, a share of the larger of the two (`relative`), or microseconds of a time. `values` says which value
    of the right a value of the left stands for; one that it does not name stands for itself.
    """

    left: str
    right: str
    way: Way = Way.EXACT
    tolerance: Decimal = Decimal(0)
    relative: bool = False
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """A declared agreement. States that changed within `settle` of now are not compared yet."""

    name: str
    label: str
    description: str
    left: Side
    right: Side
    ignore_case: bool | None
    """Of what they match by; None: where one of the two is an e-mail address."""
    comparisons: tuple[Comparison, ...]
    truth: Truth
    settle: dt.timedelta
    text: str


class Contracts(Protocol):
    """What is asked of `contracts.Registry`."""

    def active(self, source: str, stream: str) -> Contract | None:
        """The contract in force."""
        ...

    def streams(self) -> Sequence[tuple[str, str]]:
        """Source and stream of every contract in force."""
        ...


class ContractVersions(Contracts, Protocol):
    """And of those that were in force before."""

    def versions(self, source: str, stream: str) -> Sequence[Contract]:
        """All that were ever in force for the stream of this source, or of `ANY_SOURCE`."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Where an attribute lies in what is held."""

    personal: bool
    """By the contract in force: among the personal attributes, which are sealed."""
    moved: bool
    """By an earlier one in the other part, where it stays until its record comes again."""

    @property
    def sealed(self) -> bool:
        """Whether it may be sealed."""
        return self.personal or self.moved


def field_of(contract: Contract, attribute: str) -> ContractField | None:
    """The field that an attribute is mapped from; None for a constant, for what is not mapped, and for the entity's own key."""
    mapped = contract.mapping.attributes.get(attribute)
    return contract.fields[mapped] if isinstance(mapped, str) else None


def is_personal(contract: Contract, attribute: str) -> bool:
    """Whether its values lie only in sealed parts. What a source calls an entity by is sealed in any case."""
    field = field_of(contract, attribute)
    return attribute == OWN_KEY or (field is not None and field.pii is not PiiClass.NONE)


def part_of(contracts: ContractVersions, side: Side, contract: Contract, attribute: str) -> Part:
    """Where the attribute of a side with this contract in force lies. Raises UnavailableError."""
    personal = is_personal(contract, attribute)
    if attribute == OWN_KEY:
        return Part(personal, False)
    ever = [one for source in (side.source, ANY_SOURCE) for one in contracts.versions(source, side.stream)]
    before = [one for one in ever if attribute in one.mapping.attributes]
    return Part(personal, any(is_personal(one, attribute) is not personal for one in before))
