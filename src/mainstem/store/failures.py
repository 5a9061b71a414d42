"""PostgreSQL's errors sorted into ours by what the caller should do.

Only failures that are nobody's fault in the SQL are translated. Violated constraints, wrong types and the like pass as
psycopg raises them: a caller that provokes them on purpose catches them by name, any other has a defect.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import errors

from mainstem.errors import MainstemError, StorageFullError, UnavailableError

__all__ = ["contended", "translated", "translation"]

_FULL = (errors.DiskFull,)
_GONE = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.DatabaseDropped,
    errors.IdleSessionTimeout,
    errors.IdleInTransactionSessionTimeout,
    errors.TooManyConnections,
    errors.OutOfMemory,
)
_CONTENDED = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
)


def translation(error: psycopg.Error) -> MainstemError | None:
    """Our error for PostgreSQL's, or None when it should pass unchanged. The message never holds a value."""
    if isinstance(error, _FULL):
        return StorageFullError("The disk of the database is full.", retry_after=5.0, hint="Free space on it.")
    if isinstance(error, _GONE):
        return UnavailableError(f"The database cannot serve now ({error.sqlstate}).", retry_after=1.0)
    if isinstance(error, _CONTENDED):
        return UnavailableError(f"The database is contended ({error.sqlstate}).", retry_after=0.5)
    state = error.sqlstate or ""
    # Without a state it is libpq speaking: the connection could not be made or broke.
    if (isinstance(error, psycopg.OperationalError) and not state) or state.startswith("08"):
        return UnavailableError("The connection to the database was lost.", retry_after=1.0)
    return None


def contended(error: MainstemError) -> bool:
    """Whether PostgreSQL gave up on a transaction for what others did or for how long it took: another may well succeed."""
    return isinstance(error.__cause__, _CONTENDED)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Within it, psycopg's operational errors become StorageFullError or UnavailableError."""
    try:
        yield
    except psycopg.Error as error:
        ours = translation(error)
        if ours is None:
            raise
        raise ours from error
