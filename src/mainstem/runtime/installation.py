"""The installation: its keys, its row in the database, and the proof that the two belong together.

Keys come first. A data folder that holds a database or a lake and no keys does not start: new keys would read nothing of
it. A database without the installation's row beside a lake with commits does not start either: it would count positions
from the beginning and contradict the lake; it is rebuilt.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from mainstem.clock import Clock
from mainstem.errors import ConfigurationError, MissingKeysError, UnavailableError
from mainstem.privacy import Keyring
from mainstem.runtime.folders import keys_folder, lake_folder
from mainstem.runtime.placement import has_cluster
from mainstem.store import Database

if TYPE_CHECKING:
    from mainstem.lake import ObjectStore

__all__ = ["begin_installation", "check_installation", "ensure_installation", "ensure_keys", "is_installed"]


def ensure_keys(data_dir: Path, announce: Callable[[str], None]) -> Keyring:
    """The installation's keys, made when the data folder is new; `announce` then gets what the owner has to know.

    Raises MissingKeysError when the folder is not new and its keys are missing.
    """
    folder = keys_folder(data_dir)
    if Keyring.made(folder):
        return Keyring.open(folder)
    if has_cluster(data_dir) or _holds_something(lake_folder(data_dir)):
        raise MissingKeysError(
            f"{data_dir} holds data, but its keys are not in {folder}. Without them nothing of it can be read.",
            hint="Restore that folder from your backup, or run: mainstem keys import FILE",
        )
    keyring = Keyring.create(folder)
    announce(
        f"New keys were made in {folder}. Back them up now: without them no backup of the data can be read.\n"
        f"  mainstem keys export FILE --data-dir {data_dir}"
    )
    return keyring


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def ensure_installation(database: Database, keyring: Keyring, clock: Clock, lake: ObjectStore) -> None:
    """The installation's row, made when the database is new, and the proof that the keys are its keys.

    Raises MissingKeysError when they are another's, ConfigurationError when the database is new but the lake is not.
    """
    # Arrow, which `check_installation` does not wait for.
    from mainstem.lake import COMMITS

    if not is_installed(database) and next(iter(lake.list(COMMITS)), None) is not None:
        raise ConfigurationError(
            "The lake holds data of which the database knows nothing.",
            hint="Where the database was lost, have it made anew from the lake: "
            f"mainstem rebuild analytics --from-lake --data-dir {keyring.folder.parent}",
        )
    begin_installation(database, keyring, clock)


def begin_installation(database: Database, keyring: Keyring, clock: Clock) -> None:
    """As `ensure_installation`, whatever the lake holds: for a database that is about to be rebuilt from it."""
    with database.transaction() as connection:
        # Two nodes may start at once; the one that comes second finds the first one's row, and is checked against it.
        connection.execute(
            "INSERT INTO installation (id, created_at, key_check) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [uuid.uuid4(), clock.wall(), keyring.check()],
        )
    check_installation(database, keyring)


def check_installation(database: Database, keyring: Keyring) -> None:
    """Prove that the keys are this installation's.

    Raises MissingKeysError when they are not, UnavailableError when the database was never set up.
    """
    found = _key_check(database)
    if found is None:
        raise UnavailableError("The database was not set up yet.", hint="mainstem up does that.")
    if not hmac.compare_digest(found, keyring.check()):
        raise MissingKeysError(
            f"The keys in {keyring.folder} are another installation's.",
            hint="Restore this one's keys from your backup, or run: mainstem keys import FILE",
        )


def is_installed(database: Database) -> bool:
    """Whether the database is an installation's already."""
    return _key_check(database) is not None


def _key_check(database: Database) -> bytes | None:
    try:
        with database.autocommit() as connection:
            row = connection.execute("SELECT key_check FROM installation").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return None if row is None else bytes(row[0])
