"""Keys, accounts and sessions against a real database."""

from __future__ import annotations

import datetime as dt

import pytest

from mainstem.access import ROLES, ApiKeys, Permission, Principal, Role, Users
from mainstem.errors import ConfigurationError, NotFoundError, PermissionDeniedError
from mainstem.store import Database
from mainstem.testing import FixedClock


@pytest.fixture
def keys(database: Database, clock: FixedClock) -> ApiKeys:
    return ApiKeys(database, clock)


@pytest.fixture
def users(database: Database, clock: FixedClock) -> Users:
    return Users(database, clock, b"k" * 32)


def test_key_authenticates_with_role_and_sources(keys: ApiKeys) -> None:
    secret = keys.create("loader", Role.INGEST, sources=["crm"])
    principal = keys.authenticate(secret)
    assert principal == Principal("key", "loader", Role.INGEST, frozenset({"crm"}))
    principal.require_source("crm")
    with pytest.raises(PermissionDeniedError, match="may not write the source 'shop'"):
        principal.require_source("shop")


def test_secret_is_not_stored(keys: ApiKeys, database: Database) -> None:
    secret = keys.create("loader", Role.INGEST)
    with database.transaction() as connection:
        row = connection.execute("SELECT k::text FROM api_key k").fetchone()
    assert row is not None
    assert secret not in row[0]


@pytest.mark.parametrize("secret", ["", "msk_", "msk_wrong", "Bearer x", "msk_\x00"])
def test_unknown_key_is_nobody(keys: ApiKeys, secret: str) -> None:
    assert keys.authenticate(secret) is None


def test_expired_key_is_nobody_even_when_cached(keys: ApiKeys, clock: FixedClock) -> None:
    secret = keys.create("short", Role.VIEWER, lifetime=dt.timedelta(seconds=2))
    assert keys.authenticate(secret) is not None
    clock.advance(dt.timedelta(seconds=3))
    assert keys.authenticate(secret) is None


def test_revoked_key_is_nobody_here_at_once_and_elsewhere_soon(
    keys: ApiKeys, database: Database, clock: FixedClock
) -> None:
    elsewhere = ApiKeys(database, clock)
    secret = keys.create("gone", Role.ADMIN)
    assert elsewhere.authenticate(secret) is not None
    keys.revoke("gone")
    assert keys.authenticate(secret) is None
    clock.advance(dt.timedelta(seconds=6))
    assert elsewhere.authenticate(secret) is None
    assert [info.revoked_at is not None for info in keys.list()] == [True]


def test_names_are_taken_once_and_must_exist(keys: ApiKeys) -> None:
    keys.create("a", Role.VIEWER)
    with pytest.raises(ConfigurationError, match="exists"):
        keys.create("a", Role.VIEWER)
    with pytest.raises(ConfigurationError, match="cannot name a key"):
        keys.create("\n", Role.VIEWER)
    with pytest.raises(NotFoundError, match="no key named 'b'"):
        keys.revoke("b")


def test_session_lives_until_sign_out_or_expiry(users: Users, clock: FixedClock) -> None:
    users.create("ann", "correct horse", Role.ANALYST)
    first = users.sign_in("ann", "correct horse")
    second = users.sign_in("ann", "correct horse")
    assert first is not None
    assert first.cookie is not None
    assert second is not None
    assert second.cookie is not None
    found = users.authenticate(first.cookie)
    assert found is not None
    assert found.principal == Principal("user", "ann", Role.ANALYST)
    assert found.csrf == first.csrf != second.csrf
    users.sign_out(first.cookie)
    assert users.authenticate(first.cookie) is None
    clock.advance(dt.timedelta(hours=13))
    assert users.authenticate(second.cookie) is None


def test_forged_cookie_is_nobody(users: Users) -> None:
    users.create("ann", "correct horse", Role.ADMIN)
    session = users.sign_in("ann", "correct horse")
    assert session is not None
    assert session.cookie is not None
    flipped = session.cookie[:-1] + ("0" if session.cookie[-1] != "0" else "1")
    for forged in (flipped, session.cookie.partition(".")[0], "", "é.x", "00" * 16):
        assert users.authenticate(forged) is None


def test_wrong_passwords_close_the_door_for_a_while(users: Users, clock: FixedClock) -> None:
    users.create("ann", "correct horse", Role.ADMIN)
    for _ in range(5):
        assert users.sign_in("ann", "wrong") is None
    assert users.sign_in("ann", "correct horse") is None
    assert users.sign_in("bob", "wrong") is None
    clock.advance(dt.timedelta(minutes=6))
    assert users.sign_in("ann", "correct horse") is not None


def test_new_password_ends_sessions(users: Users) -> None:
    users.create("ann", "correct horse", Role.ADMIN)
    session = users.sign_in("ann", "correct horse")
    assert session is not None
    assert session.cookie is not None
    assert users.set_password("ann", "battery staple")
    assert users.authenticate(session.cookie) is None
    assert users.sign_in("ann", "battery staple") is not None
    assert not users.set_password("bob", "battery staple")
    with pytest.raises(ConfigurationError, match="too short"):
        users.set_password("ann", "short")


def test_roles_widen_and_ingest_only_writes() -> None:
    assert ROLES[Role.VIEWER] < ROLES[Role.ANALYST] < ROLES[Role.ENGINEER] < ROLES[Role.ADMIN] == set(Permission)
    assert ROLES[Role.INGEST] == {Permission.DATA_INGEST}
    with pytest.raises(PermissionDeniedError, match="analytics:read"):
        Principal("key", "x", Role.INGEST).require(Permission.ANALYTICS_READ)
