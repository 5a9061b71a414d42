"""The doors of the rooms: their three lists agree, and none hides a name behind a module."""

from __future__ import annotations

import ast
import importlib
import pathlib
import subprocess
import sys

import pytest

import mainstem

_SOURCE = pathlib.Path(mainstem.__file__).parent
_DOORS = sorted(path for path in _SOURCE.rglob("__init__.py") if "lazy_door" in path.read_text())
_HEAVY = ("alembic", "duckdb", "fastapi", "numpy", "obstore", "pyarrow", "sqlglot")


def _name(door: pathlib.Path) -> str:
    return ".".join(["mainstem", *door.parent.relative_to(_SOURCE).parts])


def _typed(door: pathlib.Path) -> dict[str, set[str]]:
    """What the TYPE_CHECKING block imports, by module."""
    block = next(node for node in ast.parse(door.read_text()).body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {str(node.module): {alias.name for alias in node.names} for node in imports}


def _loaded(door: pathlib.Path) -> dict[str, set[str]]:
    """What the lazy door finds, by module."""
    [call] = [
        node
        for node in ast.walk(ast.parse(door.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "lazy_door"
    ]
    modules: dict[str, str] = ast.literal_eval(call.args[1])
    return {f"{_name(door)}.{module}": set(names.split()) for module, names in modules.items()}


@pytest.mark.parametrize("door", _DOORS, ids=_name)
def test_the_lists_of_a_lazy_door_agree(door: pathlib.Path) -> None:
    exported = importlib.import_module(_name(door)).__all__

    assert _loaded(door) == _typed(door)
    assert set(exported) == set().union(*_loaded(door).values())


@pytest.mark.parametrize("door", _DOORS, ids=_name)
def test_everything_exported_is_found(door: pathlib.Path) -> None:
    package = importlib.import_module(_name(door))

    assert [name for name in package.__all__ if not hasattr(package, name)] == []


@pytest.mark.parametrize("door", _DOORS, ids=_name)
def test_no_exported_name_is_that_of_a_module(door: pathlib.Path) -> None:
    modules = {path.stem for path in door.parent.iterdir()}

    assert modules.isdisjoint(importlib.import_module(_name(door)).__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        importlib.import_module("mainstem.lake").nothing  # noqa: B018 - asking is the test


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("from mainstem.cli.main import main; main(['--help'])", ("psycopg", "pydantic", "structlog", *_HEAVY)),
        ("import mainstem.runtime.config", ("psycopg", "structlog", *_HEAVY)),
        # What `mainstem apikey create` needs: settings, keys and the database.
        ("import mainstem.cli.apikey, mainstem.runtime.wiring", _HEAVY),
    ],
    ids=["help", "configuration", "apikey"],
)
def test_what_a_command_does_not_need_is_not_loaded(code: str, light: tuple[str, ...]) -> None:
    told = f"{code}\nimport sys\nprint('LOADED', *sys.modules)"

    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)

    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "mainstem" in loaded
    assert loaded.isdisjoint(light)
