"""`mainstem serve`: one role alone."""

from __future__ import annotations

from mainstem.cli.options import DEFAULT_DATA_DIR, ConfigFile, DataDir

__all__ = ["serve"]


def serve(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """Run the API and the dashboard alone.

    Any number may run, on any number of machines, once `mainstem up` or `mainstem database migrate` has set up the
    database.
    """
    from mainstem.runtime.config import load_config
    from mainstem.runtime.roles import run_role, serve_services

    run_role("serve", load_config(data_dir, config), serve_services)
