"""The reference pages say what the code declares."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mainstem.errors import MainstemError
from mainstem.runtime.config import Config

DOCS = Path(__file__).parents[3] / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = _generator().pages()


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_the_code_declares(page: str) -> None:
    assert (DOCS / "reference" / page).read_text() == PAGES[page], "Run: make docs"


def test_every_setting_is_described() -> None:
    sections = [field.annotation for field in Config.model_fields.values()]
    fields = [item for one in sections if isinstance(one, type) for item in getattr(one, "model_fields", {}).items()]
    assert fields
    assert [name for name, field in fields if not field.description] == []


def test_every_error_says_what_it_means() -> None:
    def below(kind: type[MainstemError]) -> list[type[MainstemError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    assert [kind.__name__ for kind in below(MainstemError) if not kind.__doc__] == []
