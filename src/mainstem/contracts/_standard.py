"""The Open Data Contract Standard's side of a file: YAML, and no key that the standard does not know.

The standard's own library says which keys there are; it would let unknown ones pass in silence, so they are looked for
here. What is of the standard but without effect on Mainstem is let through (documentation, ownership, prices); what
would promise a check that is not made is refused by the reader.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Hashable, Mapping
from typing import Any

import pydantic
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["VERSIONS", "load_standard", "read_standard"]

VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
"""Versions of the standard (`apiVersion`) that are read."""

_HINTS = {"string_type": "Put the value in quotes.", "bool_type": "Write true or false."}
_LARGEST = 512 * 1024
# A real contract has a few thousand values; aliases of aliases could make it billions.
_MOST_VALUES = 50_000
_DEEPEST = 40
# No number that Mainstem or a reader of the file has a use for is longer, and Python writes none of thousands of digits.
_MOST_BITS = 1024


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key stands once and a date is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the library's signature
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_standard(text: str, where: str) -> OpenDataContractStandard:
    """The file as the standard's library sees it. Raises ConfigurationError naming the place of the first defect."""
    data = load_standard(text, where)
    budget = [_MOST_VALUES]
    _check_keys(data, OpenDataContractStandard, _Place(where, ()), budget)
    try:
        return OpenDataContractStandard.model_validate(data, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = _Place(where, ())
        for step in first["loc"]:
            if isinstance(step, int) or not step[:1].isupper():
                place = place.at(step)
        hint = _HINTS.get(first["type"], "The Open Data Contract Standard says what may stand here.")
        raise ConfigurationError(f"{first['msg']}.", where=str(place), hint=hint) from error


class _Place:
    """Where in a file: `contracts/crm/accounts.yaml: schema[0].properties[2].required`."""

    def __init__(self, where: str, steps: tuple[str | int, ...]) -> None:
        self.where, self.steps = where, steps

    def at(self, step: str | int) -> _Place:
        return _Place(self.where, (*self.steps, step))

    def __str__(self) -> str:
        path = ""
        for step in self.steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return f"{self.where}: {path}" if path else self.where


def load_standard(text: str, where: str) -> Mapping[str, Any]:
    """The file as plain data. Raises ConfigurationError for what is no YAML mapping."""
    if len(text) > _LARGEST:
        raise ConfigurationError(f"is longer than {_LARGEST} characters.", where=where)
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader underneath
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{where}:{mark.line + 1}" if mark is not None else where
        problem = getattr(error, "problem", None) or "it is nested too deeply or holds what cannot be read"
        raise ConfigurationError(f"is not YAML: {problem}.", where=line) from error
    if not isinstance(data, dict):
        raise ConfigurationError(
            "holds no contract.", where=where, hint="It is a mapping that begins with `apiVersion` and `kind`."
        )
    return data


def _check_keys(data: object, annotation: object, place: _Place, budget: list[int]) -> None:
    """Raise ConfigurationError at the first key that the standard does not know."""
    budget[0] -= 1
    if budget[0] < 0 or len(place.steps) > _DEEPEST:
        raise ConfigurationError("holds more than a contract can.", where=place.where)
    if isinstance(data, int) and data.bit_length() > _MOST_BITS:
        raise ConfigurationError("The number has too many digits.", where=str(place), hint="Put it in quotes.")
    models, inside = _models(annotation)
    if isinstance(data, list):
        for index, value in enumerate(data):
            _check_keys(value, inside, place.at(index), budget)
    elif isinstance(data, dict):
        known = {
            field.alias or name: field.annotation for model in models for name, field in model.model_fields.items()
        }
        for key, value in data.items():
            if not isinstance(key, str):
                raise ConfigurationError(f"Key {key!r} is no text.", where=str(place), hint="Put it in quotes.")
            if models and key not in known:
                raise ConfigurationError(
                    f"{key!r} is unknown to the Open Data Contract Standard here.",
                    where=str(place.at(key)),
                    hint=near_miss(key, known),
                )
            _check_keys(value, known.get(key), place.at(key), budget)


def _models(annotation: object) -> tuple[list[type[pydantic.BaseModel]], object]:
    """The models a mapping of this annotation may be, and the annotation of the members of a list of it."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation], None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return [], arguments[0]
    models: list[type[pydantic.BaseModel]] = []
    inside: object = None
    if origin in {typing.Union, types.UnionType}:
        for argument in arguments:
            more, within = _models(argument)
            models += more
            inside = inside or within
    return models, inside
