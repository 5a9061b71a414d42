"""What every test may ask for: a real PostgreSQL, an empty database in it, keys and a clock."""

from __future__ import annotations

import contextlib
import gc
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest

from mainstem.privacy import Keyring
from mainstem.store import Database, migrate
from mainstem.testing import FixedClock
from mainstem.testing.postgres import PostgresServer

# No test depends on how fast the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# What runs in a shell's background is told to ignore Ctrl-C, and so are its children: some tests send it to theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What collecting the tests made stays until the end: each collection of garbage would look at all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Connection string of a running PostgreSQL, without a database name."""
    with PostgresServer() as server:
        yield server.dsn.removesuffix(" dbname=postgres")


@contextlib.contextmanager
def _new_database(postgres: str, template: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield f"{postgres} dbname={name}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_dsn(postgres: str) -> Iterator[str]:
    """Connection string of a new database without any table."""
    with _new_database(postgres, "template0") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def migrated(postgres: str) -> str:
    """Name of a migrated database, which new ones are copied from: cheaper than migrating each."""
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated TEMPLATE template0")
    with Database(f"{postgres} dbname=migrated") as database:
        migrate(database)
    return "migrated"


@pytest.fixture
def migrated_dsn(postgres: str, migrated: str) -> Iterator[str]:
    """Connection string of a new database, migrated and empty."""
    with _new_database(postgres, migrated) as dsn:
        yield dsn


@pytest.fixture
def database(postgres: str, migrated: str) -> Iterator[Database]:
    """A migrated, empty database."""
    with _new_database(postgres, migrated) as dsn, Database(dsn) as database:
        yield database


@pytest.fixture(scope="module")
def kept_dsn(postgres: str, migrated: str) -> Iterator[str]:
    """Connection string of a new database, migrated and empty, the same for all tests of a module."""
    with _new_database(postgres, migrated) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def _kept_database(kept_dsn: str) -> Iterator[Database]:
    with Database(kept_dsn) as database:
        yield database


@pytest.fixture
def emptied_database(_kept_database: Database) -> Database:
    """A migrated database, the same for all tests of a module and emptied for each: quicker than a new one."""
    with _kept_database.transaction() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        tables = connection.execute(
            """
            SELECT format('%I.%I', relnamespace::regnamespace, relname) FROM pg_class
            WHERE relnamespace::regnamespace::text IN ('mainstem', 'mainstem_fold') AND relkind IN ('r', 'p')
              AND NOT relispartition AND relname <> 'schema_version'
            """
        ).fetchall()
        connection.execute("; ".join(f"DELETE FROM {table}" for (table,) in tables))
    return _kept_database


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """New keys in a folder of their own."""
    return Keyring.create(tmp_path / "keys")


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at 2026-01-15 12:00 UTC."""
    return FixedClock()
