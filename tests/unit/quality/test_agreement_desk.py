"""The desk on which sides are compared: bounded in memory, and nothing of it is left behind."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from mainstem.errors import StorageFullError, UnavailableError
from mainstem.privacy import Hasher
from mainstem.quality.agreements import desk
from mainstem.quality.agreements.desk import Desk, open_desk

HASHER = Hasher(b"k" * 32)
KEEPER = """
import sys
from pathlib import Path
from mainstem.privacy import Hasher
from mainstem.quality.agreements.desk import open_desk
with open_desk("one", Path(sys.argv[1]), Hasher(b"k" * 32)):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MEMORY", "_MEMORY_ALONE"):
        monkeypatch.setattr(desk, name, "60MB")


def _fill(opened: Desk) -> int:
    """Far more than 60 MB, counted by a join of all with all."""
    for name in ("l", "r"):
        opened.duck.execute(f"CREATE TABLE {name} AS SELECT i, md5(i::VARCHAR) AS k FROM range(600_000) AS one (i)")
        opened.duck.execute(f"INSERT INTO {name} SELECT i, md5(i::VARCHAR) FROM range(600_000, 1_200_000) AS one (i)")
    [(n,)] = opened.duck.execute("SELECT count(*) FROM l JOIN r USING (k)").fetchall()
    return int(n)


@contextlib.contextmanager
def _keeper(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has a desk open."""
    command = [sys.executable, "-c", KEEPER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def _folders(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.usefixtures("small")
def test_more_than_memory_holds_goes_into_a_folder_that_is_removed(tmp_path: Path) -> None:
    with open_desk("one", tmp_path / "comparing", HASHER) as opened:
        assert _fill(opened) == 1_200_000
        [own] = (tmp_path / "comparing").iterdir()
        assert own.stat().st_mode & 0o777 == 0o700
        assert sum(one.stat().st_size for one in own.iterdir()) > 10_000_000
    assert list((tmp_path / "comparing").iterdir()) == []


@pytest.mark.usefixtures("small")
def test_without_a_folder_nothing_is_written_and_too_much_is_said() -> None:
    with (
        pytest.raises(UnavailableError, match="'one' takes more than 60MB of memory"),
        open_desk("'one'", None, HASHER) as found,
    ):
        _fill(found)


@pytest.mark.usefixtures("small")
def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(desk, "_DISK", "1MB")
    with (
        pytest.raises(UnavailableError, match="60MB of memory and 1MB of disk"),
        open_desk("one", tmp_path, HASHER) as found,
    ):
        _fill(found)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError, match="No folder can be made"), open_desk("one", tmp_path / "file", HASHER):
        pass


def test_what_a_killed_one_left_goes_and_what_another_uses_stays(tmp_path: Path) -> None:
    with _keeper(tmp_path) as dies, _keeper(tmp_path) as lives:
        assert len(_folders(tmp_path)) == 2
        dies.kill()
        dies.wait()
        with open_desk("one", tmp_path, HASHER):
            assert len(_folders(tmp_path)) == 2
        assert len(_folders(tmp_path)) == 1
        lives.communicate("")
        assert _folders(tmp_path) == []


def test_hashes_are_of_their_desk_alone(tmp_path: Path) -> None:
    values = pa.chunked_array([["a@example.org", None, "a@example.org"]])
    found = []
    for _ in range(2):
        with open_desk("one", tmp_path, HASHER) as opened:
            found.append(opened.hashed(values).to_pylist())
    for one in found:
        assert one[0] == one[2]
        assert one[1] is None
    assert found[0][0] != found[1][0]


@contextlib.contextmanager
def _short_files() -> Iterator[None]:
    """No file may be longer than 4 KiB: as on a full disk, writing more fails."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.usefixtures("small")
def test_what_cannot_be_put_aside_is_told_as_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(StorageFullError, match="puts aside"), open_desk("one", tmp_path, HASHER) as one, _short_files():
        _fill(one)
