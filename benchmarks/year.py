"""A year of customers in a running installation: a month of it goes the ordinary way, the rest is copied in SQL.

The month's events are loaded through the door, so references, cells, timelines and the ledger are real ones, and the
scorer of the tree scores the customers. Eleven earlier months of cells, sums and ledger lines are that month again; daily
scores are the present ones with a swing.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import psycopg

from mainstem.metrics import SegmentRollups
from mainstem.store import Database, ensure_partitions
from mainstem.testing.tree import RunningTree

__all__ = ["DAYS", "EVENTS_A_MONTH", "SEGMENTS", "SOURCE", "build_year", "wait_scored"]

SOURCE, SEGMENTS, DAYS = "shop", ("large", "middle", "small", "trial"), 365
EVENTS_A_MONTH = 12
_MONTH = 30
_PATIENCE = 300.0

_Connection = psycopg.Connection[tuple[object, ...]]

_ENTITIES = f"""
    INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash, content_hash, attributes)
    SELECT 'customer', ref, ref, source, false, '', now(), ref, ref,
           jsonb_build_object('segment', (ARRAY{list(SEGMENTS)})[1 + get_byte(uuid_send(ref), 1) % 4], 'plan', 'yearly')
    FROM reference WHERE kind = 'customer' ON CONFLICT DO NOTHING
    """
_TOUCH = """
    INSERT INTO touched (ref, since) SELECT ref, now() FROM reference WHERE kind = 'customer' ORDER BY ref
    ON CONFLICT (ref) DO UPDATE SET since = least(touched.since, excluded.since)
    """
_CELLS = """
    INSERT INTO cell SELECT ref, series, bucket - %(back)s, first_known_at, changed_at, last_at - %(back)s, true, false,
                            value, state
    FROM cell WHERE bucket >= %(from)s AND bucket < %(to)s
    """
_SUMS = (
    """
    INSERT INTO rollup SELECT series, bucket - %(back)s, shard, grain, false, false, value, state FROM rollup
    WHERE bucket >= %(from)s AND bucket < %(to)s AND grain IN ('hour', 'day') ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO segment_rollup SELECT series, segment, bucket - %(back)s, value, state FROM segment_rollup
    WHERE bucket >= %(from)s AND bucket < %(to)s ON CONFLICT DO NOTHING
    """,
)
_LEDGER = (
    """
    INSERT INTO ledger SELECT epoch, partition, source, stream, day - back, term, n
    FROM ledger, generate_series(1, %(days)s) AS back ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO log_received SELECT epoch, partition, lane, source, stream, day - back, n
    FROM log_received, generate_series(1, %(days)s) AS back ON CONFLICT DO NOTHING
    """,
)
_CORRECTIONS = """
    INSERT INTO correction (known_at, ref, series, bucket, old_value, new_value, old_state, new_state, cause, place)
    SELECT now() - interval '1 day', ref, series, bucket, greatest(value - 1, 0), value, state, state, 'late', '1/0/live/1/0'
    FROM cell WHERE closed AND bucket >= now() - interval '90 days' AND get_byte(uuid_send(ref), 2) < 32
    """
_TIMELINE = """
    INSERT INTO timeline (ref, last_at, source, stream, n, body)
    SELECT ref, last_at, source, stream, n, body FROM timeline, generate_series(1, 12)
    """
_SCORES = """
    INSERT INTO score_history (ref, model, model_version, kind, complete, as_of, known_at, score, band, grade, basis,
                               cause)
    SELECT ref, model, model_version, 'daily', true, day, day + interval '1 hour',
           greatest(0, least(100, score + 8 * sin(extract(epoch FROM day) / 864000 + get_byte(uuid_send(ref), 3)))),
           band, grade, basis, 'time'
    FROM generate_series(%(from)s::timestamptz, %(to)s::timestamptz, interval '1 day') AS day, score
    """


def build_year(tree: RunningTree, customers: int) -> tuple[float, str]:
    """Build it; seconds in which the tree scored all customers, and the connection string of the database."""
    state = tree.state()
    assert state is not None
    assert state.dsn is not None
    with Database(state.dsn) as database, database.connect() as conn:
        _make_partitions(database)
        _load_month(tree, customers)
        wait_scored(conn)
        conn.execute(_ENTITIES)
        began = time.monotonic()
        conn.execute(_TOUCH)
        conn.execute("SELECT pg_notify('mainstem_change', '')")
        wait_scored(conn)
        seconds = time.monotonic() - began
        SegmentRollups(database).refresh()
        _copy_back(database)
    return seconds, state.dsn


def wait_scored(conn: _Connection) -> None:
    """Wait until nobody that was touched waits for a score. Raises AssertionError after five minutes."""
    deadline = time.monotonic() + _PATIENCE
    while conn.execute("SELECT FROM touched LIMIT 1").fetchone() is not None:
        assert time.monotonic() < deadline, "The scorer does not come to an end."
        time.sleep(0.002)


def _load_month(tree: RunningTree, customers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-") as folder:
        file = Path(folder) / "month.parquet"
        duckdb.execute(
            f"""
            COPY (
                SELECT 'year-' || n AS id, 'customer-' || n % {customers} AS customer_id,
                       'person-' || n % {customers * 3} AS person_id,
                       ['login', 'search', 'export', 'page_view'][1 + (hash(n, 1) % 4)::INTEGER] AS event,
                       'report-' || hash(n, 3) % 40 AS object,
                       strftime(now()::TIMESTAMP - to_seconds((hash(n, 2) % {(_MONTH - 1) * 86_400})::BIGINT),
                                '%Y-%m-%dT%H:%M:%SZ') AS occurred_at
                FROM range({customers * EVENTS_A_MONTH}) AS rows (n)
            ) TO '{file}' (FORMAT parquet)
            """
        )
        tree.command("load", str(file), "--source", SOURCE, "--stream", "usage_events")
    key = tree.new_key("builder", "admin")
    deadline = time.monotonic() + _PATIENCE
    while not _in_effect(tree, key, customers * EVENTS_A_MONTH):
        assert time.monotonic() < deadline, "The load does not take effect."
        time.sleep(0.1)


def _in_effect(tree: RunningTree, key: str, records: int) -> bool:
    asked = urllib.request.Request(
        f"{tree.url}/api/v1/data/status/{SOURCE}", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked) as answer:
        return bool(json.load(answer)["data"]["accepted"] >= records)


def _make_partitions(database: Database) -> None:
    """While nobody writes yet."""
    today = dt.datetime.now(dt.UTC).date()
    for table in ("cell", "score_history"):
        ensure_partitions(database, table, [today - dt.timedelta(days=back) for back in range(DAYS + _MONTH)])


def _copy_back(database: Database) -> None:
    """Everything of before the last month, and what is asked for of this one; metrics and scores at once."""
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with ThreadPoolExecutor(2) as copiers:
        for done in [copiers.submit(_copied, database, copy, today) for copy in (_copy_metrics, _copy_scores)]:
            done.result()
    with database.connect() as conn:
        conn.execute("VACUUM ANALYZE")


def _copied(database: Database, copy: Callable[[_Connection, dt.datetime], None], today: dt.datetime) -> None:
    with database.connect() as conn:
        conn.execute("SET synchronous_commit = off; SET work_mem = '64MB'; SET statement_timeout = 0")
        copy(conn, today)


def _copy_metrics(conn: _Connection, today: dt.datetime) -> None:
    end = today + dt.timedelta(days=1)
    month = {"from": end - dt.timedelta(days=_MONTH), "to": end}
    for number in range(1, DAYS // _MONTH):
        back = {"back": dt.timedelta(days=_MONTH * number)}
        for statement in (_CELLS, *_SUMS):
            conn.execute(statement, month | back)
    for statement in _LEDGER:
        conn.execute(statement, {"days": DAYS})
    conn.execute(_CORRECTIONS)
    conn.execute(_TIMELINE)


def _copy_scores(conn: _Connection, today: dt.datetime) -> None:
    conn.execute(_SCORES, {"from": today - dt.timedelta(days=DAYS), "to": today})
