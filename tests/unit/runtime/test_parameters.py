from __future__ import annotations

import pytest

from mainstem.errors import ConfigurationError
from mainstem.runtime.parameters import server_parameters
from mainstem.runtime.settings import DatabaseSettings

DISK = 100 << 30


def test_memory_follows_the_machine_within_bounds_unless_it_is_given() -> None:
    found = server_parameters(DatabaseSettings(), major=18, disk=DISK)
    assert 64 <= int(found["shared_buffers"].removesuffix("MB")) <= 256
    given = server_parameters(DatabaseSettings(shared_buffers_mb=32), major=18, disk=DISK)
    assert given["shared_buffers"] == "32MB"


def test_settings_that_an_older_server_does_not_know_are_left_out() -> None:
    assert "io_method" in server_parameters(DatabaseSettings(), major=18, disk=DISK)
    assert "io_method" not in server_parameters(DatabaseSettings(), major=17, disk=DISK)


@pytest.mark.parametrize(
    ("disk", "wal", "kept"), [(100 << 30, 2048, 128), (8 << 30, 1024, 128), (800 << 20, 100, 100), (1 << 20, 64, 64)]
)
def test_the_write_ahead_log_leaves_room_on_a_small_disk(disk: int, wal: int, kept: int) -> None:
    found = server_parameters(DatabaseSettings(), major=18, disk=disk)
    assert (found["max_wal_size"], found["min_wal_size"]) == (f"{wal}MB", f"{kept}MB")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("listen_addresses", "is decided by Mainstem"),
        ("hba_file", "is decided by Mainstem"),
        ("log_min_error_statement", "is decided by Mainstem"),
        ("work_mem -c listen_addresses", "is no name"),
    ],
)
def test_what_would_break_a_promise_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        server_parameters(DatabaseSettings(parameters={name: "x"}), major=18, disk=DISK)


def test_other_parameters_win_over_ours() -> None:
    assert server_parameters(DatabaseSettings(parameters={"work_mem": "1MB"}), major=18, disk=DISK)["work_mem"] == "1MB"
