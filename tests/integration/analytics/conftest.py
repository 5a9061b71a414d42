"""A world of customers whose events take effect as the sink would make them, and a scorer over it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from mainstem.analytics import AnalyticsSettings, HealthModel, Scorer, ScorerParts, builtin_health_model
from mainstem.analytics.wording import Wording
from mainstem.contracts import Contract
from mainstem.metrics import MetricSet, MetricsSettings, builtin_metrics, merge_cells, prepare_cells, touch_customers
from mainstem.model import Lane, Span
from mainstem.processing import EVENT_EFFECTS
from mainstem.store import Database
from mainstem.testing import FixedClock

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
SOURCE = "app"


class NoContracts:
    """Every stream has the defaults: an hour of grace, stale after a day."""

    def active(self, source: str, stream: str) -> Contract | None:  # noqa: ARG002 - the protocol names them
        return None


class World:
    """Customers by name; what happens to them takes effect at the clock's time."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database = database
        self.clock = clock
        self.metrics = MetricSet(builtin_metrics())
        self.model: HealthModel = builtin_health_model()
        self.settings = AnalyticsSettings()
        self.scorer = Scorer(database, self.parts)
        self.wording = Wording(self, lambda: self.metrics)
        self._records = 0

    def parts(self) -> ScorerParts:
        return ScorerParts(
            clock=self.clock,
            contracts=NoContracts(),
            metrics=self.metrics,
            model=self.model,
            metrics_settings=MetricsSettings(),
            settings=self.settings,
        )

    def at(self, name: str, version: int) -> HealthModel:  # noqa: ARG002 - the protocol names them
        """The model in force; it is never activated here."""
        return self.model

    @staticmethod
    def ref(name: str) -> uuid.UUID:
        return uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16])

    def customer(self, *names: str, source: str = SOURCE, **attributes: str) -> None:
        """Make customers known, with the attributes of their entities."""
        at = self.clock.wall()
        with self.database.transaction() as conn:
            for name in names:
                ref = self.ref(name)
                conn.execute(
                    "INSERT INTO reference VALUES (%s, %s, 'customer', ''::bytea, %s) ON CONFLICT DO NOTHING",
                    [ref, source, at],
                )
                conn.execute(
                    """
                    INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash,
                                        content_hash, attributes)
                    VALUES ('customer', %s, %s, %s, false, '', %s, %s, %s, %s)
                    ON CONFLICT (entity, ref) DO UPDATE SET attributes = EXCLUDED.attributes
                    """,
                    [ref, ref, source, at, ref, ref, Jsonb(attributes)],
                )
            touch_customers(conn, (), [self.ref(name).bytes for name in names], self.clock.data())

    def happens(self, *events: tuple[str, dt.datetime], stream: str = "usage", **values: Any) -> None:
        """Events (customer, occurred_at) take effect now."""
        entity = values.pop("entity", "usage_event")
        source = values.pop("source", SOURCE)
        rows = self._rows(events, values)
        deltas = self.metrics.deltas(rows, source, stream, entity)
        known = self.clock.wall()
        prepare_cells(self.database, deltas, known)
        span = Span(1, 0, Lane.LIVE, self._records, self._records)
        with self.database.transaction() as conn:
            merge_cells(conn, deltas, known_at=known, data_now=self.clock.data(), span=span, cause="late")
            touch_customers(conn, [deltas], (), self.clock.data())
            conn.execute(
                """
                INSERT INTO stream_clock AS c VALUES (1, 0, %s, %s, %s, %s)
                ON CONFLICT (epoch, partition, source, stream) DO UPDATE SET
                    last_occurred_at = greatest(c.last_occurred_at, excluded.last_occurred_at),
                    last_received_at = excluded.last_received_at
                """,
                [source, stream, max(at for _, at in events), known],
            )

    def heartbeat(self, stream: str = "usage") -> None:
        with self.database.transaction() as conn:
            conn.execute(
                "INSERT INTO heartbeat VALUES (%s, %s, %s) ON CONFLICT (source, stream) DO UPDATE SET at = excluded.at",
                [SOURCE, stream, self.clock.data()],
            )

    def shown(self, name: str) -> dict[str, Any]:
        """The row that is shown."""
        [row] = self.query("SELECT * FROM score WHERE ref = %s", [self.ref(name)])
        return self._told(row)

    def score(self, name: str) -> Decimal:
        value: Decimal = self.shown(name)["score"]
        return value

    def history(self, name: str, kind: str = "daily") -> list[dict[str, Any]]:
        rows = self.query(
            "SELECT * FROM score_history WHERE ref = %s AND kind = %s ORDER BY as_of, id", [self.ref(name), kind]
        )
        return [self._told(row) for row in rows]

    def _told(self, row: dict[str, Any]) -> dict[str, Any]:
        told = self.wording.contributions(row["model"], row["model_version"], row["basis"])
        return {
            **row,
            "contributions": [dataclasses.asdict(one) for one in told],
            "inputs": {one.component: dataclasses.asdict(one.input) for one in told},
        }

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self.database.snapshot() as conn, conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

    def _rows(self, events: Sequence[tuple[str, dt.datetime]], values: dict[str, Any]) -> pa.Table:
        rows = []
        for name, at in events:
            self._records += 1
            rows.append(
                {
                    "position": self._records,
                    "index": 0,
                    "received_at": self.clock.wall(),
                    "slot": int.from_bytes(self.ref(name).bytes[:2]) % 4096,
                    "record_hash": hashlib.sha256(str(self._records).encode()).digest()[:16],
                    "occurred_at": at,
                    "customer": self.ref(name).bytes,
                    "person": self.ref(name + " person").bytes,
                    "event": "click",
                    "object": "page",
                    "quantity": Decimal(1),
                    "properties": None,
                    **values,
                }
            )
        return pa.Table.from_pylist(rows, schema=EVENT_EFFECTS)


@pytest.fixture
def database(emptied_database: Database) -> Database:
    return emptied_database


@pytest.fixture
def world(database: Database, clock: FixedClock) -> World:
    return World(database, clock)
