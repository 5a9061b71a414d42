"""Checks: a contract with 1, 10 and 50 rules, the whole plan (parse, types, rules) beside the plan without rules.

What many rules take is also told alone: the plan's time with them, less its time without, beside bare DuckDB predicates over
the same rows, parsed before. Of one rule that difference is less than a run's own. Of several runs the fastest counts.
Beside it, too, the tools that data teams judge rows with, given the same rows, typed already, and the same rules.
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Callable, Iterator

import duckdb
import numpy as np
import pyarrow as pa
import yaml

from benchmarks.events import usage_events
from benchmarks.peers import judged_by_peers
from benchmarks.recipe import Figure
from mainstem.contracts import RECORDS, CheckPlan, builtin_contracts, read_contract
from mainstem.contracts.duck import connect

__all__ = ["run"]

_BATCH = 20_000
_REPEATS = 5
_MUST = {1: None, 10: 500_000.0, 50: 300_000.0}
_RULES = (
    "quantity >= 0",
    "length(event) <= {n}",
    "event <> 'x{n}'",
    "quantity < {n}",
    "starts_with(customer_id, 'customer') OR quantity > {n}",
    "object IS NULL OR length(object) < {n}",
    "occurred_at > '2000-01-01'",
    "quantity IS NULL OR quantity <> {n}.5",
    "person_id <> customer_id",
    "event IN ('page_view', 'export_finished', 'report_opened', 'search', 'login', 'x{n}')",
)


def run(size: int = 200_000) -> Iterator[Figure]:
    """`size` records."""
    records = _records(usage_events(size))
    with connect() as connection:
        typed = _typed(connection, records)
        builtin = builtin_contracts()["usage_events"]
        plain = _seconds(functools.partial(_check, connection, CheckPlan.compile(builtin), records))
        for count, must in _MUST.items():
            rules = [_RULES[n % len(_RULES)].format(n=100 + n) for n in range(count)]
            plan = CheckPlan.compile(read_contract(_contract(rules), "benchmark"))
            checked = _seconds(functools.partial(_check, connection, plan, records))
            named = "1 rule" if count == 1 else f"{count} rules"
            yield Figure(
                f"checks: parse, types and {named}",
                size / checked,
                "rows/s",
                must,
                "parse and types alone",
                size / plain,
            )
            if count > 1 and checked > plain:
                bare = _seconds(functools.partial(_bare, connection, typed, rules))
                added = size / (checked - plain)
                yield Figure(f"checks: {named} alone", added, "rows/s", must, "bare DuckDB predicates", size / bare)
                for peer, judged in judged_by_peers(pa.concat_tables(typed), count).items():
                    yield Figure(f"checks: {named} alone, beside {peer}", added, "rows/s", None, peer, judged)


def _contract(rules: list[str]) -> str:
    data = yaml.safe_load(builtin_contracts()["usage_events"].text)
    data["customProperties"] = [{"property": "source", "value": "bench"}]
    data["schema"][0]["quality"] = [
        {"name": f"r{n}", "type": "custom", "engine": "mainstem", "implementation": rule}
        for n, rule in enumerate(rules)
    ]
    return yaml.safe_dump(data)


def _records(payloads: list[bytes]) -> list[pa.Table]:
    tables = []
    for start in range(0, len(payloads), _BATCH):
        part = payloads[start : start + _BATCH]
        columns = {
            "n": pa.array(np.arange(len(part))),
            "payload": pa.array(part, pa.binary()),
            "as_of": pa.array([dt.datetime.now(dt.UTC)] * len(part), RECORDS.field("as_of").type),
            "op": pa.array(["event"] * len(part)),
        }
        tables.append(pa.table({f.name: columns.get(f.name, pa.nulls(len(part), f.type)) for f in RECORDS}, RECORDS))
    return tables


def _check(connection: duckdb.DuckDBPyConnection, plan: CheckPlan, tables: list[pa.Table]) -> None:
    for table in tables:
        reasons = plan.run(connection, table)["reason"]
        if reasons.null_count != len(reasons):
            raise ValueError(f"A record fails: {reasons.drop_null()[0]}.")


def _typed(connection: duckdb.DuckDBPyConnection, tables: list[pa.Table]) -> list[pa.Table]:
    """The records' values, parsed before: what bare predicates look at."""
    plan = CheckPlan.compile(builtin_contracts()["usage_events"])
    typed = []
    for table in tables:
        checked = plan.run(connection, table)
        names = [name for name in checked.schema.names if name.startswith("f_")]
        typed.append(checked.select(names).rename_columns([name[2:] for name in names]))
    return typed


def _bare(connection: duckdb.DuckDBPyConnection, tables: list[pa.Table], rules: list[str]) -> None:
    for table in tables:
        connection.register("typed", table)
        predicates = " ".join(f"WHEN NOT ({rule}) THEN {n}" for n, rule in enumerate(rules))
        connection.execute(f"SELECT CASE {predicates} END AS failed FROM typed").to_arrow_table()
        connection.unregister("typed")


def _seconds(work: Callable[[], None]) -> float:
    """The fastest of several runs, after one that warms up."""
    work()
    taken = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
