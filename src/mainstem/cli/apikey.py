"""`mainstem apikey`: keys for programs that call the API."""

from __future__ import annotations

import datetime as dt
import json as json_format
from typing import Annotated

from cyclopts import App, Parameter

from mainstem.access import ApiKeys, Role
from mainstem.cli.options import DEFAULT_DATA_DIR, ConfigFile, DataDir

__all__ = ["app"]

app = App(name="apikey", help="Create, list and revoke API keys.", help_format="plaintext")


@app.command
def create(
    name: str,
    *,
    role: Annotated[Role, Parameter(help="What the key may do.")],
    source: Annotated[
        tuple[str, ...] | None, Parameter(help="A source it may write; repeat for more. Unset: any.")
    ] = None,
    days: Annotated[int | None, Parameter(help="Days until it expires. Unset: never.")] = None,
    json: Annotated[bool, Parameter(help="Print a JSON object.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Create a key and print it. It is shown this once and kept only as a hash."""
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        secret = ApiKeys(runtime.database, runtime.clock).create(
            name, role, sources=source, lifetime=None if days is None else dt.timedelta(days=days)
        )
        print(json_format.dumps({"name": name, "role": role.value, "key": secret}) if json else secret)
        copy_control(runtime)


@app.command(name="list")
def list_keys(
    *,
    json: Annotated[bool, Parameter(help="Print a JSON array.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """List all keys; never the keys themselves."""
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        keys = ApiKeys(runtime.database, runtime.clock).list()
        now = runtime.clock.wall()
    rows = [
        {
            "name": key.name,
            "role": key.role.value,
            "sources": key.sources,
            "state": "revoked"
            if key.revoked_at
            else "expired"
            if key.expires_at and key.expires_at <= now
            else "in force",
            "created_at": key.created_at.isoformat(),
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }
        for key in keys
    ]
    if json:
        print(json_format.dumps(rows))
        return
    for row in rows:
        print(
            f"{row['name']}\t{row['role']}\t{row['state']}\t{', '.join(row['sources']) if row['sources'] else 'any source'}"
        )


@app.command
def revoke(name: str, *, data_dir: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None) -> None:
    """Revoke a key; every process refuses it within five seconds."""
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        ApiKeys(runtime.database, runtime.clock).revoke(name)
        copy_control(runtime)
    print(f"{name} is revoked.")
