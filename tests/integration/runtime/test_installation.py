from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from mainstem.errors import ConfigurationError, MissingKeysError, UnavailableError
from mainstem.lake import open_objects
from mainstem.privacy import Keyring
from mainstem.runtime.config import load_config
from mainstem.runtime.folders import make_data_folder
from mainstem.runtime.installation import check_installation, ensure_installation, ensure_keys, is_installed
from mainstem.runtime.tree import prepare
from mainstem.runtime.wiring import Runtime, connect_runtime
from mainstem.store import Database
from mainstem.testing import FixedClock
from mainstem.testing.scratch import scratch_folder


def test_a_new_data_folder_gets_keys_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    data_dir = make_data_folder(tmp_path / "data")
    keyring = ensure_keys(data_dir, said.append)
    assert ensure_keys(data_dir, said.append).check() == keyring.check()
    (text,) = said
    assert str(data_dir / "keys") in text
    assert "mainstem keys export" in text
    assert (data_dir / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("data", ["lake/raw", "postgres/data"])
def test_a_data_folder_that_lost_its_keys_does_not_start(tmp_path: Path, data: str) -> None:
    data_dir = make_data_folder(tmp_path / "data")
    (data_dir / data).mkdir(parents=True)
    with pytest.raises(MissingKeysError, match="mainstem keys import"):
        ensure_keys(data_dir, pytest.fail)
    assert not (data_dir / "keys").exists()


def test_the_keys_have_to_be_the_installations(
    database: Database, keyring: Keyring, clock: FixedClock, tmp_path: Path
) -> None:
    lake = open_objects(tmp_path / "lake")
    assert not is_installed(database)
    with pytest.raises(UnavailableError, match="not set up"):
        check_installation(database, keyring)
    ensure_installation(database, keyring, clock, lake)
    ensure_installation(database, keyring, clock, lake)
    assert is_installed(database)
    other = Keyring.create(tmp_path / "other")
    with pytest.raises(MissingKeysError, match="another installation's"):
        ensure_installation(database, other, clock, lake)


def test_a_new_database_beside_a_lake_with_commits_is_not_begun(
    database: Database, keyring: Keyring, clock: FixedClock, tmp_path: Path
) -> None:
    lake = open_objects(tmp_path / "lake")
    lake.put("commits/1-p0-live-1-2-0.json", b"{}")
    with pytest.raises(ConfigurationError, match="rebuild analytics --from-lake"):
        ensure_installation(database, keyring, clock, lake)
    assert not is_installed(database)


def test_a_database_of_ones_own_is_set_up_once_and_opened_by_every_role(empty_dsn: str, tmp_path: Path) -> None:
    said: list[str] = []
    data_dir = make_data_folder(tmp_path / "data")
    loaded = load_config(data_dir, environment={"MAINSTEM_DATABASE__URL": empty_dsn})
    prepare(loaded, None, said.append)
    prepare(loaded, None, said.append)
    assert len(said) == 1
    with Runtime.open(loaded) as runtime:
        assert runtime.log.epochs()[-1].partitions == 4
        assert runtime.clock.data() == pytest.approx(runtime.clock.wall(), abs=dt.timedelta(minutes=1))
        with runtime.database.transaction() as connection:
            connection.execute(
                "INSERT INTO replay (name, origin, started, speed) VALUES ('demo', %s, %s, 60)",
                [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)],
            )
        runtime.refresh_clock()
        assert runtime.clock.replay is not None
        assert runtime.clock.replay.speed == 60
    # A second node without the keys: none are made that would not be this installation's.
    second = load_config(make_data_folder(tmp_path / "second"), environment={"MAINSTEM_DATABASE__URL": empty_dsn})
    with pytest.raises(MissingKeysError):
        prepare(second, None, said.append)
    assert not (tmp_path / "second" / "keys").exists()


def test_a_command_on_a_folder_where_nothing_runs_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="mainstem up --data-dir"), connect_runtime(tmp_path):
        pytest.fail("nothing runs")


def test_a_command_may_start_the_database_for_itself_and_begin_a_lost_one_anew(tmp_path: Path) -> None:
    folder = scratch_folder("ms-")
    folder.chmod(0o711)
    try:
        data_dir = make_data_folder(folder / "data")
        (data_dir / "mainstem.yaml").write_text(
            f"database: {{system_folder: {folder}/system, parameters: {{fsync: 'off'}}}}"
        )
        with pytest.raises(MissingKeysError), connect_runtime(data_dir, start=True):
            pytest.fail("there are no keys")
        ensure_keys(data_dir, lambda _text: None)
        with pytest.raises(UnavailableError, match="not set up"), connect_runtime(data_dir, start=True):
            pytest.fail("it was never set up")
        with connect_runtime(data_dir, start=True, anew=True) as runtime:
            assert runtime.log.epochs()[-1].number == 1
        with connect_runtime(data_dir, start=True) as runtime:
            assert is_installed(runtime.database)
            sockets = data_dir / "postgres" / "socket"
            assert (sockets / ".s.PGSQL.5432").is_socket()
        assert not (sockets / ".s.PGSQL.5432").exists()
    finally:
        shutil.rmtree(folder)
