"""Events that take effect in cells, as the sink would make them."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg.rows import dict_row

from mainstem.metrics import (
    CellDeltas,
    MetricSet,
    builtin_metrics,
    merge_cells,
    prepare_cells,
    read_metric,
    touch_customers,
)
from mainstem.model import Lane, Span
from mainstem.processing import EVENT_EFFECTS
from mainstem.store import Database, migrate

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
EXTRA = {
    "least": "measure: min\nvalue: quantity",
    "most": "measure: max\nvalue: quantity",
    "opening": "measure: first\nvalue: object",
    "closing": "measure: last\nvalue: quantity",
    "kinds": "measure: distinct\nvalue: event",
    "clicks": "measure: sum\nvalue: quantity\nwhere: event = 'click' AND json_extract_string(properties, '$.ok') = 'yes'",
}

SPAN = Span(1, 0, Lane.LIVE, 1, 7)


def ref(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


class Cells:
    """A sink that does nothing but merge cells."""

    def __init__(self, database: Database) -> None:
        self.database = database
        own = [read_metric(f"name: {name}\nentity: usage_event\nbucket: day\n{body}") for name, body in EXTRA.items()]
        self.metrics = MetricSet([*builtin_metrics(), *own])

    @staticmethod
    def rows(events: Iterable[Mapping[str, Any]]) -> pa.Table:
        """Events with `customer` and `occurred_at`; the rest has defaults."""
        rows = []
        for number, event in enumerate(events):
            given = dict(event)
            name = given.pop("customer")
            identity = str(given.pop("id", number)).encode()
            rows.append(
                {
                    "position": 1,
                    "index": number,
                    "received_at": NOW,
                    "slot": int.from_bytes(ref(name)[:2]) % 4096,
                    "record_hash": hashlib.sha256(identity).digest()[:16],
                    "customer": ref(name),
                    "person": ref(str(given.pop("person", name))),
                    "event": "click",
                    "object": "page",
                    "quantity": Decimal(1),
                    "properties": None,
                    **given,
                }
            )
        return pa.Table.from_pylist(rows, schema=EVENT_EFFECTS)

    def deltas(self, rows: pa.Table, **more: Any) -> CellDeltas:
        return self.metrics.deltas(rows, "app", "usage", more.pop("entity", "usage_event"), **more)

    def merge(
        self,
        deltas: CellDeltas,
        *,
        known_at: dt.datetime = NOW,
        data_now: dt.datetime = NOW,
        cause: str | None = "late",
    ) -> None:
        prepare_cells(self.database, deltas, known_at)
        with self.database.transaction() as conn:
            merge_cells(conn, deltas, known_at=known_at, data_now=data_now, span=SPAN, cause=cause)
            touch_customers(conn, [deltas], (), data_now)

    def happens(self, *events: Mapping[str, Any], **moment: Any) -> None:
        self.merge(self.deltas(self.rows(events)), **moment)

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self.database.snapshot() as conn, conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

    def cells(self, metric: str) -> dict[tuple[bytes, dt.datetime], Decimal]:
        rows = self.query(
            "SELECT ref, cell.bucket, value FROM cell JOIN series USING (series) WHERE metric = %s", [metric]
        )
        return {(row["ref"].bytes, row["bucket"]): row["value"] for row in rows}

    def everything(self) -> list[dict[str, Any]]:
        """All that cells say, without when it came to be known."""
        return self.query(
            "SELECT ref, series, bucket, value, state, last_at, dirty FROM cell ORDER BY ref, series, bucket"
        ) + self.query("SELECT series, grain, bucket, shard, value, state FROM rollup ORDER BY 1, 2, 3, 4")


@pytest.fixture
def database(emptied_database: Database) -> Database:
    return emptied_database


@pytest.fixture
def cells(database: Database) -> Cells:
    return Cells(database)


@pytest.fixture
def empty_second(postgres: str) -> Iterator[Cells]:
    """The same in a database of its own, to compare with."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with Database(f"{postgres} dbname={name}") as database:
        migrate(database)
        yield Cells(database)
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
