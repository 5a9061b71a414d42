from __future__ import annotations

import json
from pathlib import Path

import pytest

from mainstem.access import Role, Users
from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.privacy import Keyring
from mainstem.runtime.installation import begin_installation
from mainstem.store import Database
from mainstem.testing import FixedClock

Capture = pytest.CaptureFixture[str]
PASSWORD = "correct horse battery"


@pytest.fixture
def data_dir(
    database: Database, keyring: Keyring, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    begin_installation(database, keyring, clock)
    monkeypatch.setenv("MAINSTEM_DATABASE__URL", database.dsn)
    return tmp_path


@pytest.fixture
def users(database: Database, keyring: Keyring, clock: FixedClock) -> Users:
    return Users(database, clock, keyring.derive("session"))


def user(data_dir: Path, *arguments: str, secret: str | None = None) -> int:
    options = ["--data-dir", str(data_dir)]
    if secret is not None:
        file = data_dir / "password"
        file.write_text(f"{secret}\n")
        options += ["--password-file", str(file)]
    return main(["user", *arguments, *options])


def test_an_account_from_its_beginning_to_its_end(data_dir: Path, users: Users, capsys: Capture) -> None:
    assert user(data_dir, "create", "ann", "--role", "analyst", secret=PASSWORD) == ExitCode.OK
    session = users.sign_in("ann", PASSWORD)
    assert session is not None
    assert session.principal.role is Role.ANALYST

    assert user(data_dir, "password", "ann", secret="another long one") == ExitCode.OK
    assert session.cookie is not None
    assert users.authenticate(session.cookie) is None
    session = users.sign_in("ann", "another long one")
    assert session is not None

    assert user(data_dir, "disable", "ann") == ExitCode.OK
    assert session.cookie is not None
    assert users.authenticate(session.cookie) is None
    assert users.sign_in("ann", "another long one") is None
    capsys.readouterr()
    assert user(data_dir, "list", "--json") == ExitCode.OK
    printed = capsys.readouterr().out
    assert json.loads(printed) == [{"name": "ann", "role": "analyst", "disabled": True}]
    assert user(data_dir, "list") == ExitCode.OK
    assert capsys.readouterr().out == "ann  analyst  disabled\n"


def test_what_cannot_be_done_is_told(data_dir: Path, capsys: Capture) -> None:
    assert user(data_dir, "create", "ann", "--role", "viewer", secret="short") == ExitCode.USAGE
    assert "too short" in capsys.readouterr().err
    assert user(data_dir, "disable", "nobody") == ExitCode.NOT_FOUND
    assert user(data_dir, "password", "nobody", secret=PASSWORD) == ExitCode.NOT_FOUND
    assert "There is no user 'nobody'." in capsys.readouterr().err
    assert user(data_dir, "create", "ann", "--role", "viewer", secret=PASSWORD) == ExitCode.OK
    assert user(data_dir, "create", "ann", "--role", "viewer", secret=PASSWORD) == ExitCode.USAGE
    assert "exists" in capsys.readouterr().err
