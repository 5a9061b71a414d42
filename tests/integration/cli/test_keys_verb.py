from __future__ import annotations

import getpass
import io
import sys
from pathlib import Path

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.privacy import Keyring

Capture = pytest.CaptureFixture[str]
SECRET = "a long passphrase"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    Keyring.create(tmp_path / "data" / "keys")
    return tmp_path / "data"


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{SECRET}\nanother line\n")
    return path


def keys(*arguments: object) -> int:
    return main(["keys", *map(str, arguments)])


def test_exported_keys_are_the_same_where_they_are_imported(data_dir: Path, passphrase: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "export", tmp_path / "other"
    assert keys("export", file, "--data-dir", data_dir, "--passphrase-file", passphrase) == ExitCode.OK
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys("import", file, "--data-dir", other, "--passphrase-file", passphrase) == ExitCode.OK
    sealed = Keyring.open(data_dir / "keys").sealer.seal(b"data", b"")
    imported = Keyring.open(other / "keys")
    assert imported.sealer.open(sealed, b"") == b"data"
    assert imported.check() == Keyring.open(data_dir / "keys").check()


def test_keys_are_never_overwritten_and_a_wrong_passphrase_opens_nothing(
    data_dir: Path, passphrase: Path, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "export"
    keys("export", file, "--data-dir", data_dir, "--passphrase-file", passphrase)
    assert keys("export", file, "--data-dir", data_dir, "--passphrase-file", passphrase) == ExitCode.USAGE
    assert keys("import", file, "--data-dir", data_dir, "--passphrase-file", passphrase) == ExitCode.USAGE
    passphrase.write_text("a wrong passphrase")
    capsys.readouterr()
    assert keys("import", file, "--data-dir", tmp_path / "other", "--passphrase-file", passphrase) == ExitCode.USAGE
    assert "passphrase is wrong" in capsys.readouterr().err
    assert not (tmp_path / "other" / "keys" / "index.key").exists()


def test_a_rotated_key_seals_anew_and_old_seals_still_open(data_dir: Path, capsys: Capture) -> None:
    before = Keyring.open(data_dir / "keys")
    sealed = before.sealer.seal(b"data", b"")
    assert keys("rotate", "--data-dir", data_dir) == ExitCode.OK
    assert "export them again" in capsys.readouterr().out
    after = Keyring.open(data_dir / "keys")
    assert after.sealer.open(sealed, b"") == b"data"
    assert after.check() == before.check()
    assert (data_dir / "keys" / "sealing.json").read_text().count('"keyId"') == 2


def test_missing_keys_are_one_line_and_a_status_of_their_own(tmp_path: Path, capsys: Capture) -> None:
    assert keys("rotate", "--data-dir", tmp_path) == ExitCode.MISSING_KEYS
    error = capsys.readouterr().err
    assert error.startswith("mainstem: ")
    assert error.count("\n") == 1


def test_a_passphrase_is_read_from_standard_input_or_asked_for_twice(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    assert keys("export", tmp_path / "one", "--data-dir", data_dir, "--passphrase-file", "-") == ExitCode.OK
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert keys("export", tmp_path / "two", "--data-dir", data_dir) == ExitCode.USAGE
    assert "no terminal" in capsys.readouterr().err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    answers = iter([SECRET, "another one"])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(answers))
    assert keys("export", tmp_path / "two", "--data-dir", data_dir) == ExitCode.USAGE
    answers = iter([SECRET, SECRET])
    assert keys("export", tmp_path / "two", "--data-dir", data_dir) == ExitCode.OK
    answers = iter([SECRET])
    assert keys("import", tmp_path / "two", "--data-dir", tmp_path / "other") == ExitCode.OK
