"""Bringing a database's tables to this release's.

Revisions are plain SQL files, `migrations/<branch>/<number>_<name>.sql`, applied in the order of their names by Alembic,
which keeps the version table. There are two branches: `control` (schema `mainstem`) and `fold` (what a rebuild makes
anew, in a schema of any name). Both are brought up in one transaction under an advisory lock, so that any number of
processes may start at once and a crash leaves nothing half done. A database that is current is left alone after one
query, without Alembic and SQLAlchemy being imported at all.
"""

from __future__ import annotations

import functools
import importlib.resources
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from psycopg import errors, sql

from mainstem.errors import ConfigurationError
from mainstem.store.database import CONTROL_SCHEMA, FOLD_SCHEMA, Database
from mainstem.store.failures import translated
from mainstem.store.pool import Connection

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script.revision import RevisionMap

__all__ = ["create_fold", "drop_fold", "migrate", "swap_fold"]

_VERSION_TABLE = "schema_version"
# Any number will do that nobody else uses in this database: "mainstem" as bytes.
_LOCK = int.from_bytes(b"mainstem") >> 1
_LOG = structlog.get_logger()


def migrate(database: Database) -> None:
    """Bring both schemas to this release's revisions; safe from many processes at once.

    Raises ConfigurationError when the database belongs to a newer release, StorageFullError or UnavailableError.
    """
    branches = {"control": CONTROL_SCHEMA, "fold": database.fold_schema}
    if _is_current(database, branches):
        return
    _apply(database, branches)


def create_fold(database: Database, schema: str) -> None:
    """Make a fold schema and its tables, or bring it up to date; for a rebuild beside the running system.

    Raises ConfigurationError for the schema in use by this Database, otherwise as `migrate`.
    """
    if schema in {database.fold_schema, CONTROL_SCHEMA}:
        raise ConfigurationError(f"The schema {schema!r} is in use.")
    _apply(database, {"fold": schema})


def drop_fold(database: Database, schema: str) -> None:
    """Remove a fold schema and everything in it, if it is there.

    Raises ConfigurationError for the schema in use, StorageFullError or UnavailableError.
    """
    if schema in {database.fold_schema, CONTROL_SCHEMA, FOLD_SCHEMA}:
        raise ConfigurationError(f"The schema {schema!r} is in use.")
    with database.transaction() as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def swap_fold(conn: Connection, new_schema: str) -> None:
    """Inside a transaction: `new_schema` becomes the fold, the old one `mainstem_fold_old`; a new generation begins.

    Writers of the old fold finish first and later ones find the new tables; readers are not held up. The old schema is
    kept for a look until the next swap or `drop_fold`.
    """
    old_schema = f"{FOLD_SCHEMA}_old"
    fold, new, old = (sql.Identifier(name) for name in (FOLD_SCHEMA, new_schema, old_schema))
    # Whoever changes the fold writes a position or a change; both wait here for whoever is under way.
    conn.execute(sql.SQL("LOCK TABLE {fold}.sink_position, {fold}.change_head IN EXCLUSIVE MODE").format(fold=fold))
    conn.execute(sql.SQL("DROP SCHEMA IF EXISTS {old} CASCADE").format(old=old))
    conn.execute(sql.SQL("ALTER SCHEMA {fold} RENAME TO {old}").format(fold=fold, old=old))
    conn.execute(sql.SQL("ALTER SCHEMA {new} RENAME TO {fold}").format(new=new, fold=fold))
    conn.execute(
        sql.SQL("UPDATE {}.installation SET generation = generation + 1").format(sql.Identifier(CONTROL_SCHEMA))
    )


@functools.cache
def _revisions(branch: str) -> tuple[tuple[str, str], ...]:
    """(revision, SQL) of a branch in order."""
    folder = importlib.resources.files("mainstem.store") / "migrations" / branch
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple((name.removesuffix(".sql"), (folder / name).read_text(encoding="utf-8")) for name in names)


def _is_current(database: Database, branches: dict[str, str]) -> bool:
    query = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {branch}, version_num FROM {table}").format(
            branch=sql.Literal(branch), table=sql.Identifier(schema, _VERSION_TABLE)
        )
        for branch, schema in branches.items()
    )
    try:
        with database.autocommit() as connection:
            found = dict(connection.execute(query).fetchall())
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return False
    return found == {branch: _revisions(branch)[-1][0] for branch in branches}


def _apply(database: Database, branches: dict[str, str]) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    with translated(), database.connect() as connection:
        # Another process may be at it, and a large table may take its time.
        connection.execute("SET lock_timeout = 0; SET statement_timeout = 0; SET client_min_messages = warning")
        connection.autocommit = False
        # StaticPool: the lock, the revisions and the version tables share this one connection and its transaction.
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        with engine.connect() as alchemy, alchemy.begin():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            for branch, schema in branches.items():
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
                path = f"{schema},{CONTROL_SCHEMA}"
                connection.execute("SELECT set_config('search_path', %s, true)", [path])
                _upgrade(alchemy, branch, schema, connection)


def _upgrade(alchemy: Any, branch: str, schema: str, connection: Connection) -> None:
    from alembic.runtime.migration import MigrationContext

    revision_map = _revision_map(branch, connection)

    def steps(heads: Sequence[str], _: MigrationContext) -> list[RevisionStep]:
        return _pending(branch, revision_map, tuple(heads))

    context = MigrationContext.configure(
        alchemy, opts={"fn": steps, "version_table": _VERSION_TABLE, "version_table_schema": schema}
    )
    context.run_migrations()


def _pending(branch: str, revision_map: RevisionMap, heads: tuple[str, ...]) -> list[RevisionStep]:
    from alembic.runtime.migration import RevisionStep
    from alembic.script.revision import ResolutionError

    try:
        scripts = list(revision_map.iterate_revisions("heads", heads or None))
    except ResolutionError as error:
        raise ConfigurationError(
            f"The database's {branch} tables are of revision {', '.join(heads)}, which this release does not know.",
            hint="It was opened by a newer release of Mainstem: use that one.",
        ) from error
    steps: list[RevisionStep] = []
    for script in reversed(scripts):
        _LOG.info("store.migrating", branch=branch, revision=script.revision)
        steps.append(RevisionStep(revision_map, script, is_upgrade=True))  # type: ignore[arg-type]
    return steps


def _revision_map(branch: str, connection: Connection) -> RevisionMap:
    from alembic.script.base import Script
    from alembic.script.revision import RevisionMap

    scripts: list[Script] = []
    before: str | None = None
    for revision, text in _revisions(branch):
        module = types.ModuleType(revision, f"{branch}: {revision}")
        vars(module).update(down_revision=before, upgrade=functools.partial(_run, connection, text))
        scripts.append(Script(module, revision, f"migrations/{branch}/{revision}.sql"))
        before = revision
    return RevisionMap(lambda: scripts)


def _run(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text.encode())
