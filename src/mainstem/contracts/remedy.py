"""Remedies: what a contract declares to be done to a field's values before they are checked.

A remedy is a function of the record alone (and of what the contract's text holds), so that a rebuild makes the same of it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

__all__ = ["Bound", "Enrich", "Form", "Impute", "Remedied", "Remedy", "RemedyEffect", "Standardise"]


class RemedyEffect(enum.StrEnum):
    """What became of a value."""

    STANDARDISED = "standardised"
    IMPUTED = "imputed"
    CLIPPED = "clipped"
    FLAGGED = "flagged"
    ENRICHED = "enriched"

    @classmethod
    def of(cls, remedy: str) -> RemedyEffect:
        """That of a remedy by its name, which begins with its word."""
        return _EFFECTS[remedy.partition(".")[0]]


_EFFECTS = {
    "standardise": RemedyEffect.STANDARDISED,
    "impute": RemedyEffect.IMPUTED,
    "clip": RemedyEffect.CLIPPED,
    "flag": RemedyEffect.FLAGGED,
    "enrich": RemedyEffect.ENRICHED,
}


class Form(enum.StrEnum):
    """One way to write what can be written in many."""

    TRIM = "trim"
    LOWER = "lower"
    UPPER = "upper"
    EMAIL = "email"
    PHONE = "phone"
    COUNTRY = "country"
    CURRENCY = "currency"
    TIME_ZONE = "time_zone"


@dataclasses.dataclass(frozen=True, slots=True)
class Standardise:
    """A text in one form; what is not known to be such a thing stays as it is."""

    form: Form
    lower_local: bool = False
    """Of an e-mail address: whether the part before the @ is lowered, too."""
    region: str | None = None
    """Of a phone number: the country (ISO 3166 alpha-2) of those without a country code."""
    region_from: str | None = None
    """Or the field that says it."""
    languages: tuple[str, ...] = ()
    """Of names of countries and currencies: languages beside English (CLDR)."""

    @property
    def name(self) -> str:
        """What it is counted and shown as."""
        return f"standardise.{self.form}"

    @property
    def uses(self) -> frozenset[str]:
        """The other fields it looks at."""
        return frozenset({self.region_from} - {None})  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True, slots=True)
class Impute:
    """A value for a record that has none: exactly one of these. A patch is left alone."""

    constant: str | None = None
    """As text."""
    field: str | None = None
    expression: str | None = None
    uses: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What it is counted and shown as."""
        return "impute"


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """A number kept within bounds, or one beyond them marked.

    `segments` are bounds by the value of the field `by`; `least` and `most` those of every other one. None: no bound.
    """

    clips: bool
    least: Decimal | None = None
    most: Decimal | None = None
    by: str | None = None
    segments: Mapping[str, tuple[Decimal | None, Decimal | None]] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is counted and shown as."""
        return "clip" if self.clips else "flag"

    @property
    def uses(self) -> frozenset[str]:
        """The other fields it looks at."""
        return frozenset() if self.by is None else frozenset({self.by})


@dataclasses.dataclass(frozen=True, slots=True)
class Enrich:
    """A value out of a reference table, for a record that has none. `rows` are texts: of the key field, and the value."""

    table: str
    key: str
    column: str
    rows: tuple[tuple[str, str], ...] = dataclasses.field(repr=False, default=())

    @property
    def name(self) -> str:
        """What it is counted and shown as."""
        return f"enrich.{self.table}"

    @property
    def uses(self) -> frozenset[str]:
        """The other fields it looks at."""
        return frozenset({self.key})


Remedy: TypeAlias = Standardise | Impute | Bound | Enrich


@dataclasses.dataclass(frozen=True, slots=True)
class Remedied:
    """A remedy of a contract, by its field and name."""

    field: str
    remedy: str

    @property
    def effect(self) -> RemedyEffect:
        """What it does."""
        return RemedyEffect.of(self.remedy)
