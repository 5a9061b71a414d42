"""Log lines about errors never repeat what an error says."""

from __future__ import annotations

import duckdb
import psycopg

from mainstem.processing.failures import described


def _raised() -> BaseException:
    try:
        duckdb.sql("SELECT 'ann@example.org'::INTEGER").fetchall()
    except duckdb.Error as error:
        return error
    raise AssertionError


def test_an_error_is_told_by_its_class_and_place_only() -> None:
    error = _raised()
    assert "ann@example.org" in str(error)
    fields = described(error)
    assert fields["error"] == "_duckdb.ConversionException"
    assert any("test_failures.py" in str(frame) for frame in fields["at"])  # type: ignore[attr-defined]
    assert "ann@example.org" not in repr(fields)


def test_a_database_error_keeps_its_code() -> None:
    assert described(psycopg.errors.UniqueViolation("Key (email)=(ann@example.org)"))["sqlstate"] == "23505"
