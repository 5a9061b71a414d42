"""`mainstem keep`: one role alone."""

from __future__ import annotations

from mainstem.cli.options import DEFAULT_DATA_DIR, ConfigFile, DataDir

__all__ = ["keep"]


def keep(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """Run a lake writer and a scorer alone.

    Any number may run, on any number of machines, once `mainstem up` or `mainstem database migrate` has set up the
    database.
    """
    from mainstem.runtime.config import load_config
    from mainstem.runtime.roles import keep_services, run_role

    run_role("keep", load_config(data_dir, config), keep_services)
