"""Which health model is in force: the one activated last, or the built-in one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import time

from mainstem.analytics.model import HealthModel
from mainstem.analytics.reader import builtin_health_model, check_health_model, read_health_model
from mainstem.errors import NotFoundError
from mainstem.metrics import Declaration, Metrics, activate_declaration
from mainstem.store import Connection, Database

__all__ = ["HealthModels", "activate_health_model"]

_KIND = "health_model"
_LOOK_AGAIN = 3.0


def activate_health_model(database: Database, model: HealthModel, at: dt.datetime) -> tuple[Declaration, bool]:
    """Put a model in force (`at` is wall time); what is in force now, and whether that is new.

    Raises ConfigurationError for a model that looks at metrics which are not there, StorageFullError or UnavailableError.
    """
    check_health_model(model, Metrics(database).current(), where=f"health model {model.name}")
    with database.autocommit() as conn:
        newest = _newest(conn)
    # A text that another model has taken over from comes into force again.
    again = newest is not None and newest.name != model.name
    return activate_declaration(database, _KIND, model.name, model.text, at, again=again)


class HealthModels:
    """The health model in force in a database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._current: HealthModel | None = None
        self._looked_at = 0.0
        self._known: dict[tuple[str, int], HealthModel] = {}

    def current(self) -> HealthModel:
        """The model in force, as of a few seconds ago. Raises UnavailableError."""
        with self._lock:
            if self._current is None or time.monotonic() - self._looked_at > _LOOK_AGAIN:
                self._current = self._look()
                self._looked_at = time.monotonic()
            return self._current

    def at(self, name: str, version: int) -> HealthModel:
        """A version of a model, whether in force or not. Raises NotFoundError or UnavailableError."""
        known = self._known.get((name, version))
        if known is None:
            known = self._known[name, version] = self._read(name, version)
        return known

    def _read(self, name: str, version: int) -> HealthModel:
        builtin = builtin_health_model()
        if (name, version) == (builtin.name, builtin.version):
            return builtin
        with self._database.autocommit() as conn:
            row = conn.execute(
                "SELECT text FROM declaration WHERE kind = %s AND name = %s AND version = %s", [_KIND, name, version]
            ).fetchone()
        if row is None:
            raise NotFoundError(f"There is no version {version} of the health model {name!r}.")
        return dataclasses.replace(read_health_model(row[0], where=f"health model {name}"), version=version)

    def _look(self) -> HealthModel:
        with self._database.autocommit() as conn:
            newest = _newest(conn)
        if newest is None:
            return builtin_health_model()
        known = self._current
        if known is not None and (known.name, known.version) == (newest.name, newest.version):
            return known
        model = read_health_model(newest.text, where=f"health model {newest.name}")
        return dataclasses.replace(model, version=newest.version)


def _newest(conn: Connection) -> Declaration | None:
    row = conn.execute(
        """
        SELECT kind, name, version, text, since FROM declaration WHERE kind = %s
        ORDER BY activated_at DESC, version DESC LIMIT 1
        """,
        [_KIND],
    ).fetchone()
    return None if row is None else Declaration(*row)
