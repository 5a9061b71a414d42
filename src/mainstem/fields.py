"""Strict reading of declarations: the keys are named first, and any other key is an error with a near miss."""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import yaml

from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["Fields", "read_yaml"]

T = TypeVar("T")
_REQUIRED: Any = object()
_TYPE_NAMES: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    decimal.Decimal: "a number",
    dict: "a mapping",
    list: "a list",
}


class _Loader(yaml.SafeLoader):
    """YAML without aliases (they can explode) and with duplicate keys as errors (PyYAML takes the last in silence)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, "a key is not text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _decimal(loader: Any, node: Any) -> decimal.Decimal:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        number = decimal.Decimal("NaN")
    if not number.is_finite():
        raise yaml.constructor.ConstructorError(None, None, f"{text!r} is no number", node.start_mark)
    return number


# Numbers of a declaration are decimals: 0.1 means 0.1.
_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def read_yaml(text: str, where: str) -> Fields:
    """The top mapping of a YAML text. Raises ConfigurationError with line and column."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigurationError(f"This is not the YAML expected{at}: {error.problem}.", where=where) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigurationError("This is not YAML.", where=where) from None
    if not isinstance(document, dict):
        raise ConfigurationError("A mapping of names to values is expected.", where=where)
    return Fields(document, where)


class Fields:
    """A mapping being read: `only` says which keys there may be, then each is taken."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self.where = where

    def only(self, *known: str) -> Fields:
        """Itself. Raises ConfigurationError for a key that is not known, with the one it was probably meant to be."""
        for key in self._values:
            if key not in known:
                absent = [name for name in known if name not in self._values]
                raise ConfigurationError(
                    f"{key!r} is not known here.", where=self.where, hint=near_miss(key, absent or known)
                )
        return self

    def at(self, key: str) -> str:
        """Where a key stands, for messages."""
        return f"{self.where}: {key}" if ": " not in self.where else f"{self.where}.{key}"

    def take(self, key: str, kind: type[T], default: Any = _REQUIRED) -> T:
        """The value of a key, which must be of the type. Raises ConfigurationError for an absent or wrong one."""
        value = self._values.get(key)
        if value is None:
            if default is _REQUIRED:
                raise ConfigurationError(f"{key!r} is missing.", where=self.where)
            return default  # type: ignore[no-any-return]
        if kind is decimal.Decimal and isinstance(value, int) and not isinstance(value, bool):
            value = decimal.Decimal(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            expected = _TYPE_NAMES[kind]
            raise ConfigurationError(f"{expected[0].upper()}{expected[1:]} is expected here.", where=self.at(key))
        return value

    def text(self, key: str) -> str | None:
        """The text of a key; None when it is absent."""
        return self.take(key, str, "") or None

    def choice(self, key: str, words: Iterable[str], default: Any = _REQUIRED) -> str:
        """The value of a key that must be one of the words."""
        known = [str(one) for one in words]
        word = self.take(key, str, default)
        if word is not default and word not in known:
            raise ConfigurationError(f"{word!r} is not known here.", where=self.at(key), hint=near_miss(word, known))
        return word

    def inner(self, key: str) -> Fields | None:
        """The mapping under a key; None when it is absent."""
        value: dict[str, Any] | None = self.take(key, dict, None)
        return None if value is None else Fields(value, self.at(key))

    def each(self, key: str) -> Sequence[Fields]:
        """The mappings of the list under a key, in order."""
        found = []
        for place, value in enumerate(self.take(key, list)):
            where = self.at(f"{key}[{place}]")
            if not isinstance(value, dict):
                raise ConfigurationError("A mapping is expected here.", where=where)
            found.append(Fields(value, where))
        return found

    def keys(self) -> Sequence[str]:
        """All keys that are there."""
        return list(self._values)
