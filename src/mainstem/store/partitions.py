"""Monthly partitions, made when a month is first written to.

A month that already has rows in the default partition stays there: moving rows under readers and writers is worth less
than one slower month. So a row far outside of our time (a clock 30 years off) never makes a partition, and a month whose
partition could not be made in time loses nothing but speed.
"""

from __future__ import annotations

import datetime as dt
import threading
import weakref
from collections.abc import Iterable

import structlog
from psycopg import errors, sql

from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.store.database import Database
from mainstem.store.pool import Connection

__all__ = ["PARTITIONED", "ensure_partitions"]

PARTITIONED = ("cell", "correction", "score_history", "timeline")
"""The tables that are partitioned by month."""

_FIRST, _END = dt.date(1990, 1, 1), dt.date(2100, 1, 1)
# Attaching waits for whoever reads or writes the default partition, and others queue up behind it meanwhile.
_LOCK_TIMEOUT = "2s"
_WIDEST_GAP = 60
# How full pages are made, in percent: a cell changes again and again, and one that stays in its page costs no index entry.
_FILL = {"cell": 60}
_LOG = structlog.get_logger()

_Known = dict[str, set[dt.date]]
_known: weakref.WeakKeyDictionary[Database, _Known] = weakref.WeakKeyDictionary()
_guard = threading.Lock()


def ensure_partitions(database: Database, table: str, months: Iterable[dt.date]) -> None:
    """Make the partitions of `table` for the months that any of the given days lie in.

    Call it before the transaction that writes, never inside: it waits for transactions that use the table. Months
    settled once cost nothing again. Raises ConfigurationError for a table that is not partitioned, UnavailableError
    when a lock could not be had in time (try again) and StorageFullError.
    """
    if table not in PARTITIONED:
        raise ConfigurationError(f"{table!r} has no partitions.", hint=near_miss(table, PARTITIONED))
    wanted = {day.replace(day=1) for day in months if _FIRST <= day.replace(day=1) < _END}
    with _guard:
        settled = _known.setdefault(database, {}).setdefault(table, set())
        missing = sorted(wanted - settled)
    if not missing:
        return
    with database.transaction() as connection:
        present = _present(connection, database.fold_schema, table)
        absent = [month for month in missing if _name(table, month) not in present]
        if absent:
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_lock_name(database, table)])
            # Another process may have been faster while this one waited.
            present = _present(connection, database.fold_schema, table)
            for month in _with_gaps(table, absent, present):
                _make(connection, database.fold_schema, table, month)
    with _guard:
        settled.update(missing)


def _with_gaps(table: str, absent: list[dt.date], present: set[str]) -> list[dt.date]:
    """The absent months, and those up to the next one that has its partition: history comes month after month.

    Each attaching waits for whoever uses the table, so a replay or a load should wait once and not every month.
    """
    wanted = []
    for first in absent:
        gap: list[dt.date] = []
        month = first
        while month < _END and _name(table, month) not in present and len(gap) < _WIDEST_GAP:
            gap.append(month)
            month = _after(month)
        wanted += gap if month < _END and _name(table, month) in present else gap[:1]
    return sorted(set(wanted))


def _after(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)


def _name(table: str, month: dt.date) -> str:
    return f"{table}_{month:%Y_%m}"


def _lock_name(database: Database, table: str) -> str:
    return f"mainstem partitions {database.fold_schema}.{table}"


def _present(connection: Connection, schema: str, table: str) -> set[str]:
    rows = connection.execute(
        """
        SELECT child.relname FROM pg_inherits
        JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = to_regclass(%s)
        """,
        [f"{schema}.{table}"],
    ).fetchall()
    return {str(name) for (name,) in rows}


def _make(connection: Connection, schema: str, table: str, month: dt.date) -> None:
    end = _after(month)
    names = {
        "parent": sql.Identifier(schema, table),
        "child": sql.Identifier(schema, _name(table, month)),
        "first": sql.Literal(f"{month.isoformat()} 00:00:00+00"),
        "end": sql.Literal(f"{end.isoformat()} 00:00:00+00"),
        "fill": sql.Literal(_FILL.get(table, 100)),
    }
    try:
        with connection.transaction():
            # Created beside and then attached: that leaves the parent usable, unlike CREATE TABLE ... PARTITION OF.
            connection.execute(
                sql.SQL(
                    "CREATE TABLE {child} (LIKE {parent} INCLUDING ALL EXCLUDING IDENTITY) WITH (fillfactor = {fill})"
                ).format(**names)
            )
            connection.execute(
                sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({first}) TO ({end})").format(
                    **names
                )
            )
    except errors.CheckViolation:
        _LOG.info("store.month_stays_in_default", table=table, month=f"{month:%Y-%m}")
