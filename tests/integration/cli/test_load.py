from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.load import load
from mainstem.contracts import Registry
from mainstem.errors import ConfigurationError, PermissionDeniedError, RefusedError, UnavailableError
from mainstem.eventlog import PostgresLog
from mainstem.intake import Door, Receipt, Rows
from mainstem.privacy import Keyring
from mainstem.runtime.installation import begin_installation
from mainstem.store import Database
from mainstem.testing import FixedClock


def run(*arguments: str) -> object:
    """The verb with a command line; its errors are not turned into exit statuses."""
    app = App(name="mainstem", result_action="return_value")
    app.command(load)
    return app(["load", *arguments], exit_on_error=False, print_error=False)


@pytest.fixture
def data_dir(
    database: Database, keyring: Keyring, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The data folder of an installation whose database runs."""
    begin_installation(database, keyring, clock)
    Registry(database).ensure_builtins(clock.wall())
    monkeypatch.setenv("MAINSTEM_DATABASE__URL", database.dsn)
    monkeypatch.setenv("MAINSTEM_DATA_DIR", str(tmp_path))
    return tmp_path


def count(database: Database, keyring: Keyring, clock: FixedClock) -> int:
    return sum(PostgresLog(database, keyring.sealer, clock, partitions=4).received().values())


def test_files_of_every_kind(
    data_dir: Path, database: Database, keyring: Keyring, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_dir / "files"
    folder.mkdir()
    (folder / "a.csv").write_text("id,customer_id,event,occurred_at\n1,acme,opened,2026-01-14\n2,acme,opened\n")
    (folder / "b.ndjson").write_text('{"id":"3","customer_id":"acme"}\nbroken\n')
    (folder / "notes.txt").write_text("x")
    arguments = [str(folder), "--source", "shop", "--stream", "usage_events"]

    assert run(*arguments, "--json") == ExitCode.FAILED
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["files"], report["rows"], report["accepted"]) == (2, 3, 2)
    assert [(Path(bad["file"]).name, bad["line"]) for bad in report["refused"]] == [("a.csv", 3), ("b.ndjson", 2)]
    assert [Path(path).name for path in report["skipped"]] == ["notes.txt"]
    assert count(database, keyring, clock) == 2

    (folder / "a.csv").write_text("id,customer_id,event,occurred_at\n1,acme,opened,2026-01-14\n")
    (folder / "b.ndjson").unlink()
    assert run(*arguments) == ExitCode.OK
    printed = capsys.readouterr()
    assert "Took in 1 of 1 row of 1 file in" in printed.out
    assert "notes.txt" in printed.err
    assert count(database, keyring, clock) == 3


def test_bad_lines_are_printed_without_their_values(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = data_dir / "a.ndjson"
    file.write_text('{"customer_id":"secret" oops}\n' * 30)
    assert run(str(file), "--source", "shop", "--stream", "usage_events") == ExitCode.FAILED
    printed = capsys.readouterr()
    assert f"{file}:1: unreadable" in printed.err
    assert "and 10 more" in printed.err
    assert "secret" not in printed.err + printed.out
    assert "0 of 30 rows" in printed.out


def test_what_became_of_the_rows_is_said(
    data_dir: Path, database: Database, keyring: Keyring, clock: FixedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data_dir / "a.csv"
    file.write_text("id,customer_id,event,occurred_at\n1,acme,opened,2026-01-14\n2,acme,opened,soon\n")
    arguments = [str(file), "--source", "shop", "--stream", "usage_events"]
    assert run(*arguments) == ExitCode.OK
    # Nobody works it off here.
    assert "Of these: 2 still to be worked off. See GET /api/v1/data/status/shop" in capsys.readouterr().out
    run(*arguments)
    assert "counted on the Data page, and by GET /api/v1/data/status/shop" in capsys.readouterr().out


def test_a_load_that_is_broken_off_says_what_is_durable(
    data_dir: Path,
    database: Database,
    keyring: Keyring,
    clock: FixedClock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = data_dir / "a.ndjson"
    file.write_text("".join(f'{{"id":"{number}","customer_id":"acme"}}\n' for number in range(50_000)))
    submit = Door.submit_rows

    def interrupted(door: Door, rows: Rows) -> Receipt:
        if rows.first:
            raise KeyboardInterrupt
        return submit(door, rows)

    monkeypatch.setattr(Door, "submit_rows", interrupted)
    assert run(str(file), "--source", "shop", "--stream", "usage_events") == ExitCode.INTERRUPTED
    printed = capsys.readouterr()
    taken = count(database, keyring, clock)
    assert 0 < taken < 50_000
    assert f"Broken off: at least {taken:,} rows had been taken in." in printed.err
    assert "counts once" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["missing.csv", "--source", "shop", "--stream", "usage_events"], ConfigurationError),
        (["a.csv", "--source", "Shop", "--stream", "usage_events"], RefusedError),
        (["a.csv", "--source", "mainstem", "--stream", "decisions"], PermissionDeniedError),
        (["a.csv", "--source", "shop", "--stream", "usage_events", "--lane", "fast"], CycloptsError),
        (["a.csv", "--source", "shop"], CycloptsError),
    ],
)
def test_what_cannot_be_loaded(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: type[Exception]
) -> None:
    monkeypatch.chdir(data_dir)
    (data_dir / "a.csv").write_text("id\n1\n")
    with pytest.raises(error):
        run(*arguments)


def test_without_an_installation(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    with pytest.raises(UnavailableError, match="mainstem up"):
        run(str(tmp_path / "a.csv"), "--source", "s", "--stream", "t", "--data-dir", str(tmp_path / "d"))
