"""What the command's exit status means."""

from __future__ import annotations

import enum

from mainstem.errors import (
    ConfigurationError,
    IntegrityError,
    MainstemError,
    MissingExtraError,
    MissingKeysError,
    NotFoundError,
    PermissionDeniedError,
    RecordError,
    RetryableError,
)

__all__ = ["ExitCode", "exit_code"]


class ExitCode(enum.IntEnum):
    """Scripts may rely on these."""

    OK = 0
    """Done; of a check: it holds."""
    FAILED = 1
    """A check does not hold, or what was asked for could not be done."""
    USAGE = 2
    """The command line, the configuration or a declaration is wrong."""
    UNAVAILABLE = 3
    """A store or a process cannot be reached, is full or is in use: try again later."""
    MISSING_KEYS = 4
    """The data folder's keys are missing or another installation's."""
    INTEGRITY = 5
    """Stored data contradicts itself."""
    NOT_FOUND = 6
    """What was named does not exist."""
    DENIED = 7
    """Not permitted."""
    INTERNAL = 70
    """A defect of Mainstem; the traceback says where."""
    ORPHANED = 75
    """A role whose supervisor has gone."""
    INTERRUPTED = 130
    """Told to stop, by Ctrl-C or a signal, before it was done."""


_CODES: tuple[tuple[type[MainstemError], ExitCode], ...] = (
    (ConfigurationError, ExitCode.USAGE),
    (MissingExtraError, ExitCode.USAGE),
    (MissingKeysError, ExitCode.MISSING_KEYS),
    (IntegrityError, ExitCode.INTEGRITY),
    (RetryableError, ExitCode.UNAVAILABLE),
    (RecordError, ExitCode.FAILED),
    (NotFoundError, ExitCode.NOT_FOUND),
    (PermissionDeniedError, ExitCode.DENIED),
)


def exit_code(error: MainstemError) -> ExitCode:
    """The status for an error that ended a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
