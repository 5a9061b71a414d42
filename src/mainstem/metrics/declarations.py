"""Declarations in force: which text of a metric or health model holds, since when.

A declaration's version rises with every new text. What a metric *measures* never changes under its name: its cells would
then be the sum of two meanings. So that a rebuild counts what was counted, a metric measures the records received from a
moment on, a little after its activation, when every process has heard of it; or all records, where there were none yet.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import threading
import time

from mainstem.errors import ConfigurationError
from mainstem.metrics.definition import Metric
from mainstem.metrics.metric_set import MetricSet
from mainstem.metrics.reader import builtin_metrics, read_metric
from mainstem.store import Connection, Database

__all__ = [
    "Declaration",
    "Metrics",
    "activate_declaration",
    "active_declarations",
    "declaration_decided",
    "undecided_declarations",
]

_LOOK_AGAIN = 3.0
_HEARD_OF = dt.timedelta(seconds=10)
# Any number nobody else uses: activations come one after another.
_LOCK = int.from_bytes(b"declare") >> 1


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """A text in force."""

    kind: str
    name: str
    version: int
    text: str
    since: dt.datetime | None


def active_declarations(conn: Connection, kind: str) -> list[Declaration]:
    """The declarations of a kind in force, by name."""
    rows = conn.execute(
        """
        SELECT DISTINCT ON (name) kind, name, version, text, since FROM declaration
        WHERE kind = %s ORDER BY name, version DESC
        """,
        [kind],
    ).fetchall()
    return [Declaration(*row) for row in rows]


def activate_declaration(
    database: Database, kind: str, name: str, text: str, at: dt.datetime, *, again: bool = False
) -> tuple[Declaration, bool]:
    """Put a text in force; what is in force now, and whether that is new.

    `at` is wall time; `again` makes a new version also of the text that is the last one. Raises ConfigurationError for a
    metric that would measure something else under its old name, and StorageFullError or UnavailableError.
    """
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    with database.transaction() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = [one for one in active_declarations(conn, kind) if one.name == name]
        if known and known[0].text == text and not again:
            return known[0], False
        since = _since(conn, known[0] if known else None, kind, text, at)
        version = known[0].version + 1 if known else 1
        conn.execute(
            """
            INSERT INTO declaration (kind, name, version, fingerprint, text, activated_at, since)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            """,
            [kind, name, version, fingerprint, text, at, since],
        )
    return Declaration(kind, name, version, text, since), True


def undecided_declarations(database: Database) -> list[Declaration]:
    """Activated declarations that no decision tells of yet. Raises UnavailableError."""
    with database.autocommit() as conn:
        rows = conn.execute(
            """
            SELECT kind, name, version, text, since FROM declaration WHERE NOT decided
            ORDER BY activated_at, kind, name, version
            """
        ).fetchall()
    return [Declaration(*row) for row in rows]


def declaration_decided(database: Database, declaration: Declaration) -> None:
    """Note that a decision tells of the declaration. Raises StorageFullError or UnavailableError."""
    with database.transaction() as conn:
        conn.execute(
            "UPDATE declaration SET decided = true WHERE kind = %s AND name = %s AND version = %s",
            [declaration.kind, declaration.name, declaration.version],
        )


def _since(conn: Connection, known: Declaration | None, kind: str, text: str, at: dt.datetime) -> dt.datetime | None:
    """From when on the records of a metric count."""
    if kind != "metric":
        return None
    if known is not None:
        if read_metric(known.text).meaning() != read_metric(text).meaning():
            raise ConfigurationError(
                f"The metric {known.name!r} would measure something else under its old name.",
                hint="Declare it under a new name.",
            )
        return known.since
    [(records,)] = conn.execute("SELECT EXISTS (SELECT FROM log_received WHERE source <> 'mainstem')").fetchall()
    return at + _HEARD_OF if records else None


class Metrics:
    """The metrics in force in a database: those built in, and those declared. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._current: MetricSet | None = None
        self._versions: dict[str, int] = {}
        self._looked_at = 0.0

    def current(self) -> MetricSet:
        """The metrics in force, as of a few seconds ago. Raises UnavailableError."""
        with self._lock:
            if self._current is None or time.monotonic() - self._looked_at > _LOOK_AGAIN:
                self._look()
            assert self._current is not None  # noqa: S101 - just looked
            return self._current

    def activate(self, metric: Metric, at: dt.datetime) -> tuple[Declaration, bool]:
        """Put a metric in force; see `activate_declaration`. One that is built in stays as it is."""
        if any(metric.name == one.name for one in builtin_metrics()):
            raise ConfigurationError(f"The metric {metric.name!r} is built in.", hint="Give yours another name.")
        declaration, changed = activate_declaration(self._database, "metric", metric.name, metric.text, at)
        with self._lock:
            self._looked_at = 0.0
        return declaration, changed

    def _look(self) -> None:
        with self._database.snapshot() as conn:
            declared = active_declarations(conn, "metric")
        versions = {one.name: one.version for one in declared}
        if self._current is None or versions != self._versions:
            own = [dataclasses.replace(read_metric(one.text, where=one.name), since=one.since) for one in declared]
            self._current = MetricSet([*builtin_metrics(), *own])
            self._versions = versions
        self._looked_at = time.monotonic()
