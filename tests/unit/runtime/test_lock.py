from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.runtime.lock import FileLock

HOLD = """
import sys
from pathlib import Path
from mainstem.runtime.lock import FileLock
lock = FileLock(Path(sys.argv[1]), "It")
lock.acquire()
print(flush=True)
sys.stdin.read()
"""


def test_the_error_names_the_holder_and_the_lock_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        # However patient: whoever lives is not waited for.
        with pytest.raises(UnavailableError, match=f"The folder is in use by process {holder.pid}"):
            FileLock(path, "The folder", patience=600).acquire()
        holder.kill()
    with FileLock(path, "The folder"):
        pass


def test_a_helper_of_a_dead_holder_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path, "The folder")
    lock.acquire()
    helper = subprocess.Popen(["sleep", "600"], pass_fds=lock.descriptors)
    lock.release()
    path.write_text('{"pid": 1, "started": 1, "boot": "before"}')
    with pytest.raises(UnavailableError):
        FileLock(path, "The folder").acquire()
    helper.kill()
    helper.wait()
    with FileLock(path, "The folder", patience=600):
        assert str(os.getpid()) in path.read_text()


def test_a_lock_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        FileLock(tmp_path / "absent" / "lock", "It").acquire()
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        FileLock(tmp_path / "link", "It").acquire()
