"""The process tree of `mainstem up`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from mainstem.runtime.child import RoleProcess
from mainstem.runtime.config import LoadedConfig
from mainstem.runtime.config_file import ENVIRONMENT_PREFIX
from mainstem.runtime.installation import ensure_installation, ensure_keys, is_installed
from mainstem.runtime.roles import clock_follower, run_jobs
from mainstem.runtime.service import Loop, Service
from mainstem.runtime.supervisor import Tree
from mainstem.runtime.wiring import Runtime, database_dsn, objects_of
from mainstem.store import migrate

__all__ = ["mainstem_tree", "prepare"]


def mainstem_tree(
    loaded: LoadedConfig,
    command: Callable[[str], tuple[str, ...]],
    fatal: Mapping[int, str],
    *,
    announce: Callable[[str], None],
) -> Tree:
    """All roles. `command` gives a role's command line; `announce` gets what a person has to be told."""
    settings = loaded.config.runtime
    # What the command was given as options, a role of its own could not know.
    environment = {ENVIRONMENT_PREFIX + "RUNTIME__LOG_LEVEL": settings.log_level}
    return Tree(
        roles=[
            RoleProcess(
                "serve", command("serve"), count=settings.serve_processes, listens=True, environment=environment
            ),
            RoleProcess("work", command("work"), count=settings.work_processes, environment=environment),
            RoleProcess("keep", command("keep"), count=settings.keep_processes, environment=environment),
        ],
        begin=lambda: None if loaded.config.database.url is not None else _begin(loaded, announce),
        prepare=lambda dsn: prepare(loaded, dsn, announce),
        background=lambda: _scheduler(loaded),
        fatal=fatal,
    )


def _begin(loaded: LoadedConfig, announce: Callable[[str], None]) -> None:
    """Keys come before the database: one that exists without them is not to be started, nor one made beside a lake."""
    ensure_keys(loaded.data_dir, announce)


def prepare(loaded: LoadedConfig, dsn: str | None, announce: Callable[[str], None]) -> None:
    """Bring the tables up to date, make sure of keys and installation, put the built-in contracts into force.

    Raises ConfigurationError, MissingKeysError, UnavailableError, StorageFullError.
    """
    with Runtime(loaded, dsn or database_dsn(loaded)) as runtime:
        runtime.database.wait_ready(loaded.config.database.wait_seconds)
        migrate(runtime.database)
        if not is_installed(runtime.database):
            ensure_keys(loaded.data_dir, announce)
        ensure_installation(runtime.database, runtime.keyring, runtime.clock, objects_of(loaded))
        runtime.registry.ensure_builtins(runtime.clock.wall())


def _scheduler(loaded: LoadedConfig) -> Service:
    """The scheduler inside the supervisor; each of its lives has a runtime of its own."""

    def run(stopping: threading.Event) -> None:
        with Runtime.open(loaded) as runtime:
            clock = clock_follower(runtime)
            clock.start()
            try:
                run_jobs(runtime, stopping)
            finally:
                clock.stop()

    return Loop("scheduler", run)
