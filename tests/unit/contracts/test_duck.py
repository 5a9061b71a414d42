from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from mainstem.contracts.duck import connect


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{file}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM '{file}'",
        "SET enable_external_access = true",
        "SET threads = 8",
        "SET lock_configuration = false",
        "EXPORT DATABASE '{file}'",
    ],
)
def test_nothing_outside_is_in_reach(tmp_path: Path, statement: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text("a\n1\n")
    with connect() as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(file=file))
    assert file.read_text() == "a\n1\n"


def test_variables_of_python_are_not_tables() -> None:
    secret = pa.table({"a": [1]})
    with connect() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM secret")
    assert secret.num_rows == 1


def test_the_zone_is_utc_whatever_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    with connect() as connection:
        for one in (connection, connection.cursor()):
            assert one.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
            read = one.execute("SELECT '2026-01-01 00:00:00'::TIMESTAMPTZ AS at").to_arrow_table()
            assert read["at"].to_pylist() == [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]


def test_connections_are_apart() -> None:
    with connect() as one, connect() as other:
        one.execute("CREATE TABLE mine (a INTEGER)")
        with pytest.raises(duckdb.CatalogException):
            other.execute("SELECT * FROM mine")


def test_threads_and_memory_can_be_given() -> None:
    with connect(threads=2, memory_limit="200MB") as connection:
        row = connection.execute("SELECT current_setting('threads'), current_setting('memory_limit')").fetchone()
    assert row == (2, "190.7 MiB")
