"""Reading configuration values and remembering where each came from.

A value is found by its path, `("database", "url")`; its origin is text for a person: `mainstem.yaml:3`, `environment
MAINSTEM_DATABASE__URL`, `option --port`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mainstem.errors import ConfigurationError

__all__ = ["ENVIRONMENT_PREFIX", "Values", "read_environment", "read_file"]

ENVIRONMENT_PREFIX = "MAINSTEM_"
_SEPARATOR = "__"
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

KeyPath = tuple[str, ...]


@dataclasses.dataclass(slots=True)
class Values:
    """Nested values, and the origin of each leaf and each section."""

    tree: dict[str, Any] = dataclasses.field(default_factory=dict)
    origins: dict[KeyPath, str] = dataclasses.field(default_factory=dict)

    def set(self, path: KeyPath, value: Any, origin: str) -> None:
        """Put a value at a path, over what was there."""
        level = self.tree
        for name in path[:-1]:
            below = level.get(name)
            if not isinstance(below, dict):
                below = level[name] = {}
            level = below
        level[path[-1]] = value
        self.origins = {known: text for known, text in self.origins.items() if known[: len(path)] != path}
        self.origins[path] = origin

    def origin(self, path: KeyPath) -> str | None:
        """Where the value at a path, the nearest section around it or the first thing within it, came from."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return next((text for known, text in self.origins.items() if known[: len(path)] == path), None)


def read_file(path: Path, environment: Mapping[str, str]) -> Values:
    """The values of a YAML file, `${NAME}` replaced from the environment.

    Raises ConfigurationError, with the line, when it cannot be read, is no YAML mapping, names a key twice or a variable
    that is not set.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}.", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8 text.", where=str(path)) from error
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        values = Values()
        if root is not None:
            value = _construct(loader, root, (), _Reading(path, environment, values.origins))
            if not isinstance(value, dict):
                raise ConfigurationError("is no mapping of settings.", where=str(path))
            values.tree = value
        return values
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"is no YAML: {error.problem}.", where=f"{path}:{line}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError("is no YAML.", where=str(path)) from error
    finally:
        loader.dispose()


@dataclasses.dataclass(frozen=True, slots=True)
class _Reading:
    file: Path
    environment: Mapping[str, str]
    origins: dict[KeyPath, str]

    def where(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}"


def _construct(loader: yaml.SafeLoader, node: yaml.Node, path: KeyPath, reading: _Reading) -> Any:
    if path:
        reading.origins[path] = reading.where(node)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        return _mapping(loader, node, path, reading)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, each, (*path, str(index)), reading) for index, each in enumerate(node.value)]
    value = loader.construct_object(node)
    if isinstance(value, str) and "$" in value:
        return _substituted(value, node, path, reading)
    return value


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, path: KeyPath, reading: _Reading) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node))
        if key in found:
            raise ConfigurationError(f"{key!r} is there twice.", where=reading.where(key_node))
        found[key] = _construct(loader, value_node, (*path, key), reading)
        # The key's line, not the value's: it is the one a person looks for.
        reading.origins[*path, key] = reading.where(key_node)
    return found


def _substituted(text: str, node: yaml.Node, path: KeyPath, reading: _Reading) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "$"
        if name not in reading.environment:
            raise ConfigurationError(
                f"{'.'.join(path)} names the environment variable {name}, which is not set.",
                where=reading.where(node),
                hint="Set it, or write $$ for a dollar sign.",
            )
        return reading.environment[name]

    return _VARIABLE.sub(value, text)


def read_environment(environment: Mapping[str, str]) -> list[tuple[KeyPath, str, str]]:
    """(path, text, origin) of each variable like `MAINSTEM_DATABASE__URL`; an empty one counts as not set.

    Variables without a double underscore (`MAINSTEM_DATA_DIR`) are not settings.
    """
    found = []
    for name, text in sorted(environment.items()):
        rest = name.removeprefix(ENVIRONMENT_PREFIX)
        if rest != name and _SEPARATOR in rest and text:
            found.append((tuple(rest.lower().split(_SEPARATOR)), text, f"environment {name}"))
    return found
