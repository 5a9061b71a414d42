"""`mainstem up`: the whole process tree."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import DEFAULT_DATA_DIR, ConfigFile, DataDir
from mainstem.errors import RetryableError

if TYPE_CHECKING:
    from mainstem.runtime.config import LoadedConfig

__all__ = ["FATAL", "role_command", "up"]

FATAL = {
    int(ExitCode.USAGE): "the configuration or a declaration is wrong",
    int(ExitCode.MISSING_KEYS): "the keys are missing or another installation's",
    int(ExitCode.INTEGRITY): "stored data contradicts itself",
}
"""Exit status of a role that would only end so again."""


def up(
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: Annotated[int | None, Parameter(help="Port of the API and the dashboard; 0: any free one.")] = None,
    host: Annotated[str | None, Parameter(help="Address they listen on.")] = None,
    config: ConfigFile = None,
) -> None:
    """Run Mainstem until Ctrl-C: all roles and, unless you name one, the database.

    A second Ctrl-C cuts the orderly stop short.
    """
    from mainstem.runtime.figures import shared_figures
    from mainstem.runtime.folders import make_data_folder

    before = os.umask(0o077)
    try:
        folder = make_data_folder(data_dir)
        with shared_figures(folder):
            _run(folder, config, {("runtime", "port"): port, ("runtime", "host"): host})
    finally:
        os.umask(before)


def _run(folder: Path, config: Path | None, options: Mapping[tuple[str, ...], object]) -> None:
    from mainstem.clock import SystemClock
    from mainstem.runtime.config import load_config
    from mainstem.runtime.logs import configure_logging
    from mainstem.runtime.supervisor import Supervisor
    from mainstem.runtime.tree import mainstem_tree

    loaded = load_config(folder, config, options=options)
    configure_logging(loaded.config.runtime, "up")
    tree = mainstem_tree(loaded, lambda role: role_command(role, folder, loaded.file), FATAL, announce=_say)
    supervisor = Supervisor(folder, tree, loaded.config.runtime, loaded.config.database, SystemClock())
    supervisor.run(lambda url: _greet(loaded, url))


def _greet(loaded: LoadedConfig, url: str | None) -> None:
    from mainstem.runtime.wiring import Runtime

    _say(f"Mainstem is ready: {url}")
    with contextlib.suppress(RetryableError), Runtime.open(loaded) as runtime:
        if not runtime.users.list():
            _say(f"Nobody can sign in yet: mainstem user create NAME --role admin --data-dir {loaded.data_dir}")


def role_command(role: str, data_dir: Path, config: Path | None) -> tuple[str, ...]:
    """The command line of a role's own process."""
    options = ("--config", str(config.resolve())) if config is not None else ()
    return (sys.executable, "-m", "mainstem.cli.main", role, "--data-dir", str(data_dir), *options)


def _say(text: str) -> None:
    # A terminal that was closed is no reason to stop: whoever closed it, or nohup, decides.
    with contextlib.suppress(OSError):
        print(text, flush=True)
