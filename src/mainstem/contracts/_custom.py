"""What Mainstem needs of a contract and the standard has no key for: its `customProperties`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from open_data_contract_standard.model import CustomProperty

from mainstem.contracts.spans import SPAN_HINT, read_span
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["FIELD_PROPERTIES", "STREAM_PROPERTIES", "Custom"]

STREAM_PROPERTIES = {
    "source": "The source system, or `*` for every source without a contract of its own.",
    "kind": "`event` or `state`; follows from the entity when left out.",
    "partitionKey": "The field whose value decides where in the log a record belongs.",
    "recordId": "Of an event stream: the field with the source's id of the event.",
    "occurredAt": "The timestamp field that says when the record was true.",
    "entityVersion": "Of a state stream: the field whose rising value orders versions.",
    "deleted": "Of a state stream: the boolean field that marks a tombstone.",
    "repeat": "Of an event stream: what makes two records one event: `id`, `body`, `occurrence` or `none`.",
    "occurredAtImmutable": "Of an event stream: whether a repeat carries the same time.",
    "grace": "How long after its end a bucket still waits for late records.",
    "oldest": "Of an event stream: how far back an event may lie.",
    "ahead": "Of an event stream: how far ahead of time an event may lie.",
    "schemaChange": "What is done where records are not as declared: a policy, or one for each kind of drift.",
    "missing": "Texts that stand for no value, in any field.",
    "loadVolume": "How many records a load has, as shares of the median of the latest ones: `{from: 0.5, to: 2, loads: 5}`.",
    "mapping": "The canonical entity, and which field or constant each of its attributes is.",
}
"""On the contract or its schema object, by name."""

FIELD_PROPERTIES = {
    "path": "Where in the payload the field lies.",
    "formerPaths": "Where the source used to say it: a list of paths, read where there is nothing at its place of today.",
    "pii": "What the field says about a person.",
    "schemaChange": "What is done where the field is not as declared: a policy, or one for each kind of drift.",
    "missing": "Texts that stand for no value.",
    "codes": "What the source's codes mean: a table of texts and values.",
    "factor": "What a number is multiplied by, such as 0.01 where the source counts in cents.",
    "default": "The value of a record that has none.",
    "remedies": "What is done to a value before it is checked: a list of `standardise`, `impute`, `clip`, `flag`, `enrich`.",
    "limitSeverity": "What becomes of a record beyond the field's limits: `quarantine`, `hold` or `warn`.",
    "completeness": "The share of a day's records that are to have a value, above 0 and up to 1.",
}
"""On a property of the schema object, by name."""

_VENDORS = (None, "mainstem")

_Choice = TypeVar("_Choice", bound=enum.StrEnum)


class Custom:
    """Custom properties of one place, read by name, each with the type it must have.

    Raises ConfigurationError, with the place, for what is unknown, there twice or of another type.
    """

    def __init__(
        self, lists: Sequence[tuple[Sequence[CustomProperty] | None, str]], known: Mapping[str, str], where: str
    ) -> None:
        """`lists` are lists of properties, each with its path in the file; `where` names the file."""
        self._where = where
        self._known = known
        self._values: dict[str, tuple[Any, str]] = {}
        for properties, path in lists:
            for index, one in enumerate(properties or ()):
                self._add(one, f"{path}[{index}]")

    def _add(self, one: CustomProperty, path: str) -> None:
        place = f"{self._where}: {path}"
        if one.vendor not in _VENDORS:
            return
        if one.property is None:
            raise ConfigurationError("has no `property`.", where=place, hint="Name it.")
        if one.property not in self._known:
            raise ConfigurationError(
                f"{one.property!r} is unknown to Mainstem here.",
                where=place,
                hint=f"{near_miss(one.property, self._known)} A property for another tool needs that tool's `vendor`.",
            )
        if one.property in self._values:
            raise ConfigurationError(f"{one.property!r} is there twice.", where=place, hint="Keep one.")
        if one.value is None:
            raise ConfigurationError(f"{one.property!r} has no value.", where=place, hint="Give one or remove it.")
        self._values[one.property] = (one.value, path)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def place(self, name: str) -> str:
        """Where a property's value stands."""
        return f"{self._where}: {self._values[name][1]}.value ({name})"

    def wrong(self, name: str, message: str, hint: str | None = None) -> ConfigurationError:
        """The error of a property's value."""
        return ConfigurationError(message, where=self.place(name), hint=hint)

    def value(self, name: str) -> Any:
        """The value as it stands; None when it is not there."""
        return self._values[name][0] if name in self._values else None

    def text(self, name: str) -> str | None:
        """A text; None when it is not there."""
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, f"is {value!r} and no text.", "Put it in quotes.")
        return value

    def flag(self, name: str) -> bool:
        """True or false, of a property that is there."""
        value = self.value(name)
        if not isinstance(value, bool):
            raise self.wrong(name, f"is {value!r}.", "Write true or false.")
        return value

    def choice(self, name: str, kind: type[_Choice]) -> _Choice:
        """One of the words of an enumeration, of a property that is there."""
        value = self.text(name) or ""
        words = [str(word) for word in kind]
        if value not in words:
            raise self.wrong(name, f"{value!r} is none of {', '.join(words)}.", near_miss(value, words))
        return kind(value)

    def share(self, name: str) -> Decimal:
        """A number above 0 and up to 1, of a property that is there."""
        value = self.value(name)
        share = Decimal(repr(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
        if share is None or not 0 < share <= 1:
            raise self.wrong(name, f"{value!r} is no share.", "Write a number above 0 and up to 1, such as 0.9.")
        return share

    def duration(self, name: str) -> dt.timedelta:
        """A span of time such as `90s`, `10m`, `1h`, `7d` or `2w`, of a property that is there."""
        value = self.value(name)
        span = read_span(value)
        if span is None:
            raise self.wrong(name, f"{value!r} is no span of time.", SPAN_HINT)
        return span
