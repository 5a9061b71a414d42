"""The local folder keeps the contract of object stores; and what only a folder has to keep."""

from __future__ import annotations

import datetime as dt
import errno
import os
from pathlib import Path

import obstore.store
import pytest

from mainstem.errors import ConfigurationError, StorageFullError, UnavailableError
from mainstem.lake import open_objects
from mainstem.lake.local import LocalObjects
from mainstem.lake.objects import ObstoreObjects
from mainstem.testing.object_suite import ObjectSuite, OpenObjects


class TestLocalObjects(ObjectSuite):
    @pytest.fixture
    def open_objects(self, tmp_path: Path) -> OpenObjects:
        return lambda: LocalObjects(tmp_path / "lake")


class TestMemoryObjects(ObjectSuite):
    """The class behind the local one, over a backend that is durable by itself, as the clouds' are."""

    @pytest.fixture
    def open_objects(self) -> OpenObjects:
        backend = obstore.store.MemoryStore()
        return lambda: ObstoreObjects(backend)


def test_file_and_new_folders_are_on_disk_before_put_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = LocalObjects(tmp_path / "lake")
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        # What is synchronised has to be there already, under its final name.
        assert path.exists()
        synced.append(str(path.relative_to(tmp_path)))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    objects.put("raw/a/b", b"1")
    assert synced == ["lake/raw/a/b", "lake/raw/a", "lake/raw", "lake"]
    synced.clear()
    objects.put("raw/a/c", b"2")
    assert synced == ["lake/raw/a/c", "lake/raw/a"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFullError), (errno.EDQUOT, StorageFullError), (errno.EIO, UnavailableError)],
)
def test_a_file_that_could_not_be_synchronised_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    objects = LocalObjects(tmp_path)

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(expected):
            objects.put("raw/a", b"1")
    assert objects.info("raw/a") is None
    assert objects.put("raw/a", b"1") is True


def test_what_an_interrupted_put_left_is_invisible_and_swept_when_old(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    objects.put("raw/kept", b"1")
    (tmp_path / "raw" / "kept#1").write_bytes(b"half")
    assert [info.path for info in objects.list("raw")] == ["raw/kept"]
    assert objects.sweep_unfinished(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) == 0
    assert objects.sweep_unfinished(dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) == 1
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {"kept"}


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    LocalObjects(tmp_path / "new" / "lake")
    assert (tmp_path / "new" / "lake").stat().st_mode & 0o777 == 0o700


def test_a_lake_lies_in_a_folder_or_a_file_url(tmp_path: Path) -> None:
    open_objects(tmp_path / "a b").put("raw/x", b"1")
    assert open_objects(f"file://{tmp_path}/a%20b").get("raw/x") == b"1"
    assert open_objects(str(tmp_path / "a b")).get("raw/x") == b"1"
    with pytest.raises(ConfigurationError, match="gopher"):
        open_objects("gopher://x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError):
        open_objects(tmp_path / "file" / "lake")
