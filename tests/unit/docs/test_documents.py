"""What the documents name has to exist: files, verbs with their options, and the customer of the example."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from mainstem.cli.main import app

ROOT = Path(__file__).parents[3]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]


def _commands(document: Path) -> list[str]:
    blocks = re.findall(r"```\w*\n(.*?)```", document.read_text(), re.DOTALL)
    found = []
    for line in "\n".join(blocks).splitlines():
        command = line.partition("#")[0].strip()
        if match := re.search(r"(?:^|\()\.venv/bin/mainstem ([^|)]*)", command):
            found.append(match[1].strip())
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("command", [command for document in DOCUMENTS for command in _commands(document)])
def test_commands_are_understood(command: str) -> None:
    app.parse_args(shlex.split(command), exit_on_error=False, print_error=False)


def test_there_are_commands_to_try() -> None:
    assert _commands(ROOT / "README.md")


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_the_customer_of_the_documents_is_in_the_example(name: str) -> None:
    named = set(re.findall(r"AAA_2014J_(\d+)", (ROOT / name).read_text()))
    rows = ds.dataset(ROOT / "examples/oulad/data/studentRegistration.parquet").to_table(["code_module", "id_student"])
    known = {str(int(row["id_student"])) for row in rows.to_pylist() if row["code_module"] == "AAA"}
    assert named
    assert named <= known
