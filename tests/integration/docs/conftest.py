"""The guides as they stand: their files in a folder, and their commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[3] / "docs/guides"


def blocks(name: str, language: str = "") -> list[str]:
    """The blocks of a language that a guide shows."""
    every = re.findall(r"^```(\w*)\n(.*?)^```$", (GUIDES / name).read_text(), re.DOTALL | re.MULTILINE)
    return [text for of, text in every if of == language]


def commands(name: str) -> list[str]:
    """The commands of a guide, in order."""
    return [line for block in blocks(name) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the guide to one's own data: each a line with the name alone, then a block with the contents."""
    guide = (GUIDES / "your-own-data.md").read_text()
    for name, contents in re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents)
    return tmp_path
