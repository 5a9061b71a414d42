from __future__ import annotations

import datetime as dt
import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mainstem.contracts import RECORDS, CheckPlan, Contract, _bench
from mainstem.contracts.duck import connect

Make = Callable[..., Contract]

AS_OF = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
PAYLOAD = b'{"customer":"c","event":"e","at":"2026-01-15","x":5}'


def _records(*payloads: bytes) -> pa.Table:
    columns: dict[str, Any] = {"n": range(len(payloads)), "payload": payloads, "as_of": [AS_OF] * len(payloads)}
    columns["op"] = ["event"] * len(payloads)
    return pa.table(
        [pa.array(columns.get(field.name, [None] * len(payloads)), field.type) for field in RECORDS], schema=RECORDS
    )


def test_the_callers_names_stay_the_callers(event_contract: Make) -> None:
    plan = CheckPlan.compile(event_contract())
    with connect() as connection:
        connection.register("records", pa.table({"mine": [1]}))
        assert plan.run(connection, _records(PAYLOAD))["reason"].to_pylist() == [None]
        assert connection.execute("SELECT * FROM records").fetchall() == [(1,)]
        connection.unregister("records")
        assert plan.run(connection, _records(PAYLOAD, b""))["reason"].to_pylist() == [None, "invalid_json"]
        with pytest.raises(duckdb.CatalogException):
            connection.execute("SELECT * FROM records")


def test_more_plans_than_are_kept_prepared(event_contract: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bench, "_MOST_PREPARED", 2)
    types = ("string", "integer", "number", "timestamp")
    plans = [CheckPlan.compile(event_contract({"name": "x", "logicalType": name})) for name in types]
    with connect() as connection:
        for _ in range(2):
            read = [plan.run(connection, _records(PAYLOAD))["f_x"][0].as_py() for plan in plans]
            assert read == ["5", 5, 5, dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)]


def test_after_an_error_the_next_batch_is_read(event_contract: Make) -> None:
    plan = CheckPlan.compile(event_contract({"name": "y", "logicalType": "string"}))
    large = b'{"customer":"c","event":"e","at":"2026-01-15","y":"' + b"y" * 50_000_000 + b'"}'
    with connect(memory_limit="30MB") as connection:
        with pytest.raises(duckdb.Error):
            plan.run(connection, _records(PAYLOAD, large))
        assert plan.run(connection, _records(PAYLOAD))["reason"].to_pylist() == [None]


def test_a_connection_that_goes_takes_its_bench_along(event_contract: Make) -> None:
    connection = connect()
    CheckPlan.compile(event_contract()).run(connection, _records(PAYLOAD))
    bench = weakref.ref(_bench.Bench.of(connection))
    connection.close()
    del connection
    gc.collect()
    assert bench() is None


def test_threads_use_one_plan_each_on_its_connection(event_contract: Make) -> None:
    plan = CheckPlan.compile(event_contract())

    def run(number: int) -> list[str]:
        with connect() as connection:
            payloads = [PAYLOAD.replace(b'"c"', b'"%d-%d"' % (number, row)) for row in range(500)]
            return [
                key for _ in range(3) for key in plan.run(connection, _records(*payloads))["partition_key"].to_pylist()
            ]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, range(4)))
    assert results == [[f"{number}-{row}" for row in range(500)] * 3 for number in range(4)]


def test_rows_that_do_not_fit_into_memory_together_are_read_a_few_at_a_time(event_contract: Make) -> None:
    fields = [{"name": f"n{i}", "logicalType": "timestamp"} for i in range(20)]
    plan = CheckPlan.compile(event_contract(*fields))
    members = "".join(f',"n{i}":"5"' for i in range(20))
    payload = PAYLOAD[:-1] + f'{members},"text":"{"x" * 2000}"}}'.encode()
    with connect(memory_limit="60MB") as connection:
        checked = plan.run(connection, _records(*[payload] * 1999, PAYLOAD))
    assert checked["reason"].to_pylist() == ["invalid_time"] * 1999 + [None]
