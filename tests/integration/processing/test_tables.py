"""How single tables are written and read."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pyarrow as pa
import pytest

from mainstem.processing import open_reference, trim_timeline, unpack_timeline
from mainstem.processing.tables.binary_copy import Jsonb, copy_rows
from mainstem.store import Database

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)


def test_columns_of_every_type_arrive_as_they_are(database: Database) -> None:
    rows: list[tuple[Any, ...]] = [
        (uuid.uuid4(), "ä\\\t\n", b"\0\xff", 1, -2, 2**40, True, dt.date(1969, 12, 31), NOW, {"a": ["\\", "é"]}),
        (None, None, None, None, None, None, None, None, None, None),
        (uuid.uuid4(), "", b"", -5, 7, -1, False, dt.date(2200, 1, 1), dt.datetime(1, 1, 2, tzinfo=dt.UTC), {}),
    ]
    names = ("u", "t", "b", "i2", "i4", "i8", "f", "d", "ts")
    kinds = (pa.binary(16), pa.string(), pa.binary(), pa.int16(), pa.int32(), pa.int64(), pa.bool_(), pa.date32(),
             pa.timestamp("us", "UTC"))  # fmt: skip
    values: list[list[Any]] = [[row[n] for row in rows] for n in range(10)]
    values[0] = [value and value.bytes for value in values[0]]
    columns: dict[str, Any] = {
        name: pa.chunked_array([pa.array(column, kind)])
        for name, column, kind in zip(names, values[:9], kinds, strict=True)
    }
    columns["j"] = Jsonb(pa.array(['{"a": ["\\\\", "é"]}', None, "{}"]))
    with database.transaction() as conn:
        conn.execute(
            "CREATE TEMPORARY TABLE every (u uuid, t text, b bytea, i2 int2, i4 int4, i8 int8, f bool, d date,"
            " ts timestamptz, j jsonb)"
        )
        assert copy_rows(conn, "every", columns) == 3
        sliced = {name: columns[name].slice(1, 2) for name in names}
        assert copy_rows(conn, "every", {**sliced, "j": Jsonb(columns["j"].texts.slice(1, 2))}) == 2
        assert conn.execute("SELECT * FROM every").fetchall() == [*rows, *rows[1:]]


def test_a_column_that_has_no_likeness_is_refused(database: Database) -> None:
    with database.autocommit() as conn, pytest.raises(TypeError):
        copy_rows(conn, "ledger", {"n": pa.array([1.5])})


def test_a_timeline_tells_the_recent_events(plant: Any, usage_contract: Any) -> None:
    payloads = [
        {"id": "1", "customer": "c", "event": 'say "hi"', "at": "2026-01-15T10:00:00Z", "n": 2.5, "page": "/ä"},
        {"id": "2", "customer": "c", "event": "open", "at": "2026-01-15T09:00:00Z", "person": "p"},
        {"id": "3", "customer": "c", "event": "old", "at": "2025-12-01T09:00:00Z"},
        {"id": "4", "customer": "d", "event": "open", "at": "2026-01-15T09:30:00Z", "n": 300},
    ]
    plant.deliver(plant.records(usage_contract, payloads))
    plant.run()
    references = plant.keyring.references
    rows = plant.query("SELECT ref, last_at, source, stream, n, body FROM timeline ORDER BY last_at DESC")
    assert [(row[0].bytes, row[1:5]) for row in rows] == [
        (references.ref("app", "customer", "c"), (NOW - dt.timedelta(hours=2), "app", "usage", 2)),
        (references.ref("app", "customer", "d"), (NOW - dt.timedelta(hours=2.5), "app", "usage", 1)),
    ]
    first, second = unpack_timeline(rows[0][5], rows[0][0].bytes, plant.keyring.sealer)
    assert (first.event, first.object, first.quantity) == ("open", None, None)
    assert first.person == references.ref("app", "person", "p").hex()
    assert (second.at, second.event, second.object) == (NOW - dt.timedelta(hours=2), 'say "hi"', "/ä")
    assert (second.quantity, second.person) == ("2.5", None)
    assert [event.quantity for event in unpack_timeline(rows[1][5], rows[1][0].bytes, plant.keyring.sealer)] == ["300"]


def test_a_timeline_is_trimmed_by_age_and_number(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    for days in range(6):
        for turn in range(3):
            first, at = (3 * days + turn) * 20, NOW - dt.timedelta(days=6 - days)
            plant.deliver(plant.records(usage_contract, make_usage(20, customers=2, first=first, at=at)))
    plant.run()
    trim_timeline(plant.database, plant.keyring.sealer, before=NOW - dt.timedelta(days=5.5), keep=80, crowd=5)
    rows = plant.query("SELECT ref, count(*), sum(n), min(last_at) FROM timeline GROUP BY ref")
    for _, count, events, oldest in rows:
        # Rows of a day were joined, after those went that are wholly behind what is kept.
        assert (count, events) == (3, 80)
        assert oldest > NOW - dt.timedelta(days=4)
    bodies = plant.query("SELECT n, body, ref FROM timeline")
    assert all(len(unpack_timeline(body, ref.bytes, plant.keyring.sealer)) == n for n, body, ref in bodies)


def test_references_can_be_opened_by_who_has_the_keys(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    plant.deliver(plant.records(usage_contract, make_usage(20)))
    plant.run()
    rows = plant.query("SELECT ref, kind, value_sealed FROM reference")
    values = {(kind, open_reference(plant.keyring.sealer, ref.bytes, sealed)) for ref, kind, sealed in rows}
    customers = {("customer", f"c{n}") for n in range(7)}
    assert values == customers | {("person", f"p{n}@example.org") for n in range(14)}
    assert not any(b"example" in sealed for _, _, sealed in rows)
