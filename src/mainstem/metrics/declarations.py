"""Declarations in force: which text of a metric or health model holds, since when.

A declaration's version rises with every new text. What a metric *measures* never changes under its name: its cells would
then be the sum of two meanings. So that a rebuild counts what was counted, a metric measures the records received from its
activation on, or all records, where there were none yet. No commit misses it, however late a process hears of it: a
committer proves inside its transaction (`Metrics.prove`) that the metrics it measured are those in force, and an
activation waits for the transactions that have.

A stored text that this release cannot read stops nobody: its metric measures nothing until it is declared anew.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import threading
import time

import structlog

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.metrics.definition import Metric
from mainstem.metrics.gauge import Gauge
from mainstem.metrics.journey import Journey
from mainstem.metrics.journey_reader import read_declared
from mainstem.metrics.metric_set import MetricSet
from mainstem.metrics.reader import builtin_metrics
from mainstem.store import Connection, Database

__all__ = [
    "Declaration",
    "Metrics",
    "activate_declaration",
    "active_declarations",
    "declaration_decided",
    "undecided_declarations",
]

_log = structlog.get_logger()

_LOOK_AGAIN = 3.0
# Any number nobody else uses: activations come one after another, and none while a commit that has proven its metrics is
# under way.
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
    """From when on the records of a metric count: behind everything received so far, by whichever clock."""
    if kind != "metric":
        return None
    if known is not None:
        if not _same_meaning(known.text, text):
            raise ConfigurationError(
                f"The metric {known.name!r} would measure something else under its old name.",
                hint="Declare it under a new name.",
            )
        return known.since
    [(records, latest)] = conn.execute(
        """
        SELECT EXISTS (SELECT FROM log_received WHERE source <> 'mainstem'),
            (SELECT max(last_received_at) FROM log_head WHERE last_received_at > '-infinity')
        """
    ).fetchall()
    if not records:
        return None
    return at if latest is None else max(at, latest + dt.timedelta(microseconds=1))


def _same_meaning(known: str, text: str) -> bool:
    """Whether two texts measure alike, as far as the one in force can be read."""
    try:
        return read_declared(known).meaning() == read_declared(text).meaning()
    except ConfigurationError:
        pass
    try:
        # Mostly it is the condition: what else is measured must be the same.
        before = read_declared(known, conditional=False)
    except ConfigurationError:
        return True
    return before.meaning() == read_declared(text, conditional=False).meaning()


class Metrics:
    """The metrics in force in a database: those built in, and those declared. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._current: MetricSet | None = None
        self._declared = 0
        self._looked_at = float("-inf")
        self._told: set[tuple[str, int]] = set()

    def current(self) -> MetricSet:
        """The metrics in force, as of a few seconds ago, but for those that cannot be read. Raises UnavailableError."""
        with self._lock:
            if self._current is None or time.monotonic() - self._looked_at > _LOOK_AGAIN:
                self._look()
            assert self._current is not None  # noqa: S101 - just looked
            return self._current

    def activate(self, metric: Metric | Gauge | Journey, at: dt.datetime) -> tuple[Declaration, bool]:
        """Put a metric in force; see `activate_declaration`. One that is built in stays as it is."""
        if any(metric.name == one.name for one in builtin_metrics()):
            raise ConfigurationError(f"The metric {metric.name!r} is built in.", hint="Give yours another name.")
        declaration, changed = activate_declaration(self._database, "metric", metric.name, metric.text, at)
        with self._lock:
            self._looked_at = float("-inf")
        return declaration, changed

    def prove(self, conn: Connection, used: MetricSet) -> None:
        """Inside a transaction: `used` are the metrics in force, and no other comes into force before its end.

        Raises UnavailableError when there are others by now: try again with what `current` then gives.
        """
        conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])
        declared = _count(conn)
        with self._lock:
            if used is self._current and declared == self._declared:
                return
            self._looked_at = float("-inf")
        raise UnavailableError("Another metric has come into force.", retry_after=0.01)

    def _look(self) -> None:
        with self._database.snapshot() as conn:
            declared, active = _count(conn), active_declarations(conn, "metric")
        if self._current is None or declared != self._declared:
            own: list[Metric | Gauge | Journey] = []
            unreadable: dict[str, str] = {}
            for one in active:
                try:
                    own.append(_since_then(read_declared(one.text, where=one.name), one.since))
                except ConfigurationError as error:
                    unreadable[one.name] = str(error)
                    self._tell(one, str(error))
            self._current = MetricSet([*builtin_metrics(), *own], unreadable)
            self._declared = declared
        self._looked_at = time.monotonic()

    def _tell(self, declaration: Declaration, why: str) -> None:
        if (declaration.name, declaration.version) not in self._told:
            self._told.add((declaration.name, declaration.version))
            _log.error(
                "metric_unreadable",
                metric=declaration.name,
                version=declaration.version,
                error=why,
                hint="It measures nothing. Declare it anew, in words that this release reads: mainstem activate FOLDER.",
            )


def _since_then(declared: Metric | Gauge | Journey, since: dt.datetime | None) -> Metric | Gauge | Journey:
    """The same, of records received from `since` on; a gauge is of the states that there are, whenever they came."""
    if isinstance(declared, Gauge):
        return declared
    if isinstance(declared, Journey):
        return declared.starting(since)
    return dataclasses.replace(declared, since=since)


def _count(conn: Connection) -> int:
    """How many texts of metrics were ever put in force: it rises with each, and never falls."""
    [(count,)] = conn.execute("SELECT count(*) FROM declaration WHERE kind = 'metric'").fetchall()
    return int(count)
