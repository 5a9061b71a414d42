from __future__ import annotations

import subprocess
import sys
import threading
import uuid

import pytest

from mainstem.errors import ConfigurationError
from mainstem.store import Database, create_fold, drop_fold, migrate, swap_fold
from mainstem.store.schema import _revisions


def tables(database: Database, schema: str) -> set[str]:
    with database.autocommit() as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
    return {name for (name,) in rows}


def install(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO installation (id, created_at, key_check) VALUES (%s, now(), '')", [uuid.uuid4()]
        )


def test_both_branches_are_brought_to_their_last_revision(empty_dsn: str) -> None:
    with Database(empty_dsn) as database:
        migrate(database)
        assert {"installation", "lease", "log_batch", "schema_version"} <= tables(database, "mainstem")
        assert {"cell", "change", "schema_version"} <= tables(database, "mainstem_fold")
        with database.autocommit() as connection:
            for schema, branch in (("mainstem", "control"), ("mainstem_fold", "fold")):
                found = connection.execute(f"SELECT version_num FROM {schema}.schema_version").fetchall()
                assert found == [(_revisions(branch)[-1][0],)]


def test_many_processes_may_migrate_at_once(empty_dsn: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            with Database(empty_dsn) as database:
                together.wait()
                migrate(database)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    together = threading.Barrier(4)
    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    with Database(empty_dsn) as database:
        assert "cell" in tables(database, "mainstem_fold")


def test_a_current_database_is_left_alone_without_importing_alembic(database: Database) -> None:
    code = (
        "import sys; from mainstem.store import Database, migrate\n"
        "with Database(sys.argv[1]) as database: migrate(database)\n"
        "assert not {'alembic', 'sqlalchemy'} & set(sys.modules), 'imported in vain'"
    )
    subprocess.run([sys.executable, "-c", code, database.dsn], check=True)


def test_a_failed_revision_leaves_nothing_behind(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(branch: str) -> tuple[tuple[str, str], ...]:
        return (*_revisions(branch), ("0002_broken", "CREATE TABLE half (n integer); SELECT 1 / 0"))

    monkeypatch.setattr("mainstem.store.schema._revisions", broken)
    with Database(empty_dsn) as database:
        with pytest.raises(Exception, match="division by zero"):
            migrate(database)
        assert tables(database, "mainstem") == set()
        monkeypatch.undo()
        migrate(database)
        assert "lease" in tables(database, "mainstem")


def test_later_revisions_are_applied_to_an_older_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def longer(branch: str) -> tuple[tuple[str, str], ...]:
        return (
            *_revisions(branch),
            ("9998_more", f"CREATE TABLE more_{branch} (percent text DEFAULT '100 % %s :x')"),
            ("9999_most", f"ALTER TABLE more_{branch} RENAME TO most_{branch}"),
        )

    monkeypatch.setattr("mainstem.store.schema._revisions", longer)
    migrate(database)
    migrate(database)
    assert "most_control" in tables(database, "mainstem")
    assert "most_fold" in tables(database, "mainstem_fold")


def test_a_database_of_a_newer_release_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("UPDATE mainstem.schema_version SET version_num = '9999_future'")
    with pytest.raises(ConfigurationError, match=r"9999_future.*newer release"):
        migrate(database)


def test_a_rebuilt_fold_takes_the_place_of_the_old_one(database: Database) -> None:
    install(database)
    create_fold(database, "mainstem_rebuild")
    create_fold(database, "mainstem_rebuild")
    insert = "INSERT INTO touched VALUES (gen_random_uuid(), now())"
    with Database(database.dsn, fold_schema="mainstem_rebuild") as rebuild, rebuild.transaction() as connection:
        connection.execute(insert)
        connection.execute(insert)
    # Prepared before the swap and run after it, on one connection: the names have to be looked up anew.
    with database.autocommit() as running:
        running.execute(insert)
        counts = [running.execute("SELECT count(*) FROM touched", prepare=True).fetchone() for _ in range(8)]
        assert counts == [(1,)] * 8
        with database.transaction() as connection:
            swap_fold(connection, "mainstem_rebuild")
        assert running.execute("SELECT count(*) FROM touched", prepare=True).fetchone() == (2,)
        assert running.execute("SELECT generation FROM installation").fetchone() == (2,)
    migrate(database)
    assert tables(database, "mainstem_rebuild") == set()
    drop_fold(database, "mainstem_fold_old")
    assert tables(database, "mainstem_fold_old") == set()


def test_a_swap_waits_for_a_writer_under_way(database: Database) -> None:
    install(database)
    create_fold(database, "mainstem_rebuild")
    insert = "INSERT INTO sink_position VALUES (1, 0, 0, %s, 1, now())"

    def swap() -> None:
        with database.transaction() as connection:
            swap_fold(connection, "mainstem_rebuild")

    swapper = threading.Thread(target=swap)
    with database.transaction() as writer:
        writer.execute(insert, [7])
        swapper.start()
        swapper.join(0.1)
        with database.autocommit() as reader:
            assert reader.execute("SELECT generation FROM installation").fetchone() == (1,)
            assert reader.execute("SELECT count(*) FROM sink_position").fetchone() == (0,)
    swapper.join(60)
    with database.autocommit() as connection:
        assert connection.execute("SELECT position FROM mainstem_fold_old.sink_position").fetchall() == [(7,)]
        assert connection.execute("SELECT generation FROM installation").fetchone() == (2,)


def test_a_second_swap_replaces_the_old_fold(database: Database) -> None:
    install(database)
    for generation in (2, 3):
        create_fold(database, "mainstem_rebuild")
        with database.transaction() as connection:
            swap_fold(connection, "mainstem_rebuild")
            assert connection.execute("SELECT generation FROM installation").fetchone() == (generation,)


@pytest.mark.parametrize("schema", ["mainstem", "mainstem_fold"])
def test_the_schemas_in_use_are_not_touched(database: Database, schema: str) -> None:
    for act in (create_fold, drop_fold):
        with pytest.raises(ConfigurationError):
            act(database, schema)
    assert "cell" in tables(database, "mainstem_fold")
