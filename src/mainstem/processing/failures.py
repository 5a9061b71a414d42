"""What may be logged of an unexpected error: where it was raised, never what it says.

The messages of DuckDB, Arrow and PostgreSQL quote the value they stumbled over, and that value is a record's.
"""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["described"]

_FRAMES = 6


def described(error: BaseException) -> dict[str, object]:
    """Fields for a log line: the error's class, PostgreSQL's code if it has one, and the innermost frames."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    at = [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in frames]
    fields: dict[str, object] = {"error": f"{type(error).__module__}.{type(error).__qualname__}", "at": at}
    if (code := getattr(error, "sqlstate", None)) is not None:
        fields["sqlstate"] = code
    return fields
