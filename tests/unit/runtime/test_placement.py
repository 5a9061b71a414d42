from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.errors import ConfigurationError, IntegrityError
from mainstem.runtime.account import Account, server_account
from mainstem.runtime.placement import Home, find_home, forget_socket, make_home, socket_folder

STRANGER = Account("stranger", 12345, 12345)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that every account may enter."""
    with tempfile.TemporaryDirectory(prefix="ms-") as path:
        Path(path).chmod(0o711)
        yield Path(path)


def test_an_account_passes_where_every_folder_lets_it(folder: Path) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (folder / "a").chmod(0o700)
    assert not STRANGER.can_enter(inner)
    (folder / "a").chmod(0o701)
    inner.chmod(0o711)
    assert STRANGER.can_enter(inner)
    assert not STRANGER.can_list(inner)
    inner.chmod(0o755)
    assert STRANGER.can_list(inner)
    # The owner's and the group's bits count for them, and no others.
    own = Account("own", inner.stat().st_uid, 1)
    inner.chmod(0o077)
    assert not own.can_enter(inner)
    group = Account("group", 12345, inner.stat().st_gid)
    inner.chmod(0o707)
    assert not group.can_enter(inner)


def test_a_link_is_followed_to_where_it_leads(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed" / "inner").mkdir(mode=0o755)
    (folder / "link").symlink_to(folder / "closed" / "inner")
    assert not STRANGER.can_enter(folder / "link")
    (folder / "closed").chmod(0o711)
    assert STRANGER.can_enter(folder / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_accounts_that_cannot_run_the_server_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no account 'nobodi'.*Did you mean 'nobody'"):
        server_account("nobodi")
    with pytest.raises(ConfigurationError, match="refuses to run as root"):
        server_account("root")
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 12345, 12345)
    with pytest.raises(ConfigurationError, match="belongs to the account '12345'"):
        server_account("nobody", cluster=tmp_path / "data")
    found = server_account(None, cluster=tmp_path / "data")
    assert found is not None
    assert found.uid == 12345, "whoever owns the files runs their server"


def test_a_home_is_in_the_data_folder_or_where_the_pointer_says(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    assert find_home(data_dir) is None
    assert make_home(data_dir, None, tmp_path / "system") == Home(data_dir / "postgres")
    assert find_home(data_dir) is None, "nothing was made in it yet"
    (data_dir / "postgres" / "data").mkdir()
    assert find_home(data_dir) == Home(data_dir / "postgres")


def test_a_pointer_to_another_data_folders_home_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    tmp_path.chmod(0o700)
    home = make_home(data_dir, STRANGER, tmp_path / "system")
    assert home.path.parent == tmp_path / "system" / "clusters"
    assert find_home(data_dir) == home
    (home.path / "origin.json").write_text('{"id": "other", "data_dir": "/elsewhere"}')
    with pytest.raises(IntegrityError, match="belong to /elsewhere"):
        find_home(data_dir)


@pytest.mark.parametrize("name", ["n" * 100, "with blank", "a,b", "quote'd", "ünï"])
def test_a_socket_that_would_not_fit_or_not_be_plain_lies_in_a_short_private_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    home = Home(tmp_path / name)
    folder = socket_folder(home, None)
    assert not folder.is_relative_to(tmp_path)
    assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= 107
    assert folder.stat().st_mode & 0o777 == 0o700
    assert socket_folder(home, None) == folder, "found again"
    folder.chmod(0o755)
    other = socket_folder(home, None)
    assert other != folder, "one that others may enter is not used"
    folder.rmdir()
    forget_socket(home)
    assert not other.exists()


def test_a_usual_socket_folder_stays_in_the_home(folder: Path) -> None:
    home = Home(folder)
    assert socket_folder(home, None) == folder / "socket"
    forget_socket(home)
    assert (folder / "socket").is_dir()
