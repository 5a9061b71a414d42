"""Accounts for the dashboard: Argon2 passwords and signed sessions."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import secrets
import threading
import uuid

import argon2
from psycopg.errors import UniqueViolation

from mainstem.access.permissions import Role
from mainstem.access.principal import Principal
from mainstem.clock import Clock
from mainstem.errors import ConfigurationError
from mainstem.store import Database

__all__ = ["Account", "Session", "Users"]

_MIN_PASSWORD = 10
_LIFETIME = dt.timedelta(hours=12)
# Five failures a name in this window close the door for the rest of it; guessing stays slow, a typo stays cheap.
_WINDOW = dt.timedelta(minutes=5)
_FAILURES = 5
# Whoever guesses names as well shall not fill the memory: beyond this many, those are forgotten whose window is over.
_NAMES = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in, unless disabled."""

    name: str
    role: Role
    disabled: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user. `cookie` is None but for the session just begun."""

    principal: Principal
    csrf: str
    expires_at: dt.datetime
    cookie: str | None = None


class Users:
    """The accounts of an installation. `signing_key` (32 bytes) signs the session cookies. Thread-safe."""

    def __init__(self, database: Database, clock: Clock, signing_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._key = signing_key
        self._hasher = argon2.PasswordHasher()
        # Verified for unknown names, so that an answer's time does not tell which names exist.
        self._decoy = self._hasher.hash(secrets.token_urlsafe(16))
        self._lock = threading.Lock()
        self._failures: dict[str, list[dt.datetime]] = {}

    def create(self, name: str, password: str, role: Role) -> None:
        """Create an account. Raises ConfigurationError for a taken name or a short password."""
        if len(password) < _MIN_PASSWORD:
            raise ConfigurationError(f"The password is too short: {_MIN_PASSWORD} characters at least.")
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO app_user (id, name, role, password_hash, created_at) VALUES (%s, %s, %s, %s, %s)",
                    (uuid.uuid4(), name, role.value, self._hasher.hash(password), self._clock.wall()),
                )
        except UniqueViolation as error:
            raise ConfigurationError(f"A user named {name!r} exists.") from error

    def set_password(self, name: str, password: str) -> bool:
        """Set a new password and end the user's sessions; False when there is no such user."""
        if len(password) < _MIN_PASSWORD:
            raise ConfigurationError(f"The password is too short: {_MIN_PASSWORD} characters at least.")
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE app_user SET password_hash = %s WHERE name = %s RETURNING id",
                (self._hasher.hash(password), name),
            ).fetchone()
            if row is None:
                return False
            connection.execute("DELETE FROM session WHERE user_id = %s", row)
        return True

    def disable(self, name: str) -> bool:
        """Let a user sign in no more and end the user's sessions; False when there is no such user."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE app_user SET disabled_at = coalesce(disabled_at, %s) WHERE name = %s RETURNING id",
                (self._clock.wall(), name),
            ).fetchone()
            if row is None:
                return False
            connection.execute("DELETE FROM session WHERE user_id = %s", row)
        return True

    def list(self) -> list[Account]:
        """All accounts, by name."""
        with self._database.autocommit() as connection:
            rows = connection.execute(
                "SELECT name, role, disabled_at IS NOT NULL FROM app_user ORDER BY name"
            ).fetchall()
        return [Account(name, Role(role), disabled) for name, role, disabled in rows]

    def sign_in(self, name: str, password: str) -> Session | None:
        """A new session, or None for a wrong name or password or after too many failures."""
        now = self._clock.wall()
        if self._blocked(name, now):
            return None
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT id, role, password_hash FROM app_user WHERE name = %s AND disabled_at IS NULL", (name,)
            ).fetchone()
        try:
            self._hasher.verify(row[2] if row else self._decoy, password)
        except argon2.exceptions.VerificationError:
            row = None
        if row is None:
            self._failed(name, now)
            return None
        session, csrf, expires = uuid.uuid4(), secrets.token_bytes(32), now + _LIFETIME
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM session WHERE expires_at < %s", (now,))
            connection.execute(
                "INSERT INTO session (id, user_id, csrf, created_at, expires_at) VALUES (%s, %s, %s, %s, %s)",
                (session, row[0], csrf, now, expires),
            )
        return Session(Principal("user", name, Role(row[1])), csrf.hex(), expires, self._sign(session))

    def authenticate(self, cookie: str) -> Session | None:
        """The session of a cookie; None for a forged, ended or expired one."""
        session = self._verify(cookie)
        if session is None:
            return None
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT u.name, u.role, s.csrf, s.expires_at FROM session s JOIN app_user u ON u.id = s.user_id"
                " WHERE s.id = %s AND s.expires_at > %s AND u.disabled_at IS NULL",
                (session, self._clock.wall()),
            ).fetchone()
        if row is None:
            return None
        name, role, csrf, expires = row
        return Session(Principal("user", name, Role(role)), bytes(csrf).hex(), expires)

    def sign_out(self, cookie: str) -> None:
        """End the session of a cookie, if it has one."""
        session = self._verify(cookie)
        if session is not None:
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM session WHERE id = %s", (session,))

    def _failed(self, name: str, now: dt.datetime) -> None:
        with self._lock:
            self._failures.setdefault(name, []).append(now)
            if len(self._failures) > _NAMES:
                self._failures = {one: when for one, when in self._failures.items() if now - when[-1] < _WINDOW}

    def _blocked(self, name: str, now: dt.datetime) -> bool:
        with self._lock:
            recent = [at for at in self._failures.get(name, []) if now - at < _WINDOW]
            if recent:
                self._failures[name] = recent
            else:
                self._failures.pop(name, None)
            return len(recent) >= _FAILURES

    def _sign(self, session: uuid.UUID) -> str:
        tag = hmac.digest(self._key, b"session\0" + session.bytes, hashlib.sha256)
        return f"{session.hex}.{tag.hex()}"

    def _verify(self, cookie: str) -> uuid.UUID | None:
        try:
            session = uuid.UUID(hex=cookie.partition(".")[0])
        except ValueError:
            return None
        return session if hmac.compare_digest(self._sign(session).encode(), cookie.encode()) else None
