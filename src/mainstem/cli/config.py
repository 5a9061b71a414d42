"""`mainstem config`: check, show, schema."""

from __future__ import annotations

import json
import sys

from cyclopts import App

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir

__all__ = ["app"]

app = App(name="config", help="Check and show the configuration.", help_format="plaintext")


@app.command
def check(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> ExitCode:
    """Say all that is wrong with the configuration."""
    from mainstem.runtime import check_config

    problems = check_config(data_dir, config)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return ExitCode.USAGE
    print("The configuration is in order.")
    return ExitCode.OK


@app.command
def show(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every setting in force and where its value came from; secrets are masked."""
    from mainstem.runtime import load_config
    from mainstem.runtime.config_view import settings_shown, settings_text

    loaded = load_config(data_dir, config)
    if as_json:
        print(json.dumps({each.name: {"value": each.value, "origin": each.origin} for each in settings_shown(loaded)}))
    else:
        print(settings_text(loaded), end="")


@app.command
def schema() -> None:
    """Print the JSON Schema of mainstem.yaml, for editors."""
    from mainstem.runtime import config_schema

    print(json.dumps(config_schema(), indent=2))
