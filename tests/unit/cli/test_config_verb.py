from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mainstem.cli.exit_codes import ExitCode, exit_code
from mainstem.cli.main import app, main
from mainstem.errors import (
    ConfigurationError,
    FatalError,
    IntegrityError,
    MissingKeysError,
    NotFoundError,
    StorageFullError,
)

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_check_tells_every_problem_and_fails(tmp_path: Path, capsys: Capture) -> None:
    assert main(["config", "check", "--data-dir", str(tmp_path)]) == ExitCode.OK
    (tmp_path / "mainstem.yaml").write_text("runtime: {prot: 1}\nlake: {flush_second: 5}\n")
    capsys.readouterr()
    assert main(["config", "check", "--data-dir", str(tmp_path)]) == ExitCode.USAGE
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "Did you mean 'port'?" in errors[0]
    assert "Did you mean 'flush_seconds'?" in errors[1]


def test_show_prints_values_with_their_origins_and_no_secret(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSTEM_DATABASE__URL", "postgresql://u:geheim@h/db")
    assert main(["config", "show", "--data-dir", str(tmp_path), "--json"]) == ExitCode.OK
    printed = capsys.readouterr().out
    shown = json.loads(printed)
    assert shown["runtime.port"] == {"value": 8321, "origin": "default"}
    assert shown["database.url"] == {"value": "**********", "origin": "environment MAINSTEM_DATABASE__URL"}
    assert main(["config", "show", "--data-dir", str(tmp_path)]) == ExitCode.OK
    printed += capsys.readouterr().out
    assert "  port: 8321  # default\n" in printed
    assert "geheim" not in printed


def test_schema_is_json(capsys: Capture) -> None:
    assert main(["config", "schema"]) == ExitCode.OK
    assert "runtime" in json.loads(capsys.readouterr().out)["properties"]


def test_an_error_is_one_line_on_standard_error_and_a_status(tmp_path: Path, capsys: Capture) -> None:
    assert main(["config", "show", "--config", str(tmp_path / "absent.yaml")]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mainstem: --config ")
    assert captured.err.count("\n") == 1


def test_a_wrong_verb_is_a_usage_error_with_a_near_miss(capsys: Capture) -> None:
    assert main(["config", "chek"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert '"check"' in captured.out + captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), ExitCode.USAGE),
        (MissingKeysError("x"), ExitCode.MISSING_KEYS),
        (IntegrityError("x"), ExitCode.INTEGRITY),
        (StorageFullError("x"), ExitCode.UNAVAILABLE),
        (NotFoundError("x"), ExitCode.NOT_FOUND),
        (FatalError("x"), ExitCode.FAILED),
    ],
)
def test_each_kind_of_error_has_its_status(error: FatalError, code: ExitCode) -> None:
    assert exit_code(error) == code


def test_every_verb_is_there_and_says_in_its_own_help_what_the_list_says(capsys: Capture) -> None:
    for name in app:
        if name.startswith("-"):
            continue
        listed = app[name].help
        assert listed
        assert main([name, "--help"]) == ExitCode.OK
        assert capsys.readouterr().out.startswith("Usage: mainstem")


def test_help_loads_no_room() -> None:
    code = (
        "import sys; from mainstem.cli.main import main; main(['--help']); "
        "print(sorted(set(sys.modules) & {'pyarrow', 'duckdb', 'psycopg', 'pydantic', 'structlog'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"
