"""Every exception Mainstem raises on purpose, sorted by what the caller should do.

MainstemError
├── FatalError                stop: a person has to change something
│   ├── ConfigurationError    a setting, a file or a declaration is wrong
│   ├── MissingKeysError      the data folder's keys are not there
│   ├── IntegrityError        stored data contradicts itself; nothing may be built on it
│   └── MissingExtraError     an optional dependency is not installed
├── RetryableError            try the same again, after `retry_after` seconds when given
│   ├── BackPressureError     the queue is full; slow down
│   ├── StorageFullError      a disk is full; nothing was acknowledged
│   └── UnavailableError      a store or a process cannot be reached now
├── RecordError               this record (or body) is at fault; its neighbours are not
│   └── RefusedError          never received: unreadable, or without stream or payload
├── FencedError               lifecycle: another owner has taken over; drop what you hold and start anew
├── NotFoundError             what was asked for does not exist
└── PermissionDeniedError     the caller may not do this
"""

from __future__ import annotations

__all__ = [
    "BackPressureError",
    "ConfigurationError",
    "FatalError",
    "FencedError",
    "IntegrityError",
    "MainstemError",
    "MissingExtraError",
    "MissingKeysError",
    "NotFoundError",
    "PermissionDeniedError",
    "RecordError",
    "RefusedError",
    "RetryableError",
    "StorageFullError",
    "UnavailableError",
]


class MainstemError(Exception):
    """Root of the tree. `hint` says what to do and becomes the last sentence of the message."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message, hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class FatalError(MainstemError):
    """Going on would be wrong; a person has to act."""


class ConfigurationError(FatalError):
    """A setting, a file or a declaration is wrong. `where` names it (`mainstem.yaml: database.url`)."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.where = where
        super().__init__(f"{where}: {message}" if where else message, hint=hint)


class MissingKeysError(FatalError):
    """The keys that belong to this data folder are missing or are another installation's."""


class IntegrityError(FatalError):
    """Stored data contradicts itself: a hash, a sum or a position does not fit."""


class MissingExtraError(FatalError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is not installed.", hint=f"Install it with: pip install 'mainstem[{extra}]'")


class RetryableError(MainstemError):
    """The same call may succeed later. `retry_after` is in seconds, None when unknown."""

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, hint=hint)


class BackPressureError(RetryableError):
    """The queue behind the door is full. `queue_age` is the age of its oldest record in seconds."""

    def __init__(self, message: str, *, retry_after: float, queue_age: float) -> None:
        self.queue_age = queue_age
        super().__init__(message, retry_after=retry_after)


class StorageFullError(RetryableError):
    """A disk has no room; nothing of this call was acknowledged or kept."""


class UnavailableError(RetryableError):
    """A store or a process cannot be reached now."""


class RecordError(MainstemError):
    """One record is at fault. `index` is its place in the body, `field` the field, `reason` a bounded code."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        index: int | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.reason = reason
        self.index = index
        self.field = field
        super().__init__(message, hint=hint)


class RefusedError(RecordError):
    """The body or record was never received: unreadable, or without stream or payload."""


class FencedError(MainstemError):
    """A lease or a position was taken by another owner; the work in hand must be dropped, not repeated."""


class NotFoundError(MainstemError):
    """What was asked for does not exist."""


class PermissionDeniedError(MainstemError):
    """The caller may not do this. `permission` is what would have been needed."""

    def __init__(self, message: str, *, permission: str | None = None, hint: str | None = None) -> None:
        self.permission = permission
        super().__init__(message, hint=hint)
