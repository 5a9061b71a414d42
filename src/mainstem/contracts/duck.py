"""The one way every room opens DuckDB: in memory, on one thread, cut off from files, network and extensions."""

from __future__ import annotations

from pathlib import Path

import duckdb

__all__ = ["connect"]


def connect(
    *, threads: int = 1, memory_limit: str = "1GB", spill: tuple[Path, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """A new connection to its own in-memory database; not to be shared between threads.

    It sees only what is registered on it: no files, no network, no extensions, no Python variables, no spilling to
    disk; its zone is UTC and its settings are locked. One thread by default: parallelism is by partition, and a plain
    projection on one thread keeps the order of its rows. With `spill`, a folder and a size such as `20GB`, what memory
    does not hold goes there.
    """
    connection = duckdb.connect(":memory:", config={"threads": threads, "memory_limit": memory_limit})
    spilling = ["temp_directory = ''"]
    if spill is not None:
        folder, size = spill
        quoted = str(folder).replace("'", "''")
        spilling = [f"temp_directory = '{quoted}'", f"max_temp_directory_size = '{size}'"]
    # GLOBAL: cursors have the same. In this order: nothing about files can be set once they are out of reach. (In `config` the order is not ours.)
    for setting in (
        *spilling,
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "GLOBAL python_enable_replacements = false",
        "enable_external_access = false",
        "GLOBAL TimeZone = 'UTC'",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection
