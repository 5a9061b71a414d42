"""Writes the reference pages from what the code declares: `make docs`. A test fails while a page is not what this writes."""

from __future__ import annotations

import contextlib
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mainstem import telemetry
from mainstem.access import ROLES, Permission, Role
from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import app
from mainstem.contracts import Reason
from mainstem.metrics import EVENT_KEYS, JOURNEY_KEYS
from mainstem.model import ENTITIES, Attribute, Entity, EntityKind
from mainstem.runtime.config import Config

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Every page's text, by file name."""
    return {
        "commands.md": commands(),
        "configuration.md": configuration(),
        "entities.md": entities(),
        "journeys.md": journeys(),
        "permissions.md": permissions(),
        "reasons.md": reasons(),
        "telemetry.md": published(),
    }


def commands() -> str:
    """Every verb with its options."""
    with _named("mainstem"):
        text = app.generate_docs()
    text = text.replace("# mainstem\n", "# Commands\n", 1).rstrip()
    codes = _table(("status", "meaning"), ((f"{int(code)}", _words(ExitCode, code.name)) for code in ExitCode))
    return f"{text}\n\n## Exit statuses\n\nScripts may rely on these.\n\n{codes}"


@contextlib.contextmanager
def _named(program: str) -> Iterator[None]:
    """The library puts the running program's name into usage lines, and `python -m pytest` is not what a user runs."""
    before = sys.argv
    sys.argv = [program]
    try:
        yield
    finally:
        sys.argv = before


def configuration() -> str:
    """Every setting."""
    text = (
        "# Configuration\n\n"
        "One file, `mainstem.yaml`: the one given by `--config`, else the one in the data folder, else the one in the working directory. "
        "Every setting has a default, so there need not be one. An environment variable wins over the file: `MAINSTEM_` and the path with "
        "two underscores between its parts, for instance `MAINSTEM_DATABASE__URL`. In the file `${NAME}` stands for an environment variable, "
        "and a secret may be `file:/path`, a file that holds it. `mainstem config check` says what is wrong, `show` what is in force and where "
        "it comes from, `schema` writes a JSON Schema for editors.\n"
    )
    for name, field in Config.model_fields.items():
        section = typing.cast("type[BaseModel]", field.annotation)
        text += f"\n## {name}\n\n{field.description}\n\n{_table(('setting', 'default', ''), _settings(section, ''))}"
    return text


def _settings(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"`{prefix}{name}`", _default(field), f"{field.description or ''}{_examples(field)}"


def entities() -> str:
    """Every canonical entity with its attributes."""
    text = (
        "# Canonical entities\n\n"
        "What a stream's records become is its contract's `mapping`: [the guide](../guides/entities.md) shows how, "
        "[the specification](../specs/contract.md#mapping) says what must hold. An *event* happened at an instant and is never changed; a "
        "*state* is the sum of its versions. Attributes in bold are required. A state may have attributes of its own beside these; an event "
        "has none. Values in `code` are the only ones. *Money* needs the entity's `currency`.\n"
    )
    for entity in ENTITIES.values():
        whose = "" if entity.of_customers else " Of no customer."
        text += f"\n## {entity.name}\n\n{entity.description} *{entity.kind.value.capitalize()}.*{whose}\n\n"
        text += _table(("attribute", "type", ""), (_attribute(entity, one) for one in entity.attributes.values()))
    return text


def _attribute(entity: Entity, one: Attribute) -> tuple[str, ...]:
    says = [one.description] if one.description else []
    if one.allowed:
        says.append(f"{', '.join(f'`{value}`' for value in one.allowed)}.")
    if one.money:
        says.append("*Money.*")
    if entity.kind is EntityKind.EVENT and one.column not in {None, one.name} and one.reference is None:
        says.append(f"The event's `{one.column}`.")
    return f"**`{one.name}`**" if one.required else f"`{one.name}`", one.type.value, " ".join(says)


def journeys() -> str:
    """Every key of a journey's declaration."""
    text = (
        "# Keys of a journey\n\n"
        "A file in `metrics/` with the key `kind` declares a journey; [the specification](../specs/journey.md) says what it counts.\n"
    )
    for kind, keys in JOURNEY_KEYS.items():
        text += f"\n## {kind}\n\n" + _table(("key", ""), ((f"`{key}`", says) for key, says in keys.items()))
    text += "\n## A kind of event\n\nWhat stands in `steps`, `start`, `return`, `active` and `feature`; `{}` is every usage event.\n\n"
    return text + _table(("key", ""), ((f"`{key}`", says) for key, says in EVENT_KEYS.items()))


def permissions() -> str:
    """What each role may do."""
    text = "# Roles and permissions\n\nEvery route names the permission it needs, and denies otherwise. A role is a set of permissions.\n\n"
    rows = (
        (f"`{permission}`", *("yes" if permission in ROLES[role] else "" for role in Role)) for permission in Permission
    )
    return text + _table(("permission", *(str(role) for role in Role)), rows)


def reasons() -> str:
    """Why a record may be in quarantine."""
    text = (
        "# Why a record is in quarantine\n\n"
        "The same codes in answers, tables and figures. They are never renamed or reused.\n\n"
    )
    return text + _table(("reason", "what is wrong, and what to do"), ((f"`{one}`", one.message()) for one in Reason))


def published() -> str:
    """Every figure of `/metrics`."""
    text = (
        "# Published figures\n\n"
        "`GET /metrics` answers in Prometheus' text format, to keys with `system:read`. Labels are names of ours (source, stream, partition, "
        "lane, role, reason), never values of a record.\n\n"
    )
    return text + _table(("figure", "kind", "labels", ""), _figures())


def _figures() -> Iterator[tuple[str, ...]]:
    for name in telemetry.__all__:
        instrument = getattr(telemetry, name)
        [family] = instrument.describe()
        labels = ", ".join(f"`{label}`" for label in instrument._labelnames)  # noqa: SLF001 - the library has no door to them
        suffix = "_total" if family.type == "counter" else ""
        yield f"`{family.name}{suffix}`", family.type, labels, family.documentation


def _words(kind: type[ExitCode], name: str) -> str:
    """What the source says under a member."""
    lines = Path(typing.cast("str", __import__(kind.__module__, fromlist=["x"]).__file__)).read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.strip().startswith(f"{name} = "))
    return lines[place + 1].strip().strip('"')


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return "unset"
    if isinstance(value, SecretStr):
        return "set"
    return f"`{value}`"


def _examples(field: FieldInfo) -> str:
    examples = field.examples or []
    return f" For instance {', '.join(f'`{each}`' for each in examples)}." if examples else ""


def _table(heads: tuple[str, ...], rows: typing.Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for page, contents in pages().items():
        (REFERENCE / page).write_text(contents)
