"""A secret from a file, or asked for on the terminal; never an argument, which other users could see."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from mainstem.errors import ConfigurationError

__all__ = ["read_secret"]


def read_secret(what: str, file: Path | None, *, again: bool) -> str:
    """The first line of the file (`-`: of standard input), or asked for, twice when `again`.

    `what` names it, and the option `--<what>-file`. Raises ConfigurationError.
    """
    if file is not None:
        try:
            text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot be read: {error.strerror}.", where=str(file)) from error
        return text.partition("\n")[0].rstrip("\r")
    if not sys.stdin.isatty():
        raise ConfigurationError(f"There is no terminal to ask for the {what}.", hint=f"Use --{what}-file.")
    first = getpass.getpass(f"{what.capitalize()}: ")
    if again and getpass.getpass("Again: ") != first:
        raise ConfigurationError(f"The two {what}s differ.")
    return first
