"""Options that many verbs have, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["DEFAULT_DATA_DIR", "AsJson", "ConfigFile", "DataDir"]

DEFAULT_DATA_DIR = Path("mainstem-data")

DataDir = Annotated[
    Path,
    Parameter(
        name="--data-dir",
        env_var="MAINSTEM_DATA_DIR",
        help="The data folder: keys, database, lake.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    Parameter(
        name="--config",
        env_var="MAINSTEM_CONFIG",
        help="The configuration file; else mainstem.yaml in the data folder or here.",
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for programs.")]
