"""The one configuration: each room's settings, composed, read once and frozen.

Later ones win: defaults, the file, environment variables (`MAINSTEM_DATABASE__URL`), options of the command. The file is
the one given, else `mainstem.yaml` in the data folder, else `mainstem.yaml` in the working directory, else none.

In the file `${NAME}` stands for an environment variable, and a secret may be `file:/path`, a file that holds it.

To give a room's settings a section: import its type and add one field to `Config`.
"""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from mainstem.analytics.settings import AnalyticsSettings
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.intake.settings import DoorSettings
from mainstem.lake.settings import LakeSettings
from mainstem.metrics.settings import MetricsSettings
from mainstem.processing.settings import ProcessingSettings
from mainstem.quality.settings import QualitySettings
from mainstem.runtime.config_file import Values, read_environment, read_file
from mainstem.runtime.settings import DatabaseSettings, RuntimeSettings
from mainstem.store.settings import StoreSettings

__all__ = ["Config", "LoadedConfig", "check_config", "config_schema", "load_config"]

_FILE_NAME = "mainstem.yaml"
_FILE_SECRET = "file:"  # noqa: S105 - a prefix


def _section(settings: type[BaseModel], description: str) -> Any:
    """A field that holds a room's settings, their defaults unless something is given."""
    return Field(default_factory=lambda: settings.model_validate({}), description=description)


class Config(BaseModel):
    """Mainstem's configuration, `mainstem.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Mainstem configuration")

    runtime: RuntimeSettings = _section(RuntimeSettings, "The process tree.")
    database: DatabaseSettings = _section(DatabaseSettings, "Which PostgreSQL.")
    store: StoreSettings = _section(StoreSettings, "Connections to the database.")
    intake: DoorSettings = _section(DoorSettings, "The door: limits of what is taken in.")
    processing: ProcessingSettings = _section(ProcessingSettings, "Making records take effect.")
    quality: QualitySettings = _section(QualitySettings, "What the quality of data is held to.")
    metrics: MetricsSettings = _section(MetricsSettings, "What is measured.")
    analytics: AnalyticsSettings = _section(AnalyticsSettings, "Health scores.")
    lake: LakeSettings = _section(LakeSettings, "The raw lake.")


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration and where it came from."""

    config: Config
    data_dir: Path
    file: Path | None
    """The file that was read, if there was one."""
    values: Values
    """What was given, and where."""

    def origin(self, path: tuple[str, ...]) -> str:
        """Where the value of a setting came from; `default` when nobody gave it."""
        return self.values.origin(path) or "default"


def load_config(
    data_dir: Path,
    file: Path | None = None,
    *,
    options: Mapping[tuple[str, ...], Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Read the configuration. `options` are the command's, by path, with None for those not given.

    Raises ConfigurationError for the first thing that is wrong; `check_config` tells all.
    """
    loaded, problems = _load(data_dir, file, options or {}, os.environ if environment is None else environment)
    if loaded is None:
        more = f" There are {len(problems) - 1} more: mainstem config check." if len(problems) > 1 else ""
        first = problems[0]
        if not more:
            raise first
        raise ConfigurationError(first.message, hint=f"{first.hint or ''}{more}".strip())
    return loaded


def check_config(
    data_dir: Path, file: Path | None = None, *, environment: Mapping[str, str] | None = None
) -> list[ConfigurationError]:
    """All that is wrong with the configuration; empty when nothing is."""
    try:
        return _load(data_dir, file, {}, os.environ if environment is None else environment)[1]
    except ConfigurationError as error:
        return [error]


def config_schema() -> dict[str, Any]:
    """JSON Schema of `mainstem.yaml`, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _load(
    data_dir: Path, file: Path | None, options: Mapping[tuple[str, ...], Any], environment: Mapping[str, str]
) -> tuple[LoadedConfig | None, list[ConfigurationError]]:
    chosen = _find_file(data_dir, file)
    values = read_file(chosen, environment) if chosen is not None else Values()
    for path, text, origin in read_environment(environment):
        values.set(path, _parsed(path, text, origin), origin)
    for path, value in options.items():
        if value is not None:
            values.set(path, value, f"option --{path[-1].replace('_', '-')}")
    try:
        config = Config.model_validate(_with_secrets(Config, values.tree, (), values))
    except ValidationError as error:
        return None, [_problem(details, values) for details in error.errors(include_url=False, include_context=False)]
    return LoadedConfig(config, data_dir, chosen, values), []


def _find_file(data_dir: Path, file: Path | None) -> Path | None:
    if file is not None:
        if not file.is_file():
            raise ConfigurationError("there is no such file.", where=f"--config {file}")
        return file
    return next((path for path in (data_dir / _FILE_NAME, Path(_FILE_NAME)) if path.is_file()), None)


def _parsed(path: tuple[str, ...], text: str, origin: str) -> Any:
    """A variable's text as the setting takes it: lists and mappings are written as YAML (so JSON will do)."""
    field = _field_type(path)
    if field is None or not any(_is_container(each) for each in _alternatives(field)):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError("is no YAML list or mapping.", where=origin) from error


def _with_secrets(model: type[BaseModel], tree: Mapping[str, Any], path: tuple[str, ...], values: Values) -> Any:
    """The tree with the contents of the files that secrets name."""
    found = dict(tree)
    for name, value in tree.items():
        field = model.model_fields.get(name)
        if field is None:
            continue
        alternatives = _alternatives(field.annotation)
        below = next((each for each in alternatives if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if below is not None and isinstance(value, Mapping):
            found[name] = _with_secrets(below, value, (*path, name), values)
        elif SecretStr in alternatives and isinstance(value, str) and value.startswith(_FILE_SECRET):
            found[name] = _secret((*path, name), value, values)
    return found


def _secret(path: tuple[str, ...], value: str, values: Values) -> str:
    # file:/run/secrets/x and file:///run/secrets/x name the same.
    file = Path(value.removeprefix(_FILE_SECRET).removeprefix("//"))
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            f"{'.'.join(path)}: the secret's file {file} cannot be read: {reason}.", where=values.origin(path)
        ) from error


def _problem(details: ErrorDetails, values: Values) -> ConfigurationError:
    """What pydantic found, in words that name the place and never the value."""
    path = tuple(str(step) for step in details["loc"])
    name = ".".join(path)
    where = values.origin(path)
    if details["type"] == "extra_forbidden":
        hint = near_miss(path[-1], _names(path[:-1]))
        return ConfigurationError(f"{name} is no setting.", where=where, hint=hint)
    return ConfigurationError(f"{name}: {details['msg'].rstrip('.')}.", where=where)


def _names(path: tuple[str, ...]) -> list[str]:
    model = _field_type(path) if path else Config
    for each in _alternatives(model):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return list(each.model_fields)
    return []


def _field_type(path: tuple[str, ...]) -> Any:
    """The declared type of the setting at a path; None when there is none."""
    level: Any = Config
    for name in path:
        models = [each for each in _alternatives(level) if isinstance(each, type) and issubclass(each, BaseModel)]
        if not models or name not in models[0].model_fields:
            return None
        level = models[0].model_fields[name].annotation
    return level


def _alternatives(annotation: Any) -> list[Any]:
    """The types a value may have: those of a union, looked through."""
    found = typing.get_args(annotation)
    if typing.get_origin(annotation) in {typing.Union, type(int | str)}:
        return [inner for each in found for inner in _alternatives(each)]
    return [annotation]


def _is_container(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, (list, tuple, dict, set, frozenset, BaseModel))
