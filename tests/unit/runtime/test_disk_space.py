from __future__ import annotations

import os
from pathlib import Path

import pytest

from mainstem.errors import StorageFullError
from mainstem.runtime.disk_space import DiskSpace


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def test_all_that_lies_on_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folders = {"lake": tmp_path / "a", "deduplication": tmp_path / "gone", "database": tmp_path / "b"}
    DiskSpace(folders, 1).check()
    with pytest.raises(StorageFullError, match=r"The disk of the lake and the database is full\.") as told:
        DiskSpace(folders, 2 * free(tmp_path)).check()
    assert "MiB are left" in str(told.value.hint)
