"""A script for the peers' own environment (`.venv-peers`): how fast Pandera and Great Expectations judge rows of a table.

    python peer_checks.py ROWS.parquet RULES    -> {"Pandera on Polars": rows/s, "Great Expectations on pandas": rows/s}

The rows are typed already and pass everything; the rules are those of `checks.py`, in each peer's words. Each tells of every
row which rules it fails, as ours does, and of several runs the fastest counts.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pandera.polars as pandera
import polars as pl

_REPEATS = 3
_EVENTS = ["page_view", "export_finished", "report_opened", "search", "login"]
_LEAST = float("-inf")


def main(path: str, rules: int) -> None:
    print(json.dumps({"Pandera on Polars": _pandera(path, rules), "Great Expectations on pandas": _gx(path, rules)}))


def _pandera(path: str, rules: int) -> float:
    rows = pl.read_parquet(path)
    checks = [_polars_check(number % 10, 100 + number) for number in range(rules)]
    schema = pandera.DataFrameSchema(checks=checks)
    return len(rows) / _seconds(lambda: schema.validate(rows, lazy=True))


def _polars_check(kind: int, n: int) -> Any:
    column = pl.col
    condition = (
        column("quantity") >= 0,
        column("event").str.len_chars() <= n,
        column("event") != f"x{n}",
        column("quantity") < n,
        column("customer_id").str.starts_with("customer") | (column("quantity") > n),
        column("object").is_null() | (column("object").str.len_chars() < n),
        column("occurred_at") > pl.datetime(2000, 1, 1, time_zone="UTC"),
        column("quantity").is_null() | (column("quantity") != n + 0.5),
        column("person_id") != column("customer_id"),
        column("event").is_in([*_EVENTS, f"x{n}"]),
    )[kind]
    return pandera.Check(lambda data: data.lazyframe.select(condition))


def _gx(path: str, rules: int) -> float:
    rows = pd.read_parquet(path)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    suite = gx.ExpectationSuite("rules", [_expectation(number % 10, 100 + number) for number in range(rules)])

    def judge() -> None:
        if not batch.validate(suite).success:
            raise ValueError("A row fails a rule that all rows pass.")

    return len(rows) / _seconds(judge)


def _expectation(kind: int, n: int) -> Any:
    return (
        lambda: gxe.ExpectColumnValuesToBeBetween(column="quantity", min_value=n - n, max_value=10**6 + n),
        lambda: gxe.ExpectColumnValueLengthsToBeBetween(column="event", max_value=n),
        lambda: gxe.ExpectColumnValuesToNotBeInSet(column="event", value_set=[f"x{n}"]),
        lambda: gxe.ExpectColumnValuesToBeBetween(column="quantity", max_value=n, strict_max=True),
        lambda: gxe.ExpectColumnValuesToMatchRegex(column="customer_id", regex=f"^customer|^{n}"),
        lambda: gxe.ExpectColumnValueLengthsToBeBetween(column="object", max_value=n, strict_max=True),
        lambda: gxe.ExpectColumnValuesToBeBetween(
            column="occurred_at", min_value=pd.Timestamp(2000, 1, 1, n % 24, tz="UTC"), strict_min=True
        ),
        lambda: gxe.ExpectColumnValuesToNotBeInSet(column="quantity", value_set=[n + 0.5]),
        lambda: gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(
            column_list=["person_id", "customer_id"], ignore_row_if="never", meta={"number": n}
        ),
        lambda: gxe.ExpectColumnValuesToBeInSet(column="event", value_set=[*_EVENTS, f"x{n}"]),
    )[kind]()


def _seconds(work: Callable[[], Any]) -> float:
    work()
    taken = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(sys.argv[1], int(sys.argv[2]))
