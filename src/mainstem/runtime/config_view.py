"""The configuration as it is in force, for a person: every setting, its value and where it came from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from mainstem.runtime.config import LoadedConfig

__all__ = ["ShownSetting", "settings_shown", "settings_text"]

_MASK = "**********"


@dataclasses.dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting. `value` is JSON-able, a secret's is masked."""

    path: tuple[str, ...]
    value: Any
    origin: str

    @property
    def name(self) -> str:
        """As errors and the documentation write it: `database.url`."""
        return ".".join(self.path)


def settings_shown(loaded: LoadedConfig) -> list[ShownSetting]:
    """Every setting in the order of the declarations."""
    return [ShownSetting(path, value, loaded.origin(path)) for path, value in _walk(loaded.config, ())]


def settings_text(loaded: LoadedConfig) -> str:
    """YAML that could be a `mainstem.yaml`, but for the secrets, with the origin of each value behind it."""
    lines: list[str] = []
    section: tuple[str, ...] = ()
    for shown in settings_shown(loaded):
        *above, name = shown.path
        if tuple(above) != section:
            section = tuple(above)
            lines.append("  " * (len(section) - 1) + f"{section[-1]}:")
        # JSON is YAML, and quotes what has to be quoted.
        lines.append(f"{'  ' * len(section)}{name}: {json.dumps(shown.value)}  # {shown.origin}")
    return "\n".join(lines) + "\n"


def _walk(model: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _walk(value, (*path, name))
        else:
            yield (*path, name), _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
