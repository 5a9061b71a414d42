"""Configuration, wiring, supervisor, scheduler, embedded PostgreSQL.

The door is lazy: a name is loaded when it is first asked for. The guardian is a process of a few megabytes that lives in
this room, and `mainstem --help` must not wait for DuckDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.runtime.config import Config, LoadedConfig, check_config, config_schema, load_config
    from mainstem.runtime.postgres import EmbeddedPostgres
    from mainstem.runtime.scheduler import Job
    from mainstem.runtime.service import Loop, Part, Role, Service
    from mainstem.runtime.settings import DatabaseSettings, RuntimeSettings
    from mainstem.runtime.state import RunState, running_state
    from mainstem.runtime.supervisor import Supervisor, Tree
    from mainstem.runtime.wiring import Runtime, connect_runtime
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "config": "Config LoadedConfig check_config config_schema load_config",
            "postgres": "EmbeddedPostgres",
            "scheduler": "Job",
            "service": "Loop Part Role Service",
            "settings": "DatabaseSettings RuntimeSettings",
            "state": "RunState running_state",
            "supervisor": "Supervisor Tree",
            "wiring": "Runtime connect_runtime",
        },
    )

__all__ = [
    "Config",
    "DatabaseSettings",
    "EmbeddedPostgres",
    "Job",
    "LoadedConfig",
    "Loop",
    "Part",
    "Role",
    "RunState",
    "Runtime",
    "RuntimeSettings",
    "Service",
    "Supervisor",
    "Tree",
    "check_config",
    "config_schema",
    "connect_runtime",
    "load_config",
    "running_state",
]
