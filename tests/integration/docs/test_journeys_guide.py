"""The files and commands of the guide to journeys, exactly as they stand in it, do what it says."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from mainstem.access import Role
from mainstem.cli.main import main
from mainstem.runtime.web import application
from mainstem.testing.site import Site

from .conftest import commands, write_files


async def _ask(site: Site, questions: list[str]) -> list[Any]:
    with site.runtime() as runtime, runtime.door:
        headers = {"Authorization": f"Bearer {runtime.api_keys.create('me', Role.ANALYST)}"}
        transport = httpx.ASGITransport(application(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://mainstem.test", headers=headers) as client:
            return [(await client.get(question)).raise_for_status().json()["data"] for question in questions]


def test_what_the_guide_says_comes_true(
    migrated_dsn: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    write_files("journeys.md", folder)
    site = Site.begin(folder / "mainstem-data/mine", migrated_dsn)
    questions = []
    for command in commands("journeys.md"):
        if command.startswith("curl"):
            questions.append(re.findall(r"https?://[^\s\"]+(/api[^\s\"]+)", command)[0])
            continue
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/mainstem"
        assert main(arguments) == 0, command
    assert "metric buying, version 1: is in force now" in capsys.readouterr().out
    site.work()
    funnel, retention, cohorts, adoption = asyncio.run(_ask(site, questions))
    assert [step["count"] for step in funnel["steps"]] == [2, 1, 1]
    assert [(one["value"], one["conversion"]) for one in funnel["variants"]] == [("old", 0.0), ("new", 1.0)]
    assert [one["journey"]["kind"] for one in (retention, cohorts, adoption)] == ["retention", "cohort", "adoption"]
