"""The data folder: `keys`, `postgres`, `lake`, `run` and perhaps `mainstem.yaml`."""

from __future__ import annotations

import os
from pathlib import Path

from mainstem.errors import ConfigurationError

__all__ = ["keys_folder", "lake_folder", "make_data_folder", "run_folder"]


def make_data_folder(data_dir: Path) -> Path:
    """Make what is missing of it; its real path. Folders that are there keep their modes.

    Raises ConfigurationError when it cannot be made.
    """
    try:
        if not data_dir.is_dir():
            data_dir.mkdir(parents=True)
            # As root the database's account has to pass through; what lies within is closed to it.
            data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (run_folder(data_dir), lake_folder(data_dir)):
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The data folder cannot be made: {error.strerror}: {error.filename}.", where="--data-dir"
        ) from error
    return data_dir.resolve()


def keys_folder(data_dir: Path) -> Path:
    """The installation's keys."""
    return data_dir / "keys"


def lake_folder(data_dir: Path) -> Path:
    """The raw lake, when it is a local folder."""
    return data_dir / "lake"


def run_folder(data_dir: Path) -> Path:
    """What only a running tree needs."""
    return data_dir / "run"
