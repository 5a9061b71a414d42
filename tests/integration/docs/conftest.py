"""The guides as they stand: their files in a folder, and their commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[3] / "docs/guides"


def blocks(name: str, language: str = "") -> list[str]:
    """The blocks of a language that a guide shows."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (GUIDES / name).read_text(), re.DOTALL | re.MULTILINE)
    return [block for written, block in found if written == language]


def commands(name: str) -> list[str]:
    """The commands of a guide, in order."""
    return [line for block in blocks(name) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the guide to one's own data: each a line with the name alone, then a block with the contents."""
    write_files("your-own-data.md", tmp_path)
    return tmp_path


def write_files(guide: str, folder: Path) -> None:
    """Write the files that a guide shows."""
    text = (GUIDES / guide).read_text()
    for name, contents in re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents)
