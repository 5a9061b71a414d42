"""API keys: shown once, kept as a hash, expiring, revocable, bound to sources."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
import secrets
import threading
import uuid
from collections.abc import Sequence

from psycopg.errors import UniqueViolation

from mainstem.access.permissions import Role
from mainstem.access.principal import Principal
from mainstem.clock import Clock
from mainstem.errors import ConfigurationError, NotFoundError
from mainstem.store import Database

__all__ = ["ApiKeyInfo", "ApiKeys"]

_PREFIX = "msk_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}")
# A revoked key stops working in every process within this time; each request asking the database would cost more than
# the whole rest of a small ingest.
_CACHE_SECONDS = 5.0
_CACHE_KEYS = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """What may be told about a key; never the key."""

    id: uuid.UUID
    name: str
    role: Role
    sources: tuple[str, ...] | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None


def _hash(secret: str) -> bytes:
    # The secret has 256 random bits, so a plain hash is as hard to turn back as a slow one.
    return hashlib.sha256(secret.encode()).digest()


class ApiKeys:
    """The keys of an installation. Thread-safe."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: dict[bytes, tuple[dt.datetime, Principal | None, dt.datetime | None]] = {}

    def create(
        self, name: str, role: Role, *, sources: Sequence[str] | None = None, lifetime: dt.timedelta | None = None
    ) -> str:
        """Create a key and return its secret, which cannot be shown again.

        Raises ConfigurationError for a name that is taken or cannot be one.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} cannot name a key.", hint="Use letters, digits, space, dot, dash or underscore; 63 at most."
            )
        secret = _PREFIX + secrets.token_urlsafe(32)
        now = self._clock.wall()
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO api_key (id, name, role, secret_hash, sources, created_at, expires_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    (
                        uuid.uuid4(),
                        name,
                        role.value,
                        _hash(secret),
                        None if sources is None else sorted(set(sources)),
                        now,
                        None if lifetime is None else now + lifetime,
                    ),
                )
        except UniqueViolation as error:
            raise ConfigurationError(
                f"A key named {name!r} exists.", hint="Choose another name, or revoke it first: a name is never reused."
            ) from error
        return secret

    def revoke(self, name: str) -> None:
        """Revoke a key; every process refuses it within a few seconds. Raises NotFoundError."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE api_key SET revoked_at = coalesce(revoked_at, %s) WHERE name = %s", (self._clock.wall(), name)
            )
            if done.rowcount == 0:
                raise NotFoundError(f"There is no key named {name!r}.", hint="mainstem apikey list shows all.")
        with self._lock:
            self._cache.clear()

    def list(self) -> list[ApiKeyInfo]:
        """All keys by name, revoked and expired ones included."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT id, name, role, sources, created_at, expires_at, revoked_at FROM api_key ORDER BY name"
            ).fetchall()
        return [
            ApiKeyInfo(id_, name, Role(role), None if sources is None else tuple(sources), created, expires, revoked)
            for id_, name, role, sources, created, expires, revoked in rows
        ]

    def authenticate(self, secret: str) -> Principal | None:
        """The principal of a key in force; None for an unknown, expired or revoked one. May ask the database."""
        if not secret.startswith(_PREFIX):
            return None
        known, principal = self._remembered(secret)
        if known:
            return principal
        digest = _hash(secret)
        found, expires = self._look_up(digest)
        now = self._clock.wall()
        with self._lock:
            if len(self._cache) >= _CACHE_KEYS:
                self._cache.clear()
            self._cache[digest] = (now, found, expires)
        return None if expires is not None and expires <= now else found

    def remembered(self, secret: str) -> Principal | None:
        """The principal of a key seen a moment ago, without asking anybody; None says nothing about the key."""
        return self._remembered(secret)[1]

    def _remembered(self, secret: str) -> tuple[bool, Principal | None]:
        now = self._clock.wall()
        with self._lock:
            cached = self._cache.get(_hash(secret))
        if cached is None or (now - cached[0]).total_seconds() > _CACHE_SECONDS:
            return False, None
        _, principal, expires = cached
        return True, None if expires is not None and expires <= now else principal

    def _look_up(self, digest: bytes) -> tuple[Principal | None, dt.datetime | None]:
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT name, role, sources, expires_at FROM api_key WHERE secret_hash = %s AND revoked_at IS NULL",
                (digest,),
            ).fetchone()
        if row is None:
            return None, None
        name, role, sources, expires = row
        return Principal("key", name, Role(role), None if sources is None else frozenset(sources)), expires
