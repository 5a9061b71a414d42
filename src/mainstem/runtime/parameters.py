"""The embedded server's settings, all given on its command line, so that a start decides them and no file is left over.

Why these: a few connections, batches of thousands of rows, two cores and little memory, a crash at any moment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mainstem.errors import ConfigurationError
from mainstem.runtime.settings import DatabaseSettings

__all__ = ["server_parameters"]

_MIB = 1024 * 1024
_WAL_SHARE = 8
_LEAST_WAL_MB = 64
_KEPT_WAL_MB = 128
_NAME = re.compile(r"[a-z_][a-z0-9_.]*")
# A server reachable from elsewhere, or one that logs values, would break a promise; these are not for `parameters`.
_RESERVED = frozenset(
    {
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "port",
        "unix_socket_directories",
        "unix_socket_permissions",
    }
)


def server_parameters(settings: DatabaseSettings, *, major: int, disk: int) -> dict[str, str]:
    """PostgreSQL settings by name; `disk` is the size in bytes of the one its files are on.

    Raises ConfigurationError for a configured one that is not the user's to set.
    """
    memory = _memory()
    # A log of the size that is good for a large disk would fill a small one by itself, long before any checkpoint.
    wal = min(settings.max_wal_mb, max(disk // _MIB // _WAL_SHARE, _LEAST_WAL_MB))
    shared = settings.shared_buffers_mb or min(max(memory // _MIB // 8, 64), 256)
    parameters = {
        "cluster_name": "mainstem",
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(memory // _MIB // 2, shared)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "64MB",
        "max_connections": str(settings.max_connections),
        # Short queries on few cores: a second worker for one query is taken from another.
        "max_parallel_workers": "2",
        "max_parallel_workers_per_gather": "1",
        "max_parallel_maintenance_workers": "1",
        "jit": "off",
        "random_page_cost": "1.1",
        # `minimal` would save next to nothing here (no table is filled in the transaction that made it) and would
        # rule out pg_basebackup and, later, a standby.
        "wal_level": "replica",
        "max_wal_senders": "3",
        "max_wal_size": f"{wal}MB",
        "min_wal_size": f"{min(wal, _KEPT_WAL_MB)}MB",
        "checkpoint_timeout": "10min",
        "autovacuum_max_workers": "2",
        "autovacuum_naptime": "20s",
        # A killed role's statement must not go on holding locks until it would have answered.
        "client_connection_check_interval": "2s",
        "timezone": "UTC",
        **_LOGGING,
    }
    if major >= 18:
        parameters |= {"io_method": "worker", "io_workers": "2"}
    return {**parameters, **_checked(settings.parameters)}


# Statements, parameters and details hold values of records. Errors go to the client that caused them; the log says what
# concerns the server.
_LOGGING = {
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}


def _checked(parameters: Mapping[str, str]) -> Mapping[str, str]:
    for name in parameters:
        where = f"database.parameters.{name}"
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError("is no name of a PostgreSQL setting.", where=where)
        if name in _RESERVED or name.startswith("log_"):
            raise ConfigurationError("is decided by Mainstem.", where=where, hint="Remove it.")
    return parameters


def _memory() -> int:
    """Bytes of memory this machine, or the container's limit, allows."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            return min(machine, int(text))
    return machine
