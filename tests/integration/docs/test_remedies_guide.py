"""The commands of the guide to remedies, exactly as they stand in it, do what it says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.main import main
from mainstem.testing.site import Site

from .conftest import blocks, commands, write_files

PLAN = """        customProperties:
          - property: remedies
            value:
              - {standardise: trim}
              - {standardise: lower}
              - {impute: {constant: free}}
"""


def _run(site: Site, command: str, status: int = 0) -> None:
    program, *arguments = shlex.split(command)
    assert program == ".venv/bin/mainstem"
    with site.runtime() as runtime:
        runtime.worker.start()
        try:
            assert main(arguments) == status, command
        finally:
            runtime.worker.stop()


def _plans(site: Site) -> list[tuple[Any, Any]]:
    return site.query(
        "SELECT attributes ->> 'plan', remedied -> 'plan' -> 'from' FROM entity ORDER BY attributes ->> 'country' DESC"
    )


def test_what_the_guide_says_comes_true(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files("remedies.md", tmp_path)
    site = Site.begin(tmp_path / "mainstem-data/mine", migrated_dsn)
    check, bounds, activate, load = commands("remedies.md")

    _run(site, check, status=1)
    said = capsys.readouterr().out
    assert "2 of 3 records pass." in said
    assert "1 not_allowed plan" in said
    assert "2 of those that pass are remedied: phone standardise.phone" in said
    assert "912" not in said
    _run(site, bounds)
    assert "discount: nothing is proposed. 1 values are too few" in capsys.readouterr().out
    _run(site, activate)
    _run(site, load)
    [shown] = [json.loads(one) for one in blocks("remedies.md", "json") if "remedied" in one]
    assert _plans(site) == [(shown["plan"], shown["remedied"]["plan"]["from"]), ("free", None)]

    # Taken back as the last part says.
    file = tmp_path / "crm/contracts/crm/accounts.yaml"
    text = (
        file.read_text()
        .replace("        enum: [{value: free}, {value: pro}]\n", "")
        .replace("        required: true\n", "")
    )
    assert PLAN in text
    file.write_text(text.replace(PLAN, ""))
    _run(site, activate)
    assert _plans(site)[0] == ("pro", " Pro")
    _run(site, load)
    assert _plans(site)[0] == (" Pro", None)
