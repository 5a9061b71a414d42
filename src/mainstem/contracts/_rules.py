"""Rules over a record's fields: entries of the standard's `quality` whose engine is Mainstem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from open_data_contract_standard.model import DataQuality

from mainstem.contracts._limits import severity_of
from mainstem.contracts._pieces import Kind
from mainstem.contracts.contract import ContractField, Rule, Severity
from mainstem.contracts.expression import Column, compile_condition
from mainstem.errors import ConfigurationError
from mainstem.model import NAME_PATTERN, FieldType, is_name

__all__ = ["ENGINE", "RuleReader", "field_columns"]

ENGINE = "mainstem"
"""The `engine` of rules that are checked here."""

_KINDS = {
    FieldType.STRING: Kind.TEXT,
    FieldType.INTEGER: Kind.INTEGER,
    FieldType.NUMBER: Kind.NUMBER,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.TIMESTAMP: Kind.TIMESTAMP,
    FieldType.DATE: Kind.DATE,
    FieldType.OBJECT: Kind.OBJECT,
}
# Keys of a `quality` entry that would promise something else than a condition on every record.
_OTHER = (
    *("metric", "rule", "arguments", "query", "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo"),
    *("mustBeLessThan", "mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween", "schedule", "scheduler", "unit"),
)
_MOST_RULES = 500


def field_columns(fields: Mapping[str, ContractField], duckdb: Callable[[str], str]) -> Mapping[str, Column]:
    """A contract's fields as columns of an expression; `duckdb` says what each is called there."""
    return {name: Column(_KINDS[field.type], duckdb(name), f'"{name}"') for name, field in fields.items()}


class RuleReader:
    """Reads the rules of one file."""

    def __init__(self, fields: Mapping[str, ContractField], where: str) -> None:
        self._columns = field_columns(fields, lambda name: f'"{name}"')
        self._where = where
        self._rules: dict[str, Rule] = {}

    @staticmethod
    def is_rule(entry: DataQuality) -> bool:
        """Whether an entry of `quality` is one of these."""
        return entry.type == "custom" and entry.engine == ENGINE

    def read(self, entries: Sequence[DataQuality] | None, place: str, field: str | None) -> None:
        """Take in the rules of a list. Raises ConfigurationError at the first that is none."""
        for index, entry in enumerate(entries or ()):
            if self.is_rule(entry):
                self._add(self._rule(entry, f"{place}[{index}]", field), f"{place}[{index}]")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in order."""
        return tuple(self._rules.values())

    def _add(self, rule: Rule, place: str) -> None:
        if rule.name in self._rules:
            raise self._wrong(f"{place}.name", f"{rule.name!r} is there twice.", "Give each rule a name of its own.")
        if len(self._rules) == _MOST_RULES:
            raise self._wrong(place, f"is more than the {_MOST_RULES} rules a stream may have.", "Join some with AND.")
        self._rules[rule.name] = rule

    def _wrong(self, place: str, message: str, hint: str) -> ConfigurationError:
        return ConfigurationError(message, where=f"{self._where}: {place}", hint=hint)

    def _rule(self, entry: DataQuality, place: str, field: str | None) -> Rule:
        if entry.name is None or not is_name(entry.name):
            raise self._wrong(f"{place}.name", f"{entry.name!r} is no name of a rule.", f"Names match {NAME_PATTERN}.")
        for key in _OTHER:
            if getattr(entry, key) is not None:
                raise self._wrong(
                    f"{place}.{key}", "has no effect on a rule.", "Remove it: a rule is checked on every record."
                )
        text = entry.implementation
        if not isinstance(text, str):
            raise self._wrong(f"{place}.implementation", f"is {text!r}.", "Write one SQL condition as text.")
        severity = Severity.QUARANTINE
        if entry.severity is not None:
            severity = severity_of(entry.severity, f"{self._where}: {place}.severity")
        where = f"{self._where}: {place}.implementation"
        expression = compile_condition(text, self._columns, where=where, called="rule")
        if not expression.columns:
            raise ConfigurationError("The rule names no field.", where=where, hint="Compare a field with a value.")
        return Rule(
            name=entry.name,
            expression=text,
            severity=severity,
            field=field,
            uses=expression.columns,
            description=(entry.description or "").strip(),
        )
