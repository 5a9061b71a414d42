"""`mainstem database`: status, migrate."""

from __future__ import annotations

import json
from typing import Any

from cyclopts import App

from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir

__all__ = ["app"]

app = App(name="database", help="Look at the database, bring its tables up to date.", help_format="plaintext")


@app.command
def status(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Say where the database is, which version it has, how large it is and how to reach it with psql."""
    from mainstem.runtime.config import load_config
    from mainstem.runtime.wiring import database_dsn
    from mainstem.store import Database

    loaded = load_config(data_dir, config)
    dsn = database_dsn(loaded)
    found: dict[str, Any] = {"embedded": loaded.config.database.url is None}
    if found["embedded"]:
        # The embedded server's connection string holds no secret; a configured one may.
        found["dsn"] = dsn
    with Database(dsn, settings=loaded.config.store) as database, database.autocommit() as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database()), pg_postmaster_start_time()"
        ).fetchone()
    if row is not None:
        found |= {"version": row[0], "bytes": row[1], "started_at": row[2].isoformat()}
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name}: {value}")


@app.command
def migrate(*, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """Set up a database of your own, or bring its tables to this release's; `mainstem up` does it by itself."""
    from mainstem.runtime.config import load_config
    from mainstem.runtime.folders import make_data_folder
    from mainstem.runtime.tree import prepare

    loaded = load_config(make_data_folder(data_dir), config)
    prepare(loaded, None, lambda text: print(text, flush=True))
    print("The database is up to date.")
