from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.store import PARTITIONED, Database, create_fold, ensure_partitions

JANUARY, FEBRUARY, MARCH = dt.date(2026, 1, 1), dt.date(2026, 2, 28), dt.date(2026, 3, 31)


def partitions(database: Database, table: str = "cell", schema: str = "mainstem_fold") -> set[str]:
    with database.autocommit() as connection:
        rows = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(%s)", [f"{schema}.{table}"]
        ).fetchall()
    return {name.removeprefix(f"{schema}.") for (name,) in rows}


def add_cell(database: Database, at: dt.datetime) -> None:
    with database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO cell (ref, series, bucket, closed, first_known_at, changed_at, last_at)
            VALUES (gen_random_uuid(), 1, %s, false, now(), now(), now())
            """,
            [at],
        )


def places(database: Database) -> dict[str, int]:
    with database.autocommit() as connection:
        rows: list[Any] = connection.execute(
            "SELECT tableoid::regclass::text, count(*) FROM cell GROUP BY 1"
        ).fetchall()
    return dict(rows)


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


@pytest.mark.parametrize("table", PARTITIONED)
def test_every_partitioned_table_gets_its_months(database: Database, table: str) -> None:
    ensure_partitions(database, table, [JANUARY, FEBRUARY, JANUARY])
    ensure_partitions(database, table, [FEBRUARY, MARCH])
    assert partitions(database, table) == {f"{table}_default", *(f"{table}_2026_0{n}" for n in (1, 2, 3))}


def test_rows_go_to_their_month_up_to_its_last_moment(database: Database) -> None:
    ensure_partitions(database, "cell", [JANUARY])
    add_cell(database, midnight(JANUARY))
    add_cell(database, midnight(dt.date(2026, 2, 1)) - dt.timedelta(microseconds=1))
    add_cell(database, midnight(dt.date(2026, 2, 1)))
    assert places(database) == {"cell_2026_01": 2, "cell_default": 1}


def test_a_month_with_rows_in_the_default_partition_stays_there(database: Database) -> None:
    add_cell(database, midnight(FEBRUARY))
    ensure_partitions(database, "cell", [JANUARY, FEBRUARY, MARCH])
    assert partitions(database) == {"cell_default", "cell_2026_01", "cell_2026_03"}
    add_cell(database, midnight(FEBRUARY))
    assert places(database) == {"cell_default": 2}
    with Database(database.dsn) as other:
        ensure_partitions(other, "cell", [FEBRUARY])
    assert partitions(database) == {"cell_default", "cell_2026_01", "cell_2026_03"}


def test_months_far_from_our_time_make_no_partition(database: Database) -> None:
    far = [dt.date(1, 1, 1), dt.date(1989, 12, 31), dt.date(2100, 1, 1), dt.date(9999, 12, 31)]
    near = [dt.date(1990, 1, 1), dt.date(2099, 12, 31)]
    ensure_partitions(database, "timeline", [*far, *near])
    assert partitions(database, "timeline") == {"timeline_default", "timeline_1990_01", "timeline_2099_12"}


def test_generated_ids_go_on_across_partitions(database: Database) -> None:
    ensure_partitions(database, "correction", [JANUARY])
    with database.transaction() as connection:
        rows = connection.execute(
            """
            INSERT INTO correction (known_at, ref, series, bucket, new_value, cause, place)
            SELECT at, gen_random_uuid(), 1, at, 1, 'late', '1-p0-live-1-0' FROM unnest(%s::timestamptz[]) AS at
            RETURNING id
            """,
            [[midnight(JANUARY), midnight(MARCH)]],
        ).fetchall()
    assert rows == [(1,), (2,)]


def test_many_processes_may_want_the_same_months(database: Database) -> None:
    failures: list[BaseException] = []
    months = [dt.date(2025, month, 1) for month in range(1, 13)]

    def want(turn: int) -> None:
        try:
            with Database(database.dsn) as own:
                together.wait()
                ensure_partitions(own, "cell", months if turn % 2 else reversed(months))
                add_cell(own, midnight(months[turn]))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    together = threading.Barrier(4)
    threads = [threading.Thread(target=want, args=[turn]) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert len(partitions(database)) == 13
    assert "cell_default" not in places(database)


def test_a_lock_that_cannot_be_had_is_tried_again_later(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mainstem.store.partitions._LOCK_TIMEOUT", "10ms")
    with database.transaction() as reader:
        reader.execute("SELECT FROM cell")
        with pytest.raises(UnavailableError):
            ensure_partitions(database, "cell", [JANUARY])
    ensure_partitions(database, "cell", [JANUARY])
    assert "cell_2026_01" in partitions(database)


def test_a_rebuild_has_partitions_of_its_own(database: Database) -> None:
    create_fold(database, "mainstem_rebuild")
    ensure_partitions(database, "cell", [JANUARY])
    with Database(database.dsn, fold_schema="mainstem_rebuild") as rebuild:
        ensure_partitions(rebuild, "cell", [JANUARY, FEBRUARY])
    assert partitions(database) == {"cell_default", "cell_2026_01"}
    rebuilt = partitions(database, schema="mainstem_rebuild")
    assert rebuilt == {"cell_default", "cell_2026_01", "cell_2026_02"}


def test_a_table_without_partitions_is_a_mistake(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="cell"):
        ensure_partitions(database, "cells", [JANUARY])


def test_pages_of_cells_are_made_with_room(database: Database) -> None:
    ensure_partitions(database, "cell", [JANUARY])
    with database.autocommit() as connection:
        rows = connection.execute(
            "SELECT relname, reloptions FROM pg_class WHERE relname IN ('cell_default', 'cell_2026_01')"
        ).fetchall()
    assert sorted(rows) == [("cell_2026_01", ["fillfactor=60"]), ("cell_default", ["fillfactor=60"])]
